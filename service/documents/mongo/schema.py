"""The collections, and the indexes that keep queries from scanning everything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pymongo
from pymongo.errors import OperationFailure

from .. import StoreRefused, StoreUnavailable
from .connection import SECTION, Connection

IMPORTS = "imports"
WORKERS = "workers"
ISSUERS = "issuers"
RECORDS = "records"
PINGS = "pings"
TICKETS = "tickets"


@dataclass(frozen=True, slots=True)
class Index:
    """An index, by name.

    Attributes:
        keys: the fields, all ascending.
        status: the status of the imports that it holds; None for all documents. It is the first field besides, since
            only then is a query for it answered from the index alone.
        condition: which documents it holds, where that does not depend on their status.
        is_unique: whether no two documents have the same values of the fields.
    """

    collection: str
    name: str
    keys: tuple[str, ...]
    status: str | None = None
    condition: Mapping[str, Any] = field(default_factory=dict)
    is_unique: bool = False

    @property
    def specification(self) -> dict[str, Any]:
        """As of the ``createIndexes`` command."""
        condition = dict(self.condition) if self.status is None else {"status": self.status}
        partial = {"partialFilterExpression": condition} if condition else {}
        unique = {"unique": True} if self.is_unique else {}
        return {"name": self.name, "key": dict.fromkeys(self.keys, 1), **partial, **unique}


QUEUED = Index(IMPORTS, "lading_queued", ("status", "issuer_id", "run_at", "_id"), "queued")
"""Queued imports by issuer and due time, their ids included: choosing what to claim reads no document."""
RUNNING = Index(IMPORTS, "lading_running", ("status", "worker_id"), "running")
DONE = Index(IMPORTS, "lading_done", ("status", "image_id"), "done")
"""Done imports by the id of their image."""
UNFINISHED = Index(
    IMPORTS,
    "lading_unfinished",
    ("status", "issuer_id"),
    condition={"status": {"$in": ["queued", "running", "waiting"]}},
)
"""Imports that are not final by issuer, for the backlog, which counts them without reading a document."""
UNSETTLED = Index(
    IMPORTS,
    "lading_unsettled",
    ("unsettled_at",),
    condition={"unsettled_at": {"$type": "date"}},
)
"""Imports with something to be removed."""
SHARED = Index(
    IMPORTS,
    "lading_shared",
    ("shared_key", "share"),
    condition={"shared_key": {"$type": "string"}},
)
"""Imports that share the object of another, by its key."""
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
"""Imports by the storage of the second copy of their image, existing or pending."""
STORED_BYTES = Index(
    IMPORTS,
    "lading_stored_bytes",
    ("organization_id", "stored_bytes"),
    condition={"stored_bytes": {"$gt": 0}},
)
"""What each stored image takes up, by organisation: they are summed up without reading a document."""
LISTED = Index(IMPORTS, "lading_listed", ("organization_id", "created_at", "_id"))
ALBUM = Index(
    IMPORTS,
    "lading_album",
    ("organization_id", "album_id", "created_at", "_id"),
    condition={"album_id": {"$type": "string"}},
)
STATE = Index(
    IMPORTS,
    "lading_state",
    ("organization_id", "status", "created_at", "_id"),
    condition={"status": {"$in": ["cancelled", "failed", "queued", "running", "waiting"]}},
)
"""Imports by state, but for the done ones, which are nearly all in the end and found by time alone."""
METADATA = Index(
    IMPORTS,
    "lading_metadata",
    ("organization_id", "metadata_pairs", "created_at", "_id"),
    condition={"metadata_pairs": {"$exists": True}},
)
BATCH = Index(
    IMPORTS,
    "lading_batch",
    ("batch_id", "created_at", "_id", "status"),
    condition={"batch_id": {"$type": "string"}},
)
CHANGED = Index(IMPORTS, "lading_changed", ("organization_id", "updated_at", "_id"))
WAITING = Index(IMPORTS, "lading_waiting", ("status", "run_at"), "waiting")
DONE_AT = Index(IMPORTS, "lading_done_at", ("status", "updated_at", "_id"), "done")
FAILED_AT = Index(IMPORTS, "lading_failed_at", ("status", "updated_at", "_id"), "failed")
CANCELLED_AT = Index(IMPORTS, "lading_cancelled_at", ("status", "updated_at", "_id"), "cancelled")
"""Final imports by when they ended, or last changed."""
OUTBOX = Index(IMPORTS, "lading_events", ("updated_at",), condition={"events.id": {"$type": "string"}})
"""Imports with events that are still to be announced."""
SHA256 = Index(
    IMPORTS,
    "lading_sha256",
    ("organization_id", "image.sha256", "created_at"),
    condition={"image.sha256": {"$type": "string"}, "image_deleted_at": None},
)
SOURCE = Index(
    IMPORTS,
    "lading_source",
    ("organization_id", "image.source", "created_at"),
    condition={"image.source": {"$type": "string"}, "image_deleted_at": None},
)
OWNED = Index(RECORDS, "lading_owned", ("kind", "owner", "id"))
PLACES = Index(
    RECORDS, "lading_places", ("kind", "owner", "place"), condition={"place": {"$exists": True}}, is_unique=True
)
"""Records of which an owner may have so many: see ``RecordStore.add``."""
DUE = Index(RECORDS, "lading_due", ("kind", "due_at", "id"), condition={"due_at": {"$type": "date"}})
EXPIRING = Index(RECORDS, "lading_expiring", ("expires_at",), condition={"expires_at": {"$type": "date"}})
EXPIRES = Index(WORKERS, "lading_expires", ("expires_at",))
PREVIOUS = Index(ISSUERS, "lading_previous", ("previous_until",))
"""Issuers by when the key before the present one ends."""
INDEXES = (
    *(QUEUED, RUNNING, DONE, UNFINISHED, UNSETTLED, SHARED, STORED, MIRROR, STORED_BYTES),
    *(LISTED, ALBUM, STATE, METADATA, BATCH, CHANGED, WAITING, OUTBOX, SHA256, SOURCE),
    *(DONE_AT, FAILED_AT, CANCELLED_AT),
    *(OWNED, PLACES, DUE, EXPIRING, EXPIRES, PREVIOUS),
)

_CONFLICTS = frozenset({85, 86, 11000})
"""Codes of another index of this name, and of documents that the index does not allow:
https://www.mongodb.com/docs/manual/reference/error-codes/
"""
MISSING = "is missing: restart Lading, which creates it"
INDEX_SECONDS = 3600.0
"""How long the building of one index may take; a collection has to be very large for an hour."""


async def ensure_indexes(connection: Connection) -> None:
    """Create the indexes that are missing. Several processes may do so at once.

    Raises:
        StoreRefused: there is another index of that name; it is named.
        StoreUnavailable: an index cannot be created; it is named.
    """
    for collection, indexes in _by_collection():
        found = await _found(connection, collection)
        if lacking := [index for index in indexes if _fault(index, found)]:
            await _create(connection, collection, lacking)


async def missing_indexes(connection: Connection) -> tuple[str, ...]:
    """The names of the indexes that ``ensure_indexes`` creates.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    missing: list[str] = []
    for collection, indexes in _by_collection():
        found = await _found(connection, collection)
        missing += [index.name for index in indexes if index.name not in found]
    return tuple(missing)


