"""Times one fetch: each phase has its limit, and all of them together have another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from plugins.errors import ConnectionLost, FetchTimeout

WHOLE_FETCH = "the whole fetch"


class FetchClock:
    """The clock of one fetch; it starts when it is made, inside the running loop.

    Args:
        total: seconds that the whole fetch may take.
    """

    def __init__(self, total: float) -> None:
        self._total = total
        self._deadline = asyncio.get_running_loop().time() + total
        self._entered: list[asyncio.Timeout] = []
        self._stopped = False

    def stop(self) -> None:
        """End what is under way, and everything later, with an error: the fetcher closes."""
        self._stopped = True
        # The outermost alone: what it encloses ends with it.
        for timeout in self._entered[:1]:
            if not timeout.expired():
                timeout.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def limit(self, phase: str = WHOLE_FETCH, seconds: float | None = None) -> AsyncIterator[None]:
        """Bound the time of the block by ``seconds``, or only by what is left of the total. May be nested.

        Raises:
            FetchTimeout: ``phase`` took longer than ``seconds``, or the whole fetch longer than its total.
            ConnectionLost: the clock was stopped.
        """
        self._refuse_if_stopped()
        until = self._deadline
        exceeded = (WHOLE_FETCH, self._total)
        if seconds is not None and (phase_end := asyncio.get_running_loop().time() + seconds) < until:
            until, exceeded = phase_end, (phase, seconds)
        timeout = asyncio.timeout_at(until)
        self._entered.append(timeout)
        try:
            async with timeout:
                yield
        except TimeoutError as error:
            if not timeout.expired():  # the block's own; the operating system has a time limit for connecting
                raise
            self._refuse_if_stopped()
            raise timed_out(*exceeded) from error
        finally:
            self._entered.remove(timeout)

    def _refuse_if_stopped(self) -> None:
        if self._stopped:
            raise fetcher_closed()


def timed_out(phase: str, seconds: float) -> FetchTimeout:
    """The error for a phase that took longer than so many seconds."""
    return FetchTimeout(phase=phase, seconds=f"{seconds:g}")


def fetcher_closed() -> ConnectionLost:
    """The error for a fetch that the fetcher's end cut off: another attempt, in another process, may succeed."""
    return ConnectionLost("the fetcher was closed")
