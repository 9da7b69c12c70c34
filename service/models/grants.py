"""The rights of a valid token, and the reasons to refuse a token."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    """The reason why a token was refused, for the log only. The client always gets the same answer."""

    MISSING = "missing"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    WRONG_TYPE = "wrong_type"
    WRONG_ALGORITHM = "wrong_algorithm"
    CRITICAL_EXTENSION = "critical_extension"
    INVALID_ISSUER = "invalid_issuer"
    UNKNOWN_ISSUER = "unknown_issuer"
    UNFIT_KEY = "unfit_key"
    BAD_SIGNATURE = "bad_signature"
    DISABLED = "disabled"
    INVALID_TIME = "invalid_time"
    MISSING_EXP = "missing_exp"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    OTHER_AUDIENCE = "other_audience"


class Unauthorized(Exception):
    """The request has no valid token. The error never contains the token or any part of it."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Grant:
    """The rights of a valid token.

    Attributes:
        issuer_id: the issuer that signed the token.
        organization_id: the issuer's organisation.
        token: the token as sent; a credential until it expires, so it has no repr.
        admin: whether the token allows everything in the organisation.
        abilities: by album, the names of the granted abilities.
        subject: who the token was made for, as its ``sub`` says; data from the signer, for the audit log.
        expires_at: when the token is accepted no longer, in seconds since the epoch; None for never.
    """

    issuer_id: str
    organization_id: str
    token: str = field(repr=False)
    admin: bool = False
    abilities: Mapping[str, frozenset[str]] = field(default_factory=dict)
    expires_at: float | None = field(default=None, compare=False)
    subject: str | None = None

    def allows(self, ability: str, album_id: str | None) -> bool:
        """Whether the ability is granted in the album; for None, whether it is granted in any album."""
        if self.admin:
            return True
        if album_id is None:
            return any(ability in granted for granted in self.abilities.values())
        return ability in self.abilities.get(album_id, frozenset())
