"""The running requests, so that a stopping service answers them before it closes their connections."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class InFlight:
    """Counts requests; each begins once and ends once."""

    def __init__(self) -> None:
        self._requests: set[object] = set()
        self._none = asyncio.Event()
        self._none.set()
        self._waiting: set[asyncio.Event] = set()
        self._is_stopping = False

    def begin(self, request: object) -> None:
        """A request has arrived."""
        self._requests.add(request)
        self._none.clear()

    def end(self, request: object) -> None:
        """The request was answered, or its client has gone. May be called twice."""
        self._requests.discard(request)
        if not self._requests:
            self._none.set()

    @contextmanager
    def wakes(self, event: asyncio.Event) -> Iterator[None]:
        """Set the event when the service stops, for a request that waits for something else."""
        self._waiting.add(event)
        if self._is_stopping:
            event.set()
        try:
            yield
        finally:
            self._waiting.discard(event)

    def stop_waiting(self) -> None:
        """Wake every waiting request, and every later one at once."""
        self._is_stopping = True
        for event in self._waiting:
            event.set()

    async def drained(self, timeout: float) -> None:
        """Wait until no request runs, no longer than ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._none.wait()
        except TimeoutError:
            return
