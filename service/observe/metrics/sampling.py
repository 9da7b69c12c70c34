"""Gauges: what is true of a moment. A process looks once a second, and whenever it is asked for its metrics."""

import asyncio
import math
import time
from collections.abc import Iterable
from typing import Final, Protocol

from ....plugins.host.turns import Occupancy, named_places
from ...documents import DocumentStore, StoreUnavailable
from ..log_queue import dropped_lines
from .families import OLDEST, PLACES_FREE, PLACES_USED, PLACES_WAITED_FOR, QUEUE
from .ledger import Ledger, tell_pid
from .recorder import Recorder, Series

INTERVAL: Final = 1.0
"""Seconds between two looks."""
QUEUE_INTERVAL: Final = 5.0
"""Seconds between two counts of the queue, if counting is quick."""
QUEUE_SHARE: Final = 0.02
"""The largest share of time that counting the queue may take."""


class Source(Protocol):
    """Has places."""

    @property
    def occupancy(self) -> Occupancy:
        """The places of this moment."""
        ...


class Sampler:
    """Looks at the gauges of a process.

    Args:
        ledger: of the gauges of this process.
        recorder: of its counters.
        store: the document store, which knows the queue.
        sources: by name of the places; those of ``named_places`` are added to them.
    """

    def __init__(
        self, ledger: Ledger, recorder: Recorder, store: DocumentStore, sources: Iterable[tuple[str, Source]]
    ) -> None:
        self._recorder = recorder
        self._store = store
        self._sources = tuple(sources)
        self._used = Series(ledger, PLACES_USED)
        self._free = Series(ledger, PLACES_FREE)
        self._waiting = Series(ledger, PLACES_WAITED_FOR)
        self._queue = Series(ledger, QUEUE)
        self._oldest = Series(ledger, OLDEST)
        self._dropped = dropped_lines()
        tell_pid(ledger)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_forever(), name="metrics")
            group.create_task(self._count_forever(), name="metrics of the queue")

    async def _look_forever(self) -> None:
        while True:
            due = time.monotonic() + INTERVAL
            await asyncio.sleep(INTERVAL)
            self._recorder.loop_was_late(max(0.0, time.monotonic() - due))
            self.look()

    def look(self) -> None:
        """Write the gauges of this moment, but for those of the queue."""
        for name, places in (*((name, source.occupancy) for name, source in self._sources), *named_places().items()):
            self._used.set((name,), places.in_use)
            self._free.set((name,), places.free)
            self._waiting.set((name,), places.waiting)
        dropped = dropped_lines()
        self._recorder.lines_dropped(dropped - self._dropped)
        self._dropped = dropped

    async def _count_forever(self) -> None:
        while True:
            began = time.monotonic()
            await self.count_queue()
            took = time.monotonic() - began
            await asyncio.sleep(max(QUEUE_INTERVAL, took / QUEUE_SHARE))

    async def count_queue(self) -> None:
        """Write the gauges of the queue; they are hidden while the database does not answer."""
        try:
            found = await self._store.queue.figures(self._store.clock.now())
        except StoreUnavailable:
            found = None
        counts = ("waiting", "queued", "delayed", "running")
        for state in counts:
            self._queue.set((state,), math.nan if found is None else getattr(found, state))
        self._oldest.set((), math.nan if found is None else found.oldest_seconds)
