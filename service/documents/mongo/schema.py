"""The collections, and the indexes without which queries would read everything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pymongo
from pymongo.errors import OperationFailure

from service.documents import StoreUnavailable
from service.documents.mongo.connection import Connection

IMPORTS = "imports"
WORKERS = "workers"
ISSUERS = "issuers"
PINGS = "pings"


@dataclass(frozen=True, slots=True)
class Index:
    """An index, by name.

    Attributes:
        keys: the fields, all ascending.
        status: the status of the imports that it holds; None for all documents. It is the first field besides, since
            only then is a query for it answered from the index alone.
        condition: which documents it holds, where that does not depend on their status.
    """

    collection: str
    name: str
    keys: tuple[str, ...]
    status: str | None = None
    condition: Mapping[str, Any] = field(default_factory=dict)

    @property
    def specification(self) -> dict[str, Any]:
        """As of the ``createIndexes`` command."""
        condition = dict(self.condition) if self.status is None else {"status": self.status}
        partial = {"partialFilterExpression": condition} if condition else {}
        return {"name": self.name, "key": dict.fromkeys(self.keys, 1), **partial}


QUEUED = Index(IMPORTS, "lading_queued", ("status", "issuer_id", "run_at", "_id"), "queued")
"""Queued imports by issuer and due time, their ids included: choosing what to claim reads no document."""
RUNNING = Index(IMPORTS, "lading_running", ("status", "worker_id"), "running")
DONE = Index(IMPORTS, "lading_done", ("status", "image_id"), "done")
"""Done imports by the id of their image."""
UNPURGED = Index(
    IMPORTS,
    "lading_unpurged",
    ("image_deleted_at",),
    condition={"image_deleted_at": {"$type": "date"}, "image_purged_at": None},
)
"""Imports whose image is deleted and not purged."""
STORED = Index(
    IMPORTS,
    "lading_stored",
    ("image.storage", "_id"),
    condition={"image.storage": {"$type": "string"}, "image_purged_at": None},
)
"""Imports by the storage that their image is in."""
MIRROR = Index(
    IMPORTS,
    "lading_mirror",
    ("image.mirror", "image.is_mirrored", "_id"),
    condition={"image.mirror": {"$type": "string"}, "image_purged_at": None},
)
"""Imports by the storage that a second copy of their image is in, or is to be in."""
STORED_BYTES = Index(
    IMPORTS,
    "lading_stored_bytes",
    ("organization_id", "stored_bytes"),
    condition={"stored_bytes": {"$gt": 0}},
)
"""What each stored image takes up, by organisation: they are summed up without reading a document."""
EXPIRES = Index(WORKERS, "lading_expires", ("expires_at",))
PREVIOUS = Index(ISSUERS, "lading_previous", ("previous_until",))
"""Issuers by when the key before the present one ends."""
INDEXES = (QUEUED, RUNNING, DONE, UNPURGED, STORED, MIRROR, STORED_BYTES, EXPIRES, PREVIOUS)

UPGRADE_BATCH = 1000
INDEX_SECONDS = 3600.0
"""How long the building of one index may take; a collection has to be very large for an hour."""


async def ensure_indexes(connection: Connection) -> None:
    """Create the indexes that are missing. Several processes may do so at once.

    Raises:
        StoreUnavailable: an index cannot be created, or one of that name is different; it is named.
    """
    for index in INDEXES:
        if not await _fault(connection, index, missing=True):
            continue
        command = {"createIndexes": index.collection, "indexes": [index.specification], "commitQuorum": "majority"}
        try:
            # It reads every document once, which may take longer than any other operation is given.
            with pymongo.timeout(INDEX_SECONDS):
                await connection.run(partial(connection.database.command, command))
        except StoreUnavailable as error:
            if isinstance(error.__cause__, OperationFailure):
                raise StoreUnavailable(f"{await _fault(connection, index)}: {error}") from error
            raise


async def ensure_sizes(connection: Connection) -> None:
    """Write ``stored_bytes`` into the documents of earlier versions, once; several processes may do so at once.

    Processes of an earlier version are to be stopped before: what they finish afterwards would not be counted.

    Raises:
        StoreUnavailable: it could not be completed; the next call goes on with it.
    """
    marks, imports = connection.collection(PINGS), connection.collection(IMPORTS)
    mark = {"_id": "stored_bytes"}
    if await connection.run(lambda: marks.find_one(mark)) is not None:
        return
    last = ""
    while True:
        # Each operation looks at one batch, however many there are, so that none takes longer than it may.
        page = imports.find({"_id": {"$gt": last}}, {"_id": 1}).sort("_id", 1).limit(UPGRADE_BATCH)
        found = await connection.run(partial(page.to_list, None))
        if not found:
            break
        batch = {"_id": {"$gt": last, "$lte": found[-1]["_id"]}}
        unsized = {**batch, "status": "done", "image_purged_at": None, "stored_bytes": {"$exists": False}}
        sized = [{"$set": {"stored_bytes": {"$ifNull": ["$image.byte_size", 0]}}}]
        await connection.run(partial(imports.update_many, unsized, sized))
        last = found[-1]["_id"]
    await connection.run(lambda: marks.update_one(mark, {"$set": {"version": 1}}, upsert=True))


async def check_indexes(connection: Connection) -> None:
    """Make sure that every index is there and as it should be.

    Raises:
        StoreUnavailable: some are not; each is named.
    """
    faults = [fault for index in INDEXES if (fault := await _fault(connection, index, missing=True))]
    if faults:
        raise StoreUnavailable("; ".join(faults))


async def _fault(connection: Connection, index: Index, *, missing: bool = False) -> str:
    collection = connection.collection(index.collection)
    found = await connection.run(collection.index_information)
    name = f"MongoDB: index {index.name} of {index.collection}"
    if index.name not in found:
        return f"{name} is missing: restart Lading, which creates it" if missing else f"{name} cannot be created"
    condition = found[index.name].get("partialFilterExpression")
    same = tuple(found[index.name]["key"]) == tuple((key, 1) for key in index.keys)
    if same and condition == index.specification.get("partialFilterExpression"):
        return ""
    return f"{name} is not as Lading needs it: drop it, and restart Lading, which creates it anew"
