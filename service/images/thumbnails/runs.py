"""Concurrent callers who want the same result share one run of the work."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Shared(Generic[Result]):
    """Runs under way, by the name of their result."""

    def __init__(self) -> None:
        self._runs: dict[Hashable, asyncio.Task[Result]] = {}

    async def run(self, name: Hashable, work: Callable[[], Awaitable[Result]]) -> Result:
        """The result of the run under way with this name, or else of a new run.

        The run goes on if its callers are cancelled. What it raises, every caller gets.
        """
        task = self._runs.get(name)
        if task is None:
            task = asyncio.create_task(_awaited(work))
            self._runs[name] = task
            task.add_done_callback(lambda done: self._ended(name, done))
        return await asyncio.shield(task)

    def _ended(self, name: Hashable, task: "asyncio.Task[Result]") -> None:
        del self._runs[name]
        if not task.cancelled():
            task.exception()  # looked at, also where no caller is left


async def _awaited(work: Callable[[], Awaitable[Result]]) -> Result:
    return await work()
