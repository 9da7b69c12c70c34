"""``MongoDocumentStore``: see the package for operators, ``DocumentStore`` for the contract."""

import asyncio
import random
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo.errors import DuplicateKeyError

from ...models import Held, Import
from ...models.clock import Clock, TimeCounter
from ...models.issuers import Issuer
from .. import Bounds, DocumentStore, DuplicateId, Taken
from .claiming.claims import Claims
from .claiming.heads import Excluded
from .coalescing import Coalescer
from .connection import LOCAL, Connection, MongoOptions
from .fields import issuer_fields, rotated_issuer_fields, text, to_import, to_issuer
from .news import News
from .queue import MongoImportQueue
from .records import MongoRecordStore
from .schema import IMPORTS, ISSUERS, PINGS, RUNNING, STORED_BYTES, UNFINISHED, WORKERS, check_indexes
from .search import MongoImportSearch
from .shares import (
    count_images_in,
    find_heir,
    find_images_in,
    find_shared_keys,
    find_unpurged,
    replace_unless_stored,
)
from .upkeep.planning import MongoPlanning
from .upkeep.upgrades import MongoUpgrading, open_prepared
from .writes import Insertion, Replacement, Writes


class MongoDocumentStore(DocumentStore):
    """Keeps documents in MongoDB. Also ``SupportsWaiting``.

    Args:
        clock, counter: see ``Connection``.
        rng: chooses among imports that several nodes want, where they get in each other's way.
    """

    planning: MongoPlanning

    def __init__(
        self, options: MongoOptions, clock: Clock, rng: random.Random | None = None, counter: TimeCounter | None = None
    ) -> None:
        self._clock = clock
        self._connection = Connection(options, clock, counter)
        self.clock = self._connection.clock
        self._writes = Writes(self._connection)
        self._claims = Claims(self._connection, self._writes, clock, rng or random.SystemRandom())
        self._news = News(self._connection, self.clock)
        self._inserts: Coalescer[Insertion, None] = Coalescer(
            self._writes.insert, size=lambda insertion: insertion.size, patience=options.timeout
        )
        self._updates: Coalescer[Replacement, bool] = Coalescer(
            self._writes.replace, size=lambda replacement: replacement.size, patience=options.timeout
        )
        self.search = self._search = MongoImportSearch(self._connection)
        self.queue = MongoImportQueue(self._connection)
        self.records = MongoRecordStore(self._connection, self.clock)
        self.upgrading = MongoUpgrading(self._connection)
        self.planning = MongoPlanning(self._connection)
        self._recovering = asyncio.Lock()
        self._closing = asyncio.Lock()

    async def open(self) -> None:
        """See ``DocumentStore.open``.

        Raises:
            StoreRefused: see ``Connection.open``; also where an index differs from what it should be.
            StoreUnavailable: the server cannot be reached, or does not work.
        """
        await open_prepared(self._connection)

    async def close(self) -> None:
        """See ``DocumentStore.close``; waits no longer than operations may take."""
        async with self._closing:
            await asyncio.gather(self._inserts.close(), self._updates.close(), self._news.close(), self._search.close())
            await self._connection.close()

    async def ping(self) -> None:
        """See ``DocumentStore.ping``; the indexes are looked at too, without which no import can be claimed."""
        await self._connection.measure_time()  # processes without a worker have no heartbeat
        pings = self._connection.collection(PINGS)
        await self._connection.run(
            lambda: pings.update_one({"_id": "ping"}, {"$set": {"at": self.clock.now()}}, upsert=True)
        )
        await self._connection.run(lambda: pings.find_one({"_id": "ping"}))
        await check_indexes(self._connection)

    # --- imports ------------------------------------------------------------------------------------------------------

    async def add(self, document: Import) -> None:
        """See ``DocumentStore.add``."""
        await self._inserts.submit(Insertion.of(document))

    async def get(self, import_id: str) -> Import | None:
        """See ``DocumentStore.get``."""
        imports = self._connection.collection(IMPORTS)
        found = await self._connection.run(lambda: imports.find_one({"_id": text(import_id)}))
        return None if found is None else to_import(found)

    async def get_by_image(self, image_id: str) -> Import | None:
        """See ``DocumentStore.get_by_image``."""
        imports = self._connection.collection(IMPORTS)
        wanted = {"status": "done", "image_id": text(image_id)}
        found = await self._connection.run(lambda: imports.find_one(wanted))
        if found is not None and found.get("duplicate") is not None:
            # In documents of earlier versions the one that has stored the image may have the same id.
            first = await self._connection.run(lambda: imports.find_one({**wanted, "duplicate": None}))
            found = first or found
        return None if found is None else to_import(found)

    async def heir(self, key: str) -> Import | None:
        """See ``DocumentStore.heir``."""
        return await find_heir(self._connection, key)

    async def shared_keys(self, after: str, limit: int) -> Sequence[str]:
        """See ``DocumentStore.shared_keys``."""
        return await find_shared_keys(self._connection, after, limit)

    async def unpurged(self, limit: int) -> Sequence[Import]:
        """See ``DocumentStore.unpurged``."""
        return await find_unpurged(self._connection, limit)

    async def images_in(
        self, storage: str, held: Held, after: str, limit: int, organization_id: str | None = None
    ) -> Sequence[Import]:
        """See ``DocumentStore.images_in``."""
        return await find_images_in(self._connection, storage, held, after, limit, organization_id)

    async def count_images_in(self, storage: str, organization_id: str | None = None) -> int:
        """See ``DocumentStore.count_images_in``."""
        return await count_images_in(self._connection, storage, organization_id)

    async def stored_bytes(self, organization_id: str) -> int:
        """See ``DocumentStore.stored_bytes``; it reads one entry of an index for each stored image."""
        wanted = {"organization_id": text(organization_id), "stored_bytes": {"$gt": 0}}
        pipeline: list[dict[str, Any]] = [
            {"$match": wanted},
            {"$group": {"_id": None, "sum": {"$sum": "$stored_bytes"}}},
        ]
        cursor = self._connection.collection(IMPORTS).aggregate(pipeline, hint=STORED_BYTES.name)
        found = await self._connection.run(lambda: cursor.to_list(None))
        return int(found[0]["sum"]) if found else 0

    async def update(self, document: Import) -> bool:
        """See ``DocumentStore.update``."""
        return await self._updates.submit(Replacement.of(document))

    async def update_unless_stored(self, document: Import, albums: Collection[str] | None) -> bool:
        """See ``DocumentStore.update_unless_stored``; a transaction, which is repeated if others get in its way."""
        return await replace_unless_stored(self._connection, document, albums)

    async def announced(self, import_id: str, event_ids: Collection[str]) -> None:
        """See ``DocumentStore.announced``."""
        imports = self._connection.collection(IMPORTS)
        change = {"$pull": {"events": {"id": {"$in": [text(one) for one in event_ids]}}}}
        await self._connection.run(lambda: imports.update_one({"_id": text(import_id)}, change))

    async def remove(self, document: Import) -> bool:
        """See ``DocumentStore.remove``."""
        imports = self._connection.collection(IMPORTS)
        wanted = {"_id": text(document.id), "revision": int(document.revision), "events.id": {"$exists": False}}
        return (await self._connection.run(lambda: imports.delete_one(wanted))).deleted_count == 1

    async def claim(
        self,
        worker_id: str,
        limit: int,
        *,
        exclude_issuers: Collection[str] = (),
        exclude_hosts: Collection[str] = (),
        per_issuer: int | None = None,
    ) -> Sequence[Import]:
        """See ``DocumentStore.claim``."""
        claimed = await self._claims.make(worker_id, limit, Excluded(exclude_issuers, exclude_hosts), per_issuer)
        self._news.expect(self._claims.next_due)
        return claimed

    async def claim_these(self, worker_id: str, ids: Sequence[str], bounds: Bounds) -> Taken:
        """See ``DocumentStore.claim_these``."""
        return await self._claims.these(worker_id, ids, bounds)

    async def _replace(self, documents: Sequence[Import]) -> Sequence[Import]:
        """Write the next revisions; the written ones."""
        if not documents:
            return ()
        outcomes = await self._writes.replace([Replacement.of(document) for document in documents])
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return [document for document, written in zip(documents, outcomes, strict=True) if written]

    async def unfinished(self, limit: int, issuer_id: str | None = None) -> int:
        """See ``DocumentStore.unfinished``."""
        # The index alone is counted.
        imports = self._connection.collection(IMPORTS, LOCAL)
        wanted = {**UNFINISHED.condition, **({} if issuer_id is None else {"issuer_id": text(issuer_id)})}
        return await self._connection.run(lambda: imports.count_documents(wanted, limit=limit, hint=UNFINISHED.name))

    async def wait_for_work(self, timeout: float) -> None:
        """See ``SupportsWaiting.wait_for_work``."""
        await self._news.wait(timeout)

    # --- workers ------------------------------------------------------------------------------------------------------

    async def register(self, worker_id: str, lease: timedelta) -> None:
        """See ``DocumentStore.register``."""
        workers = self._connection.collection(WORKERS)
        document = {"_id": text(worker_id), "expires_at": self.clock.now() + lease}
        await self._insert_one(workers, document, f"worker {worker_id} has a lease already")

    async def heartbeat(self, worker_id: str, lease: timedelta) -> bool:
        """See ``DocumentStore.heartbeat``."""
        await self._connection.measure_time()
        workers = self._connection.collection(WORKERS)
        change = {"$set": {"expires_at": self.clock.now() + lease}}
        result = await self._connection.run(lambda: workers.update_one({"_id": text(worker_id)}, change))
        return result.matched_count == 1

    async def recover(self, limit: int) -> int:
        """See ``DocumentStore.recover``."""
        async with self._recovering:
            workers = self._connection.collection(WORKERS)
            expired = {"expires_at": {"$lte": self.clock.now()}}
            await self._connection.run(lambda: workers.delete_many(expired))
            imports = self._connection.collection(IMPORTS, LOCAL)
            # In this order: a worker registers before it runs an import, so a worker that is missing now is gone.
            running = await self._connection.run(lambda: imports.distinct("worker_id", {"status": "running"}))
            cursor = workers.find({"_id": {"$in": running}}, {"_id": 1})
            alive = {one["_id"] for one in await self._connection.run(lambda: cursor.to_list(None))}
            dead = [worker_id for worker_id in running if worker_id not in alive]
            if not dead:
                return 0
            orphans = imports.find({"status": "running", "worker_id": {"$in": dead}}).limit(limit).hint(RUNNING.name)
            found = await self._connection.run(lambda: orphans.to_list(None))
            now, due = self._clock.now(), self.clock.now()
            return len(await self._replace([to_import(one).recovered(now, due) for one in found]))

    async def release(self, worker_id: str) -> None:
        """See ``DocumentStore.release``."""
        await self._connection.run(lambda: self._connection.collection(WORKERS).delete_one({"_id": text(worker_id)}))

    # --- issuers ------------------------------------------------------------------------------------------------------

    async def add_issuer(self, issuer: Issuer) -> None:
        """See ``DocumentStore.add_issuer``."""
        issuers = self._connection.collection(ISSUERS)
        await self._insert_one(issuers, issuer_fields(issuer), f"issuer {issuer.id} exists already")

    async def get_issuer(self, issuer_id: str) -> Issuer | None:
        """See ``DocumentStore.get_issuer``."""
        issuers = self._connection.collection(ISSUERS)
        found = await self._connection.run(lambda: issuers.find_one({"_id": text(issuer_id)}))
        return None if found is None else to_issuer(found)

    async def list_issuers(self) -> Sequence[Issuer]:
        """See ``DocumentStore.list_issuers``."""
        cursor = self._connection.collection(ISSUERS).find().sort("_id", 1).hint("_id_")
        return [to_issuer(found) for found in await self._connection.run(lambda: cursor.to_list(None))]

    async def set_issuer_enabled(self, issuer_id: str, enabled: bool) -> bool:
        """See ``DocumentStore.set_issuer_enabled``."""
        issuers = self._connection.collection(ISSUERS)
        change = {"$set": {"enabled": bool(enabled)}}
        result = await self._connection.run(lambda: issuers.update_one({"_id": text(issuer_id)}, change))
        return result.matched_count == 1

    async def rotate_issuer(self, issuer_id: str, key: str, keep_until: datetime | None) -> bool:
        """See ``DocumentStore.rotate_issuer``."""
        issuers = self._connection.collection(ISSUERS)
        change = rotated_issuer_fields(key, keep_until)
        result = await self._connection.run(lambda: issuers.update_one({"_id": text(issuer_id)}, [{"$set": change}]))
        return result.matched_count == 1

    async def drop_previous_keys(self) -> int:
        """See ``DocumentStore.drop_previous_keys``."""
        issuers = self._connection.collection(ISSUERS)
        ended = {"previous_until": {"$lte": self.clock.now()}}
        forget = {"$set": {"previous_secret": None, "previous_until": None}}
        result = await self._connection.run(lambda: issuers.update_many(ended, forget))
        return result.modified_count

    async def _insert_one(self, collection: Any, document: dict[str, Any], duplicate: str) -> None:
        async def insert() -> None:
            try:
                await collection.insert_one(document)
            except DuplicateKeyError:
                raise DuplicateId(duplicate) from None

        await self._connection.run(insert)
