"""Claims of the MongoDB store: chosen by ``Turns``, then written as compare-and-sets, alike ones as one statement."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ....models import Import
from ....models.clock import Clock
from ... import Bounds, Taken
from ..connection import LOCAL, Connection
from ..fields import text, to_import
from ..schema import IMPORTS, WORKERS
from ..writes import Writes
from .heads import Excluded
from .turns import Turns

ROUNDS = 10
"""How often a claim tries again to get what others were quicker to take."""


class Claims:
    """Makes the claims of one store.

    Args:
        clock: the machine's.
        rng: chooses among imports that several nodes want, where they get in each other's way.
    """

    def __init__(self, connection: Connection, writes: Writes, clock: Clock, rng: random.Random) -> None:
        self._connection = connection
        self._writes = writes
        self._clock = clock
        self._turns = Turns(connection, rng)
        self._claiming = asyncio.Lock()

    @property
    def next_due(self) -> datetime | None:
        """See ``Turns.next_due``."""
        return self._turns.next_due

    async def make(self, worker_id: str, limit: int, excluded: Excluded, per_issuer: int | None) -> Sequence[Import]:
        """See ``DocumentStore.claim``."""
        async with self._claiming:
            claimed: list[Import] = []
            for _ in range(ROUNDS):
                taken = Counter(document.issuer_id for document in claimed)
                now, left = self._connection.clock.now(), limit - len(claimed)
                chosen = await self._turns.take(worker_id, now, left, excluded, per_issuer, taken)
                # Should the lease end after this, recover() finds what is claimed here, and returns it.
                if not chosen.has_lease:
                    break
                won = await self._take(worker_id, chosen.ids, chosen.documents)
                claimed += won
                self._turns.adapt(len(chosen.ids), len(chosen.ids) - len(won))
                if len(won) == len(chosen.ids) or len(claimed) == limit:
                    break
            return claimed

    async def _take(
        self, worker_id: str, ids: Sequence[str], documents: Mapping[str, Mapping[str, Any]]
    ) -> Sequence[Import]:
        """Those of the imports that nobody else was quicker to take; in the same order."""
        found = {import_id: documents[import_id] for import_id in ids if import_id in documents}
        if unread := [import_id for import_id in ids if import_id not in documents]:
            wanted = {"_id": {"$in": unread}, "status": "queued"}
            cursor = self._connection.collection(IMPORTS, LOCAL).find(wanted, batch_size=len(unread) + 1)
            found |= {one["_id"]: one for one in await self._connection.run(lambda: cursor.to_list(None))}
        due = self._connection.clock.now()
        queued = [to_import(found[import_id]) for import_id in ids if import_id in found]
        return await self._write(worker_id, [one for one in queued if one.run_at <= due])

    async def these(self, worker_id: str, ids: Sequence[str], bounds: Bounds) -> Taken:
        """See ``DocumentStore.claim_these``; one command reads the imports and the lease, one writes."""
        order = {text(import_id): place for place, import_id in enumerate(ids)}
        pipeline: list[dict[str, Any]] = [
            {"$match": {"_id": {"$in": [*order]}, "status": "queued"}},
            {
                "$unionWith": {
                    "coll": WORKERS,
                    "pipeline": [{"$match": {"_id": text(worker_id)}}, {"$project": {"_id": 1}}],
                }
            },
        ]
        imports = self._connection.collection(IMPORTS, LOCAL)
        cursor = imports.aggregate(pipeline, hint="_id_", batchSize=len(order) + 2)
        rows = await self._connection.run(lambda: cursor.to_list(None))
        found = sorted((row for row in rows if "status" in row), key=lambda row: order[row["_id"]])
        queued = [to_import(row) for row in found]
        if len(found) == len(rows):
            return Taken((), queued)
        # Should the lease end after this, recover() finds what is claimed here, and returns it.
        wanted, left = bounds.divide(queued, self._connection.clock.now())
        return Taken(await self._write(worker_id, wanted), left)

    async def _write(self, worker_id: str, queued: Sequence[Import]) -> Sequence[Import]:
        """Claim the imports; those that nobody else was quicker to take."""
        now = self._clock.now()
        claimed = [one.claimed(worker_id, now) for one in queued]
        outcomes = await self._writes.claim(claimed)
        return [one for one, is_won in zip(claimed, outcomes, strict=True) if is_won]
