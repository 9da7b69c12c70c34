"""The clock, injected everywhere so that tests can set it."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present, timezone-aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """See ``Clock.now``."""
        return datetime.now(UTC)


def truncate_to_milliseconds(moment: datetime) -> datetime:
    """The moment without its microseconds: documents keep milliseconds, as BSON dates and the API do."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