async def check_indexes(connection: Connection) -> None:
    """Make sure that every index is there and as it should be.

    Raises:
        StoreUnavailable: some are not; each is named.
    """
    faults: list[str] = []
    for collection, indexes in _by_collection():
        found = await _found(connection, collection)
        faults += [fault for index in indexes if (fault := _fault(index, found))]
    if faults:
        raise StoreUnavailable("; ".join(faults))


async def _create(connection: Connection, collection: str, indexes: Sequence[Index]) -> None:
    """Create indexes of one collection, whose documents the server reads once for all of them."""
    specifications = [index.specification for index in indexes]
    command = {"createIndexes": collection, "indexes": specifications, "commitQuorum": "majority"}
    try:
        # It reads every document, which may take longer than any other operation is given.
        with pymongo.timeout(INDEX_SECONDS):
            await connection.run(partial(connection.database.command, command))
    except StoreUnavailable as error:
        if not isinstance(error.__cause__, OperationFailure):
            raise
        if len(indexes) == 1:
            fault = _fault(indexes[0], await _found(connection, collection), missing="cannot be created")
            problem = f"{fault}: {error}"
            if error.__cause__.code in _CONFLICTS:
                raise StoreRefused(problem, SECTION, "database") from error
            raise StoreUnavailable(problem) from error.__cause__
        # The server refuses all of them without a name: each alone shows which index it is.
        for index in indexes:
            await _create(connection, collection, (index,))


def _by_collection() -> Iterator[tuple[str, list[Index]]]:
    for collection in dict.fromkeys(index.collection for index in INDEXES):
        yield collection, [index for index in INDEXES if index.collection == collection]


async def _found(connection: Connection, collection: str) -> Mapping[str, Any]:
    """The indexes that a collection has, by name."""
    found: Mapping[str, Any] = await connection.run(connection.collection(collection).index_information)
    return found


def _fault(index: Index, found: Mapping[str, Any], missing: str = MISSING) -> str:
    """How an index differs from what it should be; empty where it does not."""
    name = f"MongoDB: index {index.name} of {index.collection}"
    if index.name not in found:
        return f"{name} {missing}"
    condition = found[index.name].get("partialFilterExpression")
    same = tuple(found[index.name]["key"]) == tuple((key, 1) for key in index.keys)
    same = same and bool(found[index.name].get("unique")) == index.is_unique
    if same and condition == index.specification.get("partialFilterExpression"):
        return ""
    return f"{name} is not as Lading needs it: drop it, then restart Lading, which creates it again"
