"""Calls into threads, and coroutines, that are awaited to their end whatever becomes of the caller.

Only the end of a call shows what it left behind, so a cancellation is passed on after it, not before.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, TypeVarTuple

from ..plugins.host.turns import Turns
from ..plugins.host.waits import see, until_done

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")


class Threads:
    """A bounded pool of threads, which issuers use in turn.

    Args:
        count: the number of concurrent functions; further ones wait for their turn.
        name: the beginning of the threads' names.
    """

    def __init__(self, count: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._places = Turns(count)
        self._running: set[asyncio.Future[Any]] = set()
        self._closing = asyncio.Lock()

    async def run(self, function: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
        """Run the function, and return its result. If the caller is cancelled first, the function never runs.

        Raises:
            asyncio.CancelledError: the caller was cancelled; the call has ended, or never began.
            RuntimeError: the pool is closed.
        """
        give_back = await self._place()
        try:
            job = self._executor.submit(function, *arguments)
        except BaseException:
            give_back()
            raise
        ended = asyncio.wrap_future(job)
        self._running.add(ended)
        ended.add_done_callback(self._running.discard)
        ended.add_done_callback(lambda _: give_back())  # the thread may outlive its caller
        ended.add_done_callback(see)
        try:
            cancelled = await until_done(ended, job.cancel)
            if not cancelled:
                return ended.result()
            raise asyncio.CancelledError
        finally:
            del job, ended, arguments  # an error's traceback holds this frame, so this frame must not hold the error

    async def _place(self) -> Callable[[], None]:
        """Wait for a turn, which counts as running for ``drain``."""
        began: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running.add(began)
        try:
            return await self._places.take()
        finally:
            self._running.discard(began)
            began.set_result(None)

    async def drain(self) -> None:
        """Wait until nothing runs or waits."""
        while self._running:
            await asyncio.wait(tuple(self._running))

    async def close(self) -> None:
        """Wait for the running functions, and end the threads. May be called twice, and again after a cancellation."""
        async with self._closing:
            await self.drain()
            await asyncio.to_thread(self._executor.shutdown)


async def finished(coroutine: Coroutine[Any, Any, _Result], on_cancel: Callable[[], object]) -> _Result:
    """Await the coroutine, and return its result even if the caller was cancelled meanwhile: the cancellation came too
    late.

    Args:
        coroutine: runs in a task of its own, which is never cancelled.
        on_cancel: called at each cancellation, so that the coroutine can hurry.

    Raises:
        asyncio.CancelledError: the caller was cancelled, and the coroutine failed.
    """
    task = asyncio.create_task(coroutine)
    task.add_done_callback(see)
    try:
        cancelled = await until_done(task, on_cancel)
        if cancelled and (task.cancelled() or task.exception() is not None):
            raise asyncio.CancelledError
        return task.result()
    finally:
        del task  # as in ``Threads.run``
