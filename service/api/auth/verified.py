"""A cache of verified tokens: clients send the same token again and again."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ...models.grants import Grant
from ...models.issuers import Issuer

MAX_TOKENS: Final = 1024
"""Number of cached tokens; beyond it, the token that was used longest ago is verified again."""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """The facts about a verified token. They hold while its issuer and the issuer's keys stay the same.

    Attributes:
        issuer: at the time of the verification.
        keys: the valid keys of the issuer at that time; credentials, so no repr.
        times: its ``exp``, ``nbf`` and ``iat``, as far as it has them; judged at every use.
        grant: the rights of the token.
    """

    issuer: Issuer = field(repr=False)
    keys: Sequence[str] = field(repr=False)
    times: Mapping[str, int | float]
    grant: Grant


class VerifiedTokens:
    """A bounded cache, by the digest of the header with the token."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[bytes, VerifiedToken] = OrderedDict()

    def get(self, authorization: str) -> VerifiedToken | None:
        """The facts about it, or None."""
        key = _digest(authorization)
        found = self._tokens.get(key)
        if found is not None:
            self._tokens.move_to_end(key)
        return found

    def keep(self, authorization: str, verified: VerifiedToken) -> None:
        """Keep the facts, and drop the token that was used longest ago if the cache is full."""
        self._tokens[_digest(authorization)] = verified
        if len(self._tokens) > MAX_TOKENS:
            self._tokens.popitem(last=False)

    def forget(self, authorization: str) -> None:
        """Drop the facts."""
        self._tokens.pop(_digest(authorization), None)


def _digest(authorization: str) -> bytes:
    return hashlib.sha256(authorization.encode("utf-8", "surrogatepass")).digest()
