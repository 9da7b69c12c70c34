"""Tokens that were verified before: clients send the same one again and again, and it need not be read anew."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ...models.grants import Grant
from ...models.issuers import Issuer

MAX_TOKENS: Final = 1024
"""Tokens that are remembered; beyond them the one that was not sent for longest is verified anew."""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What was found out of a token. It holds as long as its issuer is the same and has the same keys.

    Attributes:
        issuer: as it was.
        keys: those of the issuer that were valid then; credentials, so that they are in no repr.
        times: its ``exp``, ``nbf`` and ``iat``, as far as it has them; to be judged each time.
        grant: what it allows.
    """

    issuer: Issuer = field(repr=False)
    keys: Sequence[str] = field(repr=False)
    times: Mapping[str, int | float]
    grant: Grant


class VerifiedTokens:
    """A bounded memory, by the digest of the header that brought the token."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[bytes, VerifiedToken] = OrderedDict()

    def get(self, authorization: str) -> VerifiedToken | None:
        """What is known of it, or None."""
        key = _digest(authorization)
        found = self._tokens.get(key)
        if found is not None:
            self._tokens.move_to_end(key)
        return found

    def keep(self, authorization: str, verified: VerifiedToken) -> None:
        """Remember it, rather than the one that was not asked for longest."""
        self._tokens[_digest(authorization)] = verified
        if len(self._tokens) > MAX_TOKENS:
            self._tokens.popitem(last=False)

    def forget(self, authorization: str) -> None:
        """Nothing is known of it any more."""
        self._tokens.pop(_digest(authorization), None)


def _digest(authorization: str) -> bytes:
    return hashlib.sha256(authorization.encode("utf-8", "surrogatepass")).digest()
