"""Issuers: the API keys whose holders sign tokens."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

MAX_ISSUER_ID = 255
"""Characters of an issuer's id, at most."""
MAX_KEYS = 2
"""Keys that an issuer has at once, at most: its own, and the one before it."""


def is_issuer_id(text: str) -> bool:
    """Whether a text may be an issuer's id: 1 to ``MAX_ISSUER_ID`` printable characters without spaces."""
    return text.isprintable() and " " not in text and 1 <= len(text) <= MAX_ISSUER_ID


class Algorithm(StrEnum):
    """Signature algorithms a token may have (RFC 7518 section 3.1, RFC 8037 section 3.1)."""

    HS256 = "HS256"
    HS384 = "HS384"
    HS512 = "HS512"
    RS256 = "RS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"

    @property
    def uses_secret(self) -> bool:
        """Whether those who sign and those who verify share a secret; else there is a key pair."""
        return self.value.startswith("HS")


@dataclass(frozen=True, slots=True)
class Issuer:
    """An API key of an organisation; its id is the ``iss`` claim of the tokens it signs.

    Attributes:
        id: unique id, not the organisation's.
        organization_id: the organisation that its imports belong to.
        key: what its signatures are verified with: the secret of the HMAC, or a public key in PEM; never in a repr.
        algorithm: the only algorithm accepted from this issuer (RFC 8725 section 3.1).
        enabled: whether its tokens are accepted.
        require_exp: whether a token must have an ``exp`` claim.
        previous_key: the key before, which is accepted besides while those who sign change over; None if there is none.
        previous_until: when ``previous_key`` ends to be accepted, by ``DocumentStore.clock``, whole milliseconds; None
            for no such time.
    """

    id: str
    organization_id: str
    key: str = field(repr=False)
    algorithm: Algorithm = Algorithm.HS256
    enabled: bool = True
    require_exp: bool = True
    previous_key: str | None = field(default=None, repr=False)
    previous_until: datetime | None = None

    def keys(self, now: datetime) -> tuple[str, ...]:
        """The keys that verify its signatures at a moment, its own first."""
        if self.previous_key is None or (self.previous_until is not None and self.previous_until <= now):
            return (self.key,)
        return (self.key, self.previous_key)
