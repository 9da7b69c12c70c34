"""A monotonic clock that leaves out the time during which this process stood still.

A paused container, SIGSTOP or an overloaded machine stops a process for seconds. When the process continues, all of its
timers have expired, and its peers may have given up. None of that says anything about an origin, a host or an image.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

TICK: Final = 0.25
"""Seconds between two ticks."""
STILL: Final = 1.0
"""The process counts as having stood still if the event loop did not turn for this many seconds."""
QUIET: Final = 60.0
"""Seconds during which another standstill is not logged."""

log = structlog.get_logger(__name__)


class AwakeClock:
    """Ticks in the event loop within ``ticking``. Outside of it, this is the monotonic clock.

    A tick that is late by ``STILL`` seconds or more means that the process stood still. The clock checks whenever it is
    read as well, so the order of timers after a pause does not matter.

    Args:
        monotonic: gives monotonic seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: float | None = None
        self._logged_at: float | None = None
        self._lost = 0.0

    def now(self) -> float:
        """Monotonic seconds, without those that were lost."""
        return self._look() - self._lost

    def lost(self) -> float:
        """The seconds during which the process has stood still so far."""
        self._look()
        return self._lost

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """Tick in the running event loop until the block ends."""
        self._seen = self._monotonic()
        self._wait()
        try:
            yield
        finally:
            self._timer.cancel()
            self._seen = None

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)

    def _tick(self) -> None:
        self._look()
        self._wait()

    def _look(self) -> float:
        """Add the time that was lost since the last check, and return the monotonic time."""
        now = self._monotonic()
        if self._seen is None:
            return now
        late, self._seen = now - self._seen - TICK, now
        if late >= STILL:
            self._lost += late
            if self._logged_at is None or now - self._logged_at > QUIET:
                self._logged_at = now
                log.warning("the process was paused", seconds=round(late, 3))
        return now
