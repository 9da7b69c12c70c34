"""Time limits of one fetch."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lading.plugins.errors import ConnectionLost, FetchTimeout


class Clock:
    """Times one fetch; the time runs from when it is made, inside the running loop.

    Args:
        total: seconds that the whole fetch may take.
    """

    def __init__(self, total: float) -> None:
        self._total = total
        self._end = asyncio.get_running_loop().time() + total
        self._current: asyncio.Timeout | None = None
        self._stopped = False

    @asynccontextmanager
    async def limit(self, phase: str, seconds: float) -> AsyncIterator[None]:
        """Bound the block by so many seconds, and by what is left of the total. Not to be nested.

        Raises:
            FetchTimeout: it took longer.
            ConnectionLost: the clock was stopped, before or meanwhile.
        """
        until = asyncio.get_running_loop().time() + seconds
        if self._end < until:
            phase, seconds, until = "the whole fetch", self._total, self._end
        timeout = asyncio.timeout_at(until)
        self.check()
        self._current = timeout
        try:
            async with timeout:
                yield
        except TimeoutError as error:
            self.check()
            raise FetchTimeout(phase=phase, seconds=f"{seconds:g}") from error
        finally:
            self._current = None

    def stop(self) -> None:
        """End the block that is under way, if any, and every later one."""
        self._stopped = True
        if self._current is not None and not self._current.expired():
            self._current.reschedule(asyncio.get_running_loop().time())

    def check(self) -> None:
        """Do nothing, unless the clock was stopped.

        Raises:
            ConnectionLost: it was.
        """
        if self._stopped:
            raise ConnectionLost("the fetcher was closed")
