"""The clocks, injected everywhere so that tests can set them.

There are two clocks. The machine's own clock gives the moments that people see (``created_at``), and judges the times
that others have signed (the ``exp`` of a token). Somebody may set it at any time, and then it steps. The clock of the
document store, ``DocumentStore.clock``, judges durations: of a lease, of the pause before a retry, of the memory of a
key. All processes share that clock, and nobody sets it.
"""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

TimeCounter = Callable[[], int]
"""Nanoseconds since an arbitrary moment. They advance steadily and are never set. Callable from any thread."""

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

_MICROSECONDS: Final = tuple(timedelta(microseconds=number) for number in range(1000))

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """A clock."""

    def now(self) -> datetime:
        """The present time in UTC, timezone-aware."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """See ``Clock.now``."""
        return datetime.now(UTC)


def count_nanoseconds() -> int:
    """A ``TimeCounter``: the time since the machine started, including its sleep if the system counts that."""
    boot_time: int | None = getattr(time, "CLOCK_BOOTTIME", None)  # Linux only, clock_gettime(2)
    return time.monotonic_ns() if boot_time is None else time.clock_gettime_ns(boot_time)


class SteadyClock:
    """A clock that advances from a moment at the pace of a counter. It never steps, whatever the machine's own clock
    does.

    It may be read and set from any thread.

    Args:
        moment: the present time.
        counter: counts the time since then.
    """

    def __init__(self, moment: datetime, counter: TimeCounter = count_nanoseconds) -> None:
        self._counter = counter
        self.set(moment, counter())

    def now(self) -> datetime:
        """See ``Clock.now``."""
        return self._zero + timedelta(microseconds=self._counter() // 1000)

    def set(self, moment: datetime, count: int) -> None:
        """Set the clock: the time was ``moment`` when the counter stood at ``count``."""
        self._zero = moment - timedelta(microseconds=count // 1000)


def shown(moment: datetime, by: Clock, clock: Clock) -> datetime:
    """Convert a moment of the clock ``by`` to ``clock``, for people.

    Clocks that differ by less than half a second give the same result, so that a moment always reads the same.
    """
    return moment + timedelta(seconds=round((clock.now() - by.now()).total_seconds()))


def truncate_to_milliseconds(moment: datetime) -> datetime:
    """The moment without its microseconds: documents keep milliseconds, as BSON dates and the API do."""
    return moment - _MICROSECONDS[moment.microsecond % 1000]  # a sixth of the work of ``datetime.replace``


def parse_duration(text: str) -> timedelta:
    """A duration such as ``90s``, ``15m``, ``4h`` or ``30d``: 1 to 999999 of a unit.

    Raises:
        ValueError: the text is no duration.
    """
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a duration such as 90s, 15m, 4h or 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def moment_before(now: datetime, span: timedelta) -> datetime:
    """The moment that lies a span before ``now``, but not before the year 1970: nothing is older."""
    return now - min(span, now - EPOCH)
