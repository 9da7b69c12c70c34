"""What an API error is made of: its code, its HTTP status and its public text."""

from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus


class TusStatus(IntEnum):
    """Statuses of the tus protocol that HTTP does not know."""

    CHECKSUM_MISMATCH = 460

    @property
    def phrase(self) -> str:
        """The reason phrase."""
        return "Checksum Mismatch"


AnyStatus = HTTPStatus | TusStatus


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """One kind of API error.

    Attributes:
        code: stable, for programs.
        status: HTTP status.
        text: ``str.format`` template of the sentence for people.
    """

    code: str
    status: AnyStatus
    text: str


_RENAMED = {413: "Content Too Large", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}
"""Reason phrases that RFC 9110 section 15.5 has changed, and older Pythons have not."""


def reason_phrase(status: AnyStatus) -> str:
    """The reason phrase of a status by RFC 9110."""
    return _RENAMED.get(status, status.phrase)
