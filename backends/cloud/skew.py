"""How far this machine's clock is off, as the answer of a server tells it."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

_NOTABLE: Final = timedelta(minutes=1)
"""A smaller difference may be the time that the answer took, and no signature fails for it."""


def skew_of(date: str | None, now: datetime | None = None) -> str:
    """By how much this machine's clock differs from the clock of a server, in words.

    Args:
        date: the server's ``Date`` (RFC 9110 section 6.6.1), if it sent one.
        now: the time of this machine, timezone-aware; None for the present.

    Returns:
        such as ``1 h 2 min ahead of the server``; empty if the clocks agree, or ``date`` is no date.
    """
    try:
        told = parsedate_to_datetime(date or "")
    except ValueError:
        return ""
    # Without a zone, as "-0000" stands for UTC.
    offset = (now or datetime.now(UTC)) - (told if told.tzinfo else told.replace(tzinfo=UTC))
    if abs(offset) < _NOTABLE:
        return ""
    minutes = round(abs(offset).total_seconds() / 60)
    days, hours = divmod(minutes // 60, 24)
    parts = {"d": days, "h": hours, "min": minutes % 60}
    text = " ".join(f"{number} {unit}" for unit, number in parts.items() if number)
    return f"{text} {'ahead of' if offset > timedelta(0) else 'behind'} the server"
