"""The requests under way, so that a stopping service answers them before it closes their connections."""

import asyncio


class InFlight:
    """Counts requests; each begins once and ends once."""

    def __init__(self) -> None:
        self._requests: set[object] = set()
        self._none = asyncio.Event()
        self._none.set()

    def begin(self, request: object) -> None:
        """A request has arrived."""
        self._requests.add(request)
        self._none.clear()

    def end(self, request: object) -> None:
        """It was answered, or its client has gone. May be called twice."""
        self._requests.discard(request)
        if not self._requests:
            self._none.set()

    async def drained(self, timeout: float) -> None:
        """Wait until there are none, no longer than ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._none.wait()
        except TimeoutError:
            return
