"""Work that is awaited to its end, whatever becomes of the caller: a thread cannot be interrupted, and only its end
shows what it left behind. A cancellation of the caller is passed on after that, not before.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


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
