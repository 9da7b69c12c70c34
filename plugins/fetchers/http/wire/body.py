"""The body of a response as the contract wants it: counted, timed, and complete or an error."""

import asyncio
from collections.abc import Awaitable, Callable

from ....errors import BodyEmpty, BodyTooLarge, BodyTruncated, OriginProtocolError
from ..clock import FetchClock, timed_out
from ..options import HttpOptions

READ_PHASE = "the wait for the next bytes of the body"

Read = Callable[[], Awaitable[bytes]]
"""Gives the next piece of the body, at most 1 MiB; empty at its end."""
Take = Callable[[], bytes]
"""Gives what has come already, at most 1 MiB; empty where nothing has."""


class RateFloor:
    """Refuses a body that arrives too slowly, by the time spent waiting for it: a slow reader is not held against it.

    Args:
        min_rate: bytes per second.
        window: seconds of waiting over which the rate is measured.
    """

    def __init__(self, min_rate: int, window: float) -> None:
        self._window = window
        self._floor = max(int(min_rate * window), 1)
        self._waited = 0.0
        self._size = 0

    def count(self, waited: float, size: int) -> None:
        """Add ``size`` bytes that came after ``waited`` seconds.

        Raises:
            FetchTimeout: the window is over and brought too little.
        """
        self._waited += waited
        self._size += size
        if self._waited < self._window:
            return
        if self._size < self._floor:
            raise timed_out(f"a stretch of {self._floor} bytes of the body", self._window)
        self._waited, self._size = 0.0, 0


class Body:
    """Iterates over a body once; see ``Fetched.chunks``.

    Args:
        read: gives the next piece.
        take: gives it where that needs no waiting, hence no timer: a small body has often come with its head.
        announced: the length that was announced, or None.
        clock: times the whole fetch.
        options: the limits.
    """

    def __init__(self, read: Read, take: Take, announced: int | None, clock: FetchClock, options: HttpOptions) -> None:
        self._read = read
        self._take = take
        self._announced = announced
        self._clock = clock
        self._options = options
        self._rate = RateFloor(options.min_rate, options.min_rate_window)
        self._size = 0

    def __aiter__(self) -> "Body":
        return self

    async def __anext__(self) -> bytes:
        if self._size == self._announced:
            raise StopAsyncIteration
        self._clock.refuse_if_stopped()
        waited = 0.0
        piece = self._take()
        if not piece:
            loop = asyncio.get_running_loop()
            began = loop.time()
            async with self._clock.limit(READ_PHASE, self._options.read_timeout):
                piece = await self._read()
            waited = loop.time() - began
        if not piece:
            self._check_end()
            raise StopAsyncIteration
        self._size += len(piece)
        if self._size > self._options.max_bytes:
            raise BodyTooLarge(limit=self._options.max_bytes)
        if self._announced is not None and self._size > self._announced:  # by its content range, that is
            raise OriginProtocolError(reason="its content range announces fewer bytes than it sends")
        self._rate.count(waited, len(piece))
        return piece

    def _check_end(self) -> None:
        if self._announced is not None and self._size != self._announced:
            raise BodyTruncated(f"{self._size} of {self._announced} bytes came")
        if not self._size:
            raise BodyEmpty
