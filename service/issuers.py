"""Issuers: the API keys whose holders sign tokens."""

from dataclasses import dataclass, field
from enum import StrEnum

MAX_ISSUER_ID = 255
"""Characters of an issuer's id, at most."""


def is_issuer_id(text: str) -> bool:
    """Whether a text may be an issuer's id: 1 to ``MAX_ISSUER_ID`` printable characters without spaces."""
    return text.isprintable() and " " not in text and 1 <= len(text) <= MAX_ISSUER_ID


class Algorithm(StrEnum):
    """Signature algorithms a token may have (RFC 7518 section 3.2)."""

    HS256 = "HS256"
    HS384 = "HS384"
    HS512 = "HS512"


@dataclass(frozen=True, slots=True)
class Issuer:
    """An API key of an organisation; its id is the ``iss`` claim of the tokens it signs.

    Attributes:
        id: unique id, not the organisation's.
        organization_id: the organisation that its imports belong to.
        secret: the key of the HMAC; never in a repr.
        algorithm: the only algorithm accepted from this issuer (RFC 8725 section 3.1).
        enabled: whether its tokens are accepted.
        require_exp: whether a token must have an ``exp`` claim.
    """

    id: str
    organization_id: str
    secret: str = field(repr=False)
    algorithm: Algorithm = Algorithm.HS256
    enabled: bool = True
    require_exp: bool = True
