"""Places that issuers get in turn: an issuer with a thousand calls delays another's single call by one.

with on_behalf_of(issuer_id):
    async with turns.turn(): ...
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

_issuer: ContextVar[str] = ContextVar("lading_issuer", default="")


@contextmanager
def on_behalf_of(issuer_id: str) -> Iterator[None]:
    """What the block asks for, it asks for this issuer; calls outside of any such block count as those of one more."""
    token = _issuer.set(issuer_id)
    try:
        yield
    finally:
        _issuer.reset(token)


def present_issuer() -> str:
    """The issuer for which the present task asks; empty outside of any ``on_behalf_of``."""
    return _issuer.get()


class Turns:
    """So many places. A place that becomes free goes to the issuer that was served longest ago.

    Calls of one issuer are served in their order. Nobody waits while a place is free. Cancelling a wait loses no place.

    Args:
        places: how many calls have a place at once, at least 1.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """By issuer, in the order in which the issuers are served. No queue is empty."""

    def locked(self) -> bool:
        """Whether ``acquire`` would have to wait."""
        return not self._free

    async def acquire(self) -> None:
        """Take a place, which the caller gives back with ``release``."""
        if self._free:
            self._free -= 1
            return
        issuer, place = _issuer.get(), asyncio.get_running_loop().create_future()
        self._waiting.setdefault(issuer, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                self._forget(issuer, place)
            else:  # the place came in the same moment
                self.release()
            raise

    def release(self) -> None:
        """Give a place back: to the next call that waits, if any does."""
        while self._waiting:
            issuer = next(iter(self._waiting))
            queue = self._waiting.pop(issuer)
            place = queue.popleft()
            if queue:
                self._waiting[issuer] = queue  # behind all others
            if not place.done():
                place.set_result(None)
                return
        self._free += 1

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Have a place for the block."""
        await self.acquire()
        try:
            yield
        finally:
            self.release()

    def _forget(self, issuer: str, place: "asyncio.Future[None]") -> None:
        """Let go of a wait that was cancelled, unless ``release`` has come across it."""
        queue = self._waiting.get(issuer)
        if queue is not None and place in queue:
            queue.remove(place)
            if not queue:
                del self._waiting[issuer]
