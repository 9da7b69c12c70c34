"""Records of the MongoDB store. See ``RecordStore``."""

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from ...models.clock import Clock
from ..errors import DuplicateId, TooManyRecords
from ..records import Record, RecordStore
from .connection import Connection
from .fields import record_fields, record_key, text, to_record
from .schema import DUE, EXPIRING, OWNED, RECORDS


class MongoRecordStore(RecordStore):
    """Keeps records in a collection.

    Args:
        clock: judges what has expired.
    """

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    async def add(self, record: Record, *, at_most: int | None = None) -> None:
        """See ``RecordStore.add``."""
        if at_most is None:
            await self._add(record_fields(record))
            return
        # Each record has a place below the limit, and no two records of an owner have the same: the index sees to it.
        for _ in range(at_most + 1):  # each round but the last has a winner
            place = await self._free_place(record, at_most)
            if await self._add({**record_fields(record), "place": place}):
                return
        raise TooManyRecords(f"other requests take the places of the kind {record.kind}")

    async def _free_place(self, record: Record, at_most: int) -> int:
        """A place that no record of the owner has. Those of earlier versions have none, and count."""
        wanted = {"kind": text(record.kind), "owner": text(record.owner), **self._lives}
        cursor = self._connection.collection(RECORDS).find(wanted, {"place": 1}).limit(at_most)
        found = await self._connection.run(lambda: cursor.hint(OWNED.name).to_list(None))
        taken = {one["place"] for one in found if "place" in one}
        free = [place for place in range(at_most - (len(found) - len(taken))) if place not in taken]
        if len(found) >= at_most or not free:
            raise TooManyRecords(f"the owner has {len(found)} records of the kind {record.kind}")
        return random.choice(free)  # noqa: S311 - so that those who add at once seldom choose the same

    async def _add(self, document: dict[str, Any]) -> bool:
        """Insert a record; False where its place was taken meanwhile.

        Raises:
            DuplicateId: there is one with its id.
        """
        records = self._connection.collection(RECORDS)

        async def insert() -> bool | None:
            try:
                await records.insert_one(document)
            except DuplicateKeyError as error:
                return "place" in (error.details or {}).get("keyPattern", {})
            return None

        is_place_taken = await self._connection.run(insert)
        if is_place_taken is False:
            expired = {"_id": document["_id"], "expires_at": {"$lte": self._clock.now()}}
            await self._connection.run(lambda: records.delete_one(expired))
            is_place_taken = await self._connection.run(insert)
        if is_place_taken is False:
            raise DuplicateId(f"there is a {document['kind']} with this id already")
        return is_place_taken is None

    async def get(self, kind: str, record_id: str) -> Record | None:
        """See ``RecordStore.get``."""
        records = self._connection.collection(RECORDS)
        wanted = {"_id": record_key(kind, record_id), **self._lives}
        found = await self._connection.run(lambda: records.find_one(wanted))
        return None if found is None else to_record(found)

    async def replace(self, record: Record) -> bool:
        """See ``RecordStore.replace``."""
        records = self._connection.collection(RECORDS)
        fields = record_fields(record)
        state = {name: fields[name] for name in ("data", "revision", "due_at", "expires_at")}
        wanted = {"_id": fields["_id"], "revision": record.revision - 1}
        return (await self._connection.run(lambda: records.update_one(wanted, {"$set": state}))).matched_count == 1

    async def delete(self, kind: str, record_id: str) -> bool:
        """See ``RecordStore.delete``."""
        records = self._connection.collection(RECORDS)
        wanted = {"_id": record_key(kind, record_id)}
        return (await self._connection.run(lambda: records.delete_one(wanted))).deleted_count == 1

    async def list(
        self, kind: str, owner: str, limit: int, *, after: str | None = None, descending: bool = False
    ) -> Sequence[Record]:
        """See ``RecordStore.list``."""
        wanted: dict[str, Any] = {"kind": text(kind), "owner": text(owner), **self._lives}
        if after is not None:
            wanted["id"] = {"$lt" if descending else "$gt": text(after)}
        cursor = self._connection.collection(RECORDS).find(wanted).sort("id", -1 if descending else 1).limit(limit)
        return await self._read(cursor.hint(OWNED.name))

    async def due(self, kind: str, now: datetime, limit: int) -> Sequence[Record]:
        """See ``RecordStore.due``."""
        wanted = {"kind": text(kind), "due_at": {"$type": "date", "$lte": now}, **self._lives}
        cursor = self._connection.collection(RECORDS).find(wanted).sort([("due_at", 1), ("id", 1)]).limit(limit)
        return await self._read(cursor.hint(DUE.name))

    async def drop_expired(self, limit: int) -> int:
        """See ``RecordStore.drop_expired``."""
        records = self._connection.collection(RECORDS)
        expired = {"expires_at": {"$type": "date", "$lte": self._clock.now()}}
        cursor = records.find(expired, {"_id": 1}).sort("expires_at", 1).limit(limit).hint(EXPIRING.name)
        ids = [found["_id"] for found in await self._connection.run(lambda: cursor.to_list(None))]
        # The condition again: one may have been put in the place of an expired one meanwhile.
        result = await self._connection.run(lambda: records.delete_many({"_id": {"$in": ids}, **expired}))
        return result.deleted_count

    @property
    def _lives(self) -> dict[str, Any]:
        return {"$or": [{"expires_at": None}, {"expires_at": {"$gt": self._clock.now()}}]}

    async def _read(self, cursor: Any) -> Sequence[Record]:
        return [to_record(found) for found in await self._connection.run(lambda: cursor.to_list(None))]
