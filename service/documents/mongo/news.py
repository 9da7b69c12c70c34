"""Wakes idle workers when an import is queued, by a change stream that is open while a worker is idle."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from pymongo.errors import PyMongoError

from ...models.clock import Clock
from .. import StoreUnavailable
from .connection import Connection, reason_of
from .schema import IMPORTS

AWAIT_MILLISECONDS = 1000
"""How long the server holds a question open; closing waits as long."""
UNUSED_SECONDS = 5.0
"""After how long the stream is closed when nobody waits: a busy worker asks by itself."""
RETRY_SECONDS = 5.0
SHORTEST_WAIT = 0.05
"""Seconds between two returns at least, so that a stream of news which nobody can use keeps no worker spinning."""

# Nothing but the time is sent: no params leave the server for this.
PIPELINE: Sequence[Mapping[str, Any]] = [
    {
        "$match": {
            "$or": [
                {"operationType": "insert", "fullDocument.status": "queued"},
                {"operationType": "update", "updateDescription.updatedFields.status": "queued"},
            ]
        }
    },
    {"$project": {"run_at": {"$ifNull": ["$fullDocument.run_at", "$updateDescription.updatedFields.run_at"]}}},
]

log = structlog.get_logger(__name__)


class News:
    """Waits for queued imports. The stream ends with the first news; the next wait opens it again."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._arrived = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self._due: tuple[datetime, asyncio.TimerHandle] | None = None
        self._closed = False
        self._failing = False
        self._waiting = 0
        self._used_at = float("-inf")
        self._retry_at = float("-inf")

    async def wait(self, timeout: float) -> None:
        """See ``SupportsWaiting.wait_for_work``. Where there is no change stream, only time brings news."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(min(timeout, self._used_at + SHORTEST_WAIT - loop.time()))
        self._begin()
        self._waiting += 1
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._arrived.wait()
        finally:
            self._waiting -= 1
            self._used_at = loop.time()
            self._arrived.clear()

    def expect(self, moment: datetime | None) -> None:
        """When the next queued import becomes due, as far as a look at the queue has told; None for no such time."""
        if self._due is not None:
            self._due[1].cancel()
            self._due = None
        if moment is not None and not self._closed:
            delay = max(0.0, (moment - self._clock.now()).total_seconds())
            self._due = (moment, asyncio.get_running_loop().call_later(delay, self._arrived.set))

    async def close(self) -> None:
        """End the stream; within a second where the server answers. May be called twice."""
        self._closed = True
        self.expect(None)
        if self._watcher is not None:
            await asyncio.wait({self._watcher})

    def _begin(self) -> None:
        now = asyncio.get_running_loop().time()
        if (self._watcher is None or self._watcher.done()) and not self._closed and now >= self._retry_at:
            self._watcher = asyncio.create_task(self._watch(), name="change stream")

    async def _watch(self) -> None:
        try:
            imports = self._connection.collection(IMPORTS)
            async with imports.watch(PIPELINE, max_await_time_ms=AWAIT_MILLISECONDS) as stream:
                await self._read(stream)
        except (PyMongoError, StoreUnavailable) as error:
            self._retry_at = asyncio.get_running_loop().time() + RETRY_SECONDS
            if not self._failing:
                log.warning("no change stream is available; polling the queue", reason=reason_of(error))
            self._failing = True

    async def _read(self, stream: Any) -> None:
        is_new = True
        while not self._closed and self._is_used():
            change = await stream.try_next()
            self._failing = False
            if change is not None and change["run_at"] <= self._clock.now():
                self._arrived.set()
                return
            if change is not None and (self._due is None or change["run_at"] < self._due[0]):
                self.expect(change["run_at"])
            if is_new:
                # What was queued between the last look at the queue and the opening of the stream is not in it.
                self._arrived.set()
                is_new = False

    def _is_used(self) -> bool:
        return self._waiting > 0 or asyncio.get_running_loop().time() - self._used_at < UNUSED_SECONDS
