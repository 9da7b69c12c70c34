"""Waits: for a place of our own, and for the end of work that cannot be interrupted.

A wait for a place says nothing of an origin or an image, so no clock that judges these runs on::

    with own_wait() as seconds:
        give_back = await turns.take(seconds)

Work in a thread cannot be interrupted, and only its end shows what it left behind. So it is awaited to its end, and a
cancellation of the caller is passed on after that.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

MAX_WAIT: Final = 30.0
"""Seconds that a fetch waits for places, in all. The plugin's deadline must leave room for them."""

_pause: ContextVar[Callable[[float], AbstractContextManager[float]]] = ContextVar("lading_pause", default=nullcontext)


@contextmanager
def pausing(pause: Callable[[float], AbstractContextManager[float]]) -> Iterator[None]:
    """Within the block, ``own_wait`` enters ``pause(seconds)``, which stops clocks and says how long a wait may be."""
    token = _pause.set(pause)
    try:
        yield
    finally:
        _pause.reset(token)


def own_wait(seconds: float = MAX_WAIT) -> AbstractContextManager[float]:
    """Around a wait for a place of our own: the clocks of the present work stand still. It gives the seconds that the
    wait may take, at most ``seconds``.
    """
    return _pause.get()(seconds)


async def until_done(future: asyncio.Future[Any], on_cancel: Callable[[], object] = lambda: None) -> bool:
    """Wait until the future is done; whether the caller was cancelled meanwhile.

    Args:
        future: the work. It is never cancelled here.
        on_cancel: called at each cancellation, so that the work can hurry.
    """
    cancelled = False
    while not future.done():
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError:
            cancelled = True
            on_cancel()
    return cancelled


async def to_its_end(future: asyncio.Future[Result], on_cancel: Callable[[], object] = lambda: None) -> Result:
    """The result of the work.

    Raises:
        asyncio.CancelledError: the caller was cancelled. The work has ended; its own error is dropped.
        Exception: what the work raised.
    """
    if await until_done(future, on_cancel):
        see(future)
        raise asyncio.CancelledError
    return future.result()


def see(future: asyncio.Future[Any]) -> None:
    """Retrieve a future's error: if its caller has left, nobody else does, and asyncio would complain."""
    if not future.cancelled():
        future.exception()
