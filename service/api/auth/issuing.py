"""Signs new tokens, for the command line and for tests."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from ...models.issuers import Issuer
from ...secrets.keys import signed, signing_key

DEFAULT_ABILITIES: Final = ("image_upload", "image_download", "image_list")
"""Abilities of a token without ``--ability``: import images, read them, list them. Nothing that deletes or manages."""


def issue_token(
    issuer: Issuer,
    *,
    abilities: Mapping[str, Collection[str]],
    now: datetime,
    expires: timedelta | None,
    admin: bool = False,
    private_key: str | None = None,
) -> str:
    """Sign a token. Its header and claims look like those of existing clients of this API.

    Args:
        issuer: gives its id, and its key unless that is a public key.
        abilities: by album, the names of the abilities to grant.
        now: time of issue, timezone-aware, used in whole seconds.
        expires: how long the token is valid; None for a token without ``exp``.
        admin: whether to allow everything in the organisation.
        private_key: in PEM, for an issuer with a public key.

    Raises:
        ValueError: the key cannot sign, see ``keys.signing_key``.
    """
    key = signing_key(issuer, private_key)
    issued_at = int(now.timestamp())
    claims: dict[str, Any] = {} if expires is None else {"exp": issued_at + int(expires.total_seconds())}
    claims |= {"iat": issued_at, "iss": issuer.id}
    claims["abilities"] = {album: {"Access": dict.fromkeys(names, True)} for album, names in abilities.items()}
    if admin:
        claims["admin"] = True
    return signed(claims, issuer.algorithm, key)
