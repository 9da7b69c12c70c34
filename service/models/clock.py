"""The clocks, injected everywhere so that tests can set them.

There are two kinds of time. The machine's own clock tells the moments that people are shown (``created_at``), and
judges what others have signed (the ``exp`` of a token). It may be set at any time, and then it steps. The clock of the
document store, ``DocumentStore.clock``, judges how long something lasts: a lease, the pause before a retry, the memory
of a key. All processes share that clock, and nobody sets it.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

TimeCounter = Callable[[], int]
"""Nanoseconds from some moment on, which go on at the pace of time and are never set. May be asked in any thread."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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


def count_nanoseconds() -> int:
    """A ``TimeCounter``: since the machine was started. It counts sleep of the machine too, where the system can."""
    boot_time: int | None = getattr(time, "CLOCK_BOOTTIME", None)  # Linux alone has it, clock_gettime(2)
    return time.monotonic_ns() if boot_time is None else time.clock_gettime_ns(boot_time)


class SteadyClock:
    """Goes on from a moment at the pace of a counter: it never steps, whatever the machine's own clock is set to.

    It may be asked and set in any thread.

    Args:
        moment: the time now.
        counter: says how much time has passed.
    """

    def __init__(self, moment: datetime, counter: TimeCounter = count_nanoseconds) -> None:
        self._counter = counter
        self.set(moment, counter())

    def now(self) -> datetime:
        """See ``Clock.now``."""
        return self._zero + timedelta(microseconds=self._counter() // 1000)

    def set(self, moment: datetime, count: int) -> None:
        """It was ``moment`` when the counter stood at ``count``."""
        self._zero = moment - timedelta(microseconds=count // 1000)


def shown(moment: datetime, by: Clock, clock: Clock) -> datetime:
    """A moment that the clock ``by`` judges, as ``clock`` tells it to people.

    Clocks that differ by less than half a second tell it alike, so that the same moment reads the same each time.
    """
    return moment + timedelta(seconds=round((clock.now() - by.now()).total_seconds()))


def truncate_to_milliseconds(moment: datetime) -> datetime:
    """The moment without its microseconds: documents keep milliseconds, as BSON dates and the API do."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
