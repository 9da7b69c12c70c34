"""The format of a database: adds fields that documents of earlier versions lack, once, and refuses newer formats.

Several processes may do so at once. Stop processes of earlier versions first: the store does not find the documents
that they write afterwards.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from pymongo import UpdateOne

from ... import StoreRefused, StoreUnavailable
from ...upkeep import Upgrading
from ..connection import SECTION, Connection
from ..fields import event_fields, search_fields, share_fields, to_import
from ..schema import IMPORTS, PINGS, ensure_indexes, missing_indexes
from ..shares import ensure_tickets

UPGRADE_BATCH = 1000

FORMAT: Final = 2
"""Kept in the mark ``format``. Databases of 0.1.0 and 0.2.0 have none: theirs is 1. It grows with each change that an
earlier version cannot read, or would destroy."""
_MARK: Final = "format"

Upgrade = Callable[[Connection, Mapping[str, Any]], Awaitable[None]]
"""Upgrades the documents that a condition on ``_id`` names."""


async def open_prepared(connection: Connection) -> None:
    """Open a connection when collections, indexes and documents are as this version needs them.

    Raises:
        StoreRefused, StoreUnavailable: see ``MongoDocumentStore.open``.
    """
    # Nobody else may use the collections before they are prepared.
    async with opened_sibling(connection) as preparing:
        await _present_format(preparing)
        await ensure_indexes(preparing)
        await ensure_upgraded(preparing)
        await ensure_tickets(preparing)
        connection.take(preparing)


@asynccontextmanager
async def opened_sibling(connection: Connection) -> AsyncIterator[Connection]:
    """An open connection of its own, to the same database.

    Raises:
        StoreRefused, StoreUnavailable: see ``MongoDocumentStore.open``.
    """
    sibling = connection.sibling()
    try:
        await sibling.open()
        yield sibling
    except StoreUnavailable as error:
        if (refusal := sibling.refusal_of(error)) is not None:
            raise refusal from error
        raise
    finally:
        await sibling.close()


class MongoUpgrading(Upgrading):
    """See ``Upgrading``; its calls connect by themselves."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def pending(self) -> tuple[str, ...]:
        """See ``Upgrading.pending``."""
        async with opened_sibling(self._connection) as connection:
            imports, marks = connection.collection(IMPORTS), connection.collection(PINGS)
            present = await _present_format(connection)
            if await connection.run(lambda: imports.find_one({}, {"_id": 1})) is None:
                return ()
            made = [f"the format has version {present}, and becomes version {FORMAT}"] if present < FORMAT else []
            made += [f"the index {name} is created" for name in await missing_indexes(connection)]
            found = await connection.run(lambda: marks.find({"_id": {"$in": list(UPGRADES)}}).to_list(None))
            marked = {mark["_id"] for mark in found}
            return (*made, *(f"documents get their {name}" for name in UPGRADES if name not in marked))


async def ensure_upgraded(connection: Connection) -> None:
    """Complete every upgrade.

    Raises:
        StoreUnavailable: one could not be completed; the next call goes on with it.
    """
    for name, upgrade in UPGRADES.items():
        await _ensure(connection, name, upgrade)
    marks = connection.collection(PINGS)
    if await _present_format(connection) < FORMAT:
        await connection.run(lambda: marks.update_one({"_id": _MARK}, {"$max": {"version": FORMAT}}, upsert=True))


async def _present_format(connection: Connection) -> int:
    """The format of the database; 1 without a mark.

    Raises:
        StoreRefused: it is newer than this Lading.
        StoreUnavailable: the database does not answer.
    """
    marks = connection.collection(PINGS)
    found = await connection.run(lambda: marks.find_one({"_id": _MARK}))
    version = 1 if found is None else int(found["version"])
    if version > FORMAT:
        raise StoreRefused(
            f"the database has format {version}, newer than {FORMAT}, the newest that this version of Lading knows: "
            "upgrade Lading, or restore the backup made before the upgrade",
            SECTION,
            "database",
        )
    return version


async def _ensure(connection: Connection, name: str, upgrade: Upgrade) -> None:
    marks, imports = connection.collection(PINGS), connection.collection(IMPORTS)
    mark = {"_id": name}
    if await connection.run(lambda: marks.find_one(mark)) is not None:
        return
    last = ""
    while True:
        # Each operation looks at one batch, however many there are, so that none takes longer than it may.
        page = imports.find({"_id": {"$gt": last}}, {"_id": 1}).sort("_id", 1).limit(UPGRADE_BATCH)
        found = await connection.run(partial(page.to_list, None))
        if not found:
            break
        await upgrade(connection, {"_id": {"$gt": last, "$lte": found[-1]["_id"]}})
        last = found[-1]["_id"]
    await connection.run(lambda: marks.update_one(mark, {"$set": {"version": 1}}, upsert=True))


async def _size(connection: Connection, batch: Mapping[str, Any]) -> None:
    """What each stored image takes up."""
    imports = connection.collection(IMPORTS)
    unsized = {**batch, "status": "done", "image_purged_at": None, "stored_bytes": {"$exists": False}}
    sized = [{"$set": {"stored_bytes": {"$ifNull": ["$image.byte_size", 0]}}}]
    await connection.run(partial(imports.update_many, unsized, sized))


async def _make_searchable(connection: Connection, batch: Mapping[str, Any]) -> None:
    """What is read off the parameters, which are one text."""
    imports = connection.collection(IMPORTS)
    cursor = imports.find({**batch, "album_id": {"$exists": False}})
    found: Sequence[Mapping[str, Any]] = await connection.run(lambda: cursor.to_list(None))
    updates = [UpdateOne({"_id": one["_id"]}, {"$set": search_fields(to_import(one))}) for one in found]
    if updates:
        await connection.run(lambda: imports.bulk_write(updates, ordered=False))


async def _part_events(connection: Connection, batch: Mapping[str, Any]) -> None:
    """The events of an outbox, which was one text."""
    imports = connection.collection(IMPORTS)
    cursor = imports.find({**batch, "outbox": {"$type": "string"}})
    found: Sequence[Mapping[str, Any]] = await connection.run(lambda: cursor.to_list(None))
    updates = [
        UpdateOne(
            {"_id": one["_id"], "outbox": one["outbox"]},
            {"$set": {"events": event_fields(json.loads(one["outbox"]))}, "$unset": {"outbox": ""}},
        )
        for one in found
    ]
    if updates:
        await connection.run(lambda: imports.bulk_write(updates, ordered=False))


async def _share(connection: Connection, batch: Mapping[str, Any]) -> None:
    """Pending removals, and shared objects."""
    imports = connection.collection(IMPORTS)
    old = {**batch, "unsettled_at": {"$exists": False}}
    cursor = imports.find({**old, "$or": [{"image_deleted_at": {"$type": "date"}}, {"duplicate": {"$type": "object"}}]})
    found: Sequence[Mapping[str, Any]] = await connection.run(lambda: cursor.to_list(None))
    updates = [
        UpdateOne({"_id": one["_id"], "unsettled_at": {"$exists": False}}, {"$set": share_fields(to_import(one))})
        for one in found
    ]
    if updates:
        await connection.run(lambda: imports.bulk_write(updates, ordered=False))


UPGRADES: Mapping[str, Upgrade] = {
    "stored_bytes": _size,
    "search": _make_searchable,
    "events": _part_events,
    "shares": _share,
}
"""By the name of the mark that says that all documents have it."""
