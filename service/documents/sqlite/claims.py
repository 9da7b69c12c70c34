"""Claims of the SQLite store: chosen while nobody is kept from writing, then written if they are still there."""

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Final

from ...models import Import, Status
from ...models.clock import Clock
from .. import Bounds, Taken
from . import queries
from .engine.threads import ConnectionThreads
from .rows import to_milliseconds
from .turns import Excluded, Turns
from .writes import Claim, Write, write_claims

TRIES: Final = 5
"""How often a claim looks again for what no other process has claimed meanwhile."""


class Claims:
    """Makes the claims of one store.

    Args:
        writer, readers: the threads.
        clock: the machine's.
        judge: the store's clock, by which imports are due; asked in other threads too.
    """

    def __init__(self, writer: ConnectionThreads, readers: ConnectionThreads, clock: Clock, judge: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock
        self._judge = judge
        self._turns = Turns()
        self._choosing = asyncio.Lock()

    async def make(self, worker_id: str, limit: int, excluded: Excluded, per_issuer: int | None) -> Sequence[Import]:
        """See ``DocumentStore.claim``."""

        def choose(connection: sqlite3.Connection) -> Sequence[Import]:
            rowids = self._turns.take(connection, to_milliseconds(self._judge.now()), limit, excluded, per_issuer)
            return queries.read_rows(connection, rowids)

        # What is chosen while nobody else is kept from writing may be claimed by another process meanwhile.
        for _ in range(TRIES):
            async with self._choosing:
                found = await self._readers.run(choose)
            now = self._clock.now()
            wanted = [document.claimed(worker_id, now) for document in found if document.status is Status.QUEUED]
            if not found:
                return ()
            claimed = await self._writer.run(Write(write_claims, Claim(worker_id, wanted)))
            if claimed or not await self._readers.run(lambda one: queries.has_worker(one, worker_id)):
                return claimed
        return ()

    async def these(self, worker_id: str, ids: Sequence[str], bounds: Bounds) -> Taken:
        """See ``DocumentStore.claim_these``."""

        def read(connection: sqlite3.Connection) -> tuple[Sequence[Import], bool]:
            rowids = queries.find_queued(connection, ids)
            return queries.read_rows(connection, rowids), queries.has_worker(connection, worker_id)

        found, has_lease = await self._readers.run(read)
        queued = [document for document in found if document.status is Status.QUEUED]
        if not has_lease:
            return Taken((), queued)
        wanted, left = bounds.divide(queued, self._judge.now())
        if not wanted:
            return Taken((), left)
        now = self._clock.now()
        claim = Claim(worker_id, [document.claimed(worker_id, now) for document in wanted])
        return Taken(await self._writer.run(Write(write_claims, claim)), left)
