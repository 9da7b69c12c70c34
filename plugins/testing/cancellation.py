"""Cancellation at a chosen point, and what a coroutine ends with."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

Result = TypeVar("Result")


class CancelAt:
    """Runs a coroutine in a task of its own and cancels it at its ``nth`` suspension, counted from 1.

    Attributes:
        reached: whether there were so many suspensions.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, object], nth: int) -> None:
        self._coroutine = coroutine
        self._nth = nth
        self.reached = False

    async def run(self) -> asyncio.Task[None]:
        """Run it; the task it ran in, which is done."""
        task = asyncio.create_task(self._drive())
        await asyncio.wait((task,))
        return task

    async def _drive(self) -> None:
        await self

    def __await__(self) -> Generator[Any, Any, None]:
        inner = self._coroutine.__await__()
        resume: Callable[[], Any] = inner.__next__
        count = 0
        while True:
            try:
                awaited = resume()
            except StopIteration:
                return
            count += 1
            if count == self._nth:
                self.reached = True
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                yield awaited
            except BaseException as error:  # noqa: BLE001 - what the task is told, the coroutine is told
                resume = _thrower(inner, error)
            else:
                resume = inner.__next__


def _thrower(inner: Generator[Any, Any, object], error: BaseException) -> Callable[[], Any]:
    return lambda: inner.throw(error)


async def attempt(coroutine: Coroutine[Any, Any, Result]) -> Result | Exception:
    """The coroutine's result, or what it raised."""
    try:
        return await coroutine
    except Exception as error:  # noqa: BLE001 - the caller judges it
        return error
