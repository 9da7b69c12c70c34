"""Time as this process has lived it: monotonic seconds, without those in which the process stood still.

A container's pause, SIGSTOP, or a machine that is far too busy stops a process for seconds. When it goes on, every
timer in it has run out, and every peer may have given up. None of that says anything of an origin, a host or an image.
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
"""Seconds without a turn of the event loop from which the process counts as having stood still."""
QUIET: Final = 60.0
"""Seconds for which a further standstill is not logged."""

log = structlog.get_logger(__name__)


class AwakeClock:
    """Ticks in the event loop while ``ticking``. Outside of that it is the monotonic clock.

    A tick that comes late by ``STILL`` seconds or more means that the process stood still. The clock looks whenever it
    is asked as well, so that an answer never depends on which timer comes first after a pause.

    Args:
        monotonic: tells seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: float | None = None
        self._logged_at: float | None = None
        self._lost = 0.0

    def now(self) -> float:
        """Monotonic seconds, those that were lost aside."""
        return self._look() - self._lost

    def lost(self) -> float:
        """Seconds for which the process has stood still, up to this moment."""
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
        """Note what was lost since the last look; the monotonic time."""
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
