"""Issuers: the API keys that sign tokens."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

MAX_ISSUER_ID = 255
"""The longest id of an issuer, in characters."""
MAX_KEYS = 2
"""The largest number of valid keys of an issuer: its present key and the previous one."""


def is_issuer_id(text: str) -> bool:
    """Whether a text may be an issuer's id: 1 to ``MAX_ISSUER_ID`` printable characters without spaces."""
    return text.isprintable() and " " not in text and 1 <= len(text) <= MAX_ISSUER_ID


class Algorithm(StrEnum):
    """Signature algorithms of tokens (RFC 7518 section 3.1, RFC 8037 section 3.1)."""

    HS256 = "HS256"
    HS384 = "HS384"
    HS512 = "HS512"
    RS256 = "RS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"

    @property
    def uses_secret(self) -> bool:
        """Whether signer and verifier share a secret; otherwise there is a key pair."""
        return self.value.startswith("HS")


@dataclass(frozen=True, slots=True)
class Issuer:
    """An API key of an organisation. Its id is the ``iss`` claim of the tokens that it signs.

    Attributes:
        id: unique id, not the organisation's.
        organization_id: the organisation that owns its imports.
        key: verifies its signatures: the secret of the HMAC, or a public key in PEM; never in a repr.
        algorithm: the only algorithm accepted from this issuer (RFC 8725 section 3.1).
        enabled: whether its tokens are accepted.
        require_exp: whether a token must have an ``exp`` claim.
        previous_key: the previous key, also accepted during a rotation; None if there is none.
        previous_until: when ``previous_key`` expires, by ``DocumentStore.clock``, whole milliseconds; None for never.
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
        """The keys that verify its signatures at a moment, the present key first."""
        if self.previous_key is None or (self.previous_until is not None and self.previous_until <= now):
            return (self.key,)
        return (self.key, self.previous_key)
