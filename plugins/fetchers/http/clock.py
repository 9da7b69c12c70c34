"""Times one fetch: each phase has its limit, and all of them together have another."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import NoReturn

from ...errors import ConnectionLost, FetchTimeout
from ...host.waits import MAX_WAIT

WHOLE_FETCH = "the whole fetch"


class FetchClock:
    """The clock of one fetch; it starts when it is made, inside the running loop.

    Args:
        total: seconds that the whole fetch may take, waits of our own aside.
        patience: seconds that those may take.
    """

    def __init__(self, total: float, patience: float = MAX_WAIT) -> None:
        self._total = total
        self._patience = patience
        self._deadline = asyncio.get_running_loop().time() + total
        self._entered: list[asyncio.Timeout] = []
        self._stopped = False
        self._waited = 0.0

    def stop(self) -> None:
        """End what is under way, and everything later, with an error: the fetcher closes."""
        self._stopped = True
        # The outermost alone: what it encloses ends with it.
        for timeout in self._entered[:1]:
            if not timeout.expired():
                timeout.reschedule(asyncio.get_running_loop().time())

    def limit(self, phase: str = WHOLE_FETCH, seconds: float | None = None) -> "Limit":
        """Bound the time of the block by ``seconds``, or only by what is left of the total. May be nested.

        Raises:
            FetchTimeout: ``phase`` took longer than ``seconds``, or the whole fetch longer than its total.
            ConnectionLost: the clock was stopped.
        """
        return Limit(self, phase, seconds)

    @contextmanager
    def paused(self, seconds: float) -> Iterator[float]:
        """Around a wait of our own, within ``limit``: no time passes, but what ``stop`` does. It gives the seconds that
        the wait may take: at most ``seconds``, and all waits of a fetch ``patience``.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        ends = [(timeout, timeout.when()) for timeout in self._entered if not timeout.expired()]
        for timeout, _ in ends:
            timeout.reschedule(None)
        try:
            yield min(seconds, self._patience - self._waited)
        finally:
            waited = loop.time() - began
            self._waited += waited
            self._deadline += waited
            for timeout, end in ends:
                if not self._stopped and end is not None:
                    timeout.reschedule(end + waited)

    def begin(self, phase: str, seconds: float | None) -> tuple[asyncio.Timeout, tuple[str, float]]:
        """A timeout for a phase, which counts as entered; and the phase and the seconds that it stands for.

        Raises:
            ConnectionLost: the clock was stopped.
        """
        self.refuse_if_stopped()
        until = self._deadline
        exceeded = (WHOLE_FETCH, self._total)
        if seconds is not None and (phase_end := asyncio.get_running_loop().time() + seconds) < until:
            until, exceeded = phase_end, (phase, seconds)
        timeout = asyncio.timeout_at(until)
        self._entered.append(timeout)
        return timeout, exceeded

    def end(self, timeout: asyncio.Timeout) -> None:
        """The timeout is left."""
        self._entered.remove(timeout)

    def refuse_if_stopped(self) -> None:
        """Raise where the clock was stopped.

        Raises:
            ConnectionLost: it was.
        """
        if self._stopped:
            raise fetcher_closed()


class Limit:
    """See ``FetchClock.limit``. A class: what contextlib makes costs more, and each piece of a body has a limit."""

    __slots__ = ("_clock", "_exceeded", "_phase", "_seconds", "_timeout")

    def __init__(self, clock: FetchClock, phase: str, seconds: float | None) -> None:
        self._clock = clock
        self._phase = phase
        self._seconds = seconds

    async def __aenter__(self) -> None:
        self._timeout, self._exceeded = self._clock.begin(self._phase, self._seconds)
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError as expired:
            self._raise(expired)
        finally:
            self._clock.end(self._timeout)
        # The block's own passes; the operating system has a time limit for connecting.
        if isinstance(error, TimeoutError) and self._timeout.expired():
            self._raise(error)

    def _raise(self, error: TimeoutError) -> NoReturn:
        self._clock.refuse_if_stopped()
        raise timed_out(*self._exceeded) from error


def timed_out(phase: str, seconds: float) -> FetchTimeout:
    """The error for a phase that took longer than so many seconds."""
    return FetchTimeout(phase=phase, seconds=f"{seconds:g}")


def fetcher_closed() -> ConnectionLost:
    """The error for a fetch that the fetcher's end cut off: another attempt, in another process, may succeed."""
    return ConnectionLost("the fetcher was closed")
