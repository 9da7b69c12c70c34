"""Operations of the MongoDB store about images: images of a storage, sharers of an object, objects to remove, and the
end of an import that stores its image only if no other import has stored the same bytes.
"""

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from ...models import Held, Import
from .. import StoredAlready, StoreUnavailable
from ..contention import tries
from .connection import LOCAL, Connection
from .fields import text, to_import
from .schema import IMPORTS, MIRROR, SHARED, STORED, TICKETS, UNSETTLED
from .search import find_by_sha256
from .writes import Replacement

_SNAPSHOT = ReadConcern("snapshot")


async def find_heir(connection: Connection, key: str) -> Import | None:
    """See ``DocumentStore.heir``."""
    imports = connection.collection(IMPORTS)
    wanted = {"shared_key": {"$type": "string", "$eq": text(key)}}
    found = await connection.run(lambda: imports.find_one(wanted, sort=[("share", 1)], hint=SHARED.name))
    return None if found is None else to_import(found)


async def find_shared_keys(connection: Connection, after: str, limit: int) -> Sequence[str]:
    """See ``DocumentStore.shared_keys``; the index alone is read."""
    imports = connection.collection(IMPORTS, LOCAL)
    wanted = {"shared_key": {"$type": "string", "$gt": text(after)}}
    cursor = imports.find(wanted, {"_id": 0, "shared_key": 1}).sort("shared_key", 1).limit(limit).hint(SHARED.name)
    found = await connection.run(lambda: cursor.to_list(None))
    return sorted({one["shared_key"] for one in found})


async def find_unpurged(connection: Connection, limit: int) -> Sequence[Import]:
    """See ``DocumentStore.unpurged``."""
    imports = connection.collection(IMPORTS)
    # The index is used where the query repeats its condition.
    wanted = {"unsettled_at": {"$type": "date"}}
    cursor = imports.find(wanted).sort("unsettled_at", 1).limit(limit).hint(UNSETTLED.name)
    return [to_import(found) for found in await connection.run(lambda: cursor.to_list(None))]


async def find_images_in(
    connection: Connection, storage: str, held: Held, after: str, limit: int, organization_id: str | None
) -> Sequence[Import]:
    """See ``DocumentStore.images_in``."""
    imports = connection.collection(IMPORTS)
    index = STORED if held is Held.MAIN else MIRROR
    wanted = {**_held_in(storage, held), **_of(organization_id), "_id": {"$gt": text(after)}}
    cursor = imports.find(wanted).sort("_id", 1).limit(limit).hint(index.name)
    return [to_import(found) for found in await connection.run(lambda: cursor.to_list(None))]


async def count_images_in(connection: Connection, storage: str, organization_id: str | None) -> int:
    """See ``DocumentStore.count_images_in``."""
    imports = connection.collection(IMPORTS, LOCAL)
    wanted = {**_held_in(storage, Held.MAIN), **_of(organization_id)}
    return await connection.run(lambda: imports.count_documents(wanted, hint=STORED.name))


def _of(organization_id: str | None) -> dict[str, Any]:
    return {} if organization_id is None else {"organization_id": text(organization_id)}


def _held_in(storage: str, held: Held) -> dict[str, Any]:
    """The query for what a storage has; it repeats the conditions of the index that serves it."""
    name = {"$type": "string", "$eq": text(storage)}
    if held is Held.MAIN:
        return {"image.storage": name, "image_purged_at": None}
    return {"image.mirror": name, "image.is_mirrored": held is Held.MIRRORED, "image_purged_at": None}


async def ensure_tickets(connection: Connection) -> None:
    """Create the collection of tickets, which a transaction over several shards cannot do."""
    tickets = connection.collection(TICKETS)
    if await connection.run(lambda: tickets.find_one({"_id": 0})) is None:
        change = {"$setOnInsert": {"uses": 0}}
        await connection.run(lambda: tickets.update_one({"_id": 0}, change, upsert=True))


async def replace_unless_stored(connection: Connection, document: Import, albums: Collection[str] | None) -> bool:
    """See ``DocumentStore.update_unless_stored``.

    Two transactions at once do not see each other's imports. So each also writes a ticket, the same one for the same
    bytes of an organisation: the server then lets one of them commit, and the other begins again.
    """
    replacement = Replacement.of(document)
    async for _ in tries():
        outcome = await connection.run(lambda: _replaced_in_transaction(connection, document, replacement, albums))
        if isinstance(outcome, Import):
            raise StoredAlready(outcome)
        if outcome is not None:
            return outcome
    raise StoreUnavailable("MongoDB: other transactions keep getting in the way of the end of an import")


async def _replaced_in_transaction(
    connection: Connection, document: Import, replacement: Replacement, albums: Collection[str] | None
) -> bool | Import | None:
    """Whether the import was replaced; the import that stands in its way; None if another transaction did."""
    async with await connection.database.client.start_session() as session:
        try:
            async with session.start_transaction(read_concern=_SNAPSHOT):
                outcome = await _replaced(connection, session, document, replacement, albums)
                if outcome is not True:
                    await session.abort_transaction()
        except OperationFailure as error:
            if error.timeout or not error.has_error_label("TransientTransactionError"):
                raise
            return None
        return outcome


async def _replaced(
    connection: Connection,
    session: AsyncIOMotorClientSession,
    document: Import,
    replacement: Replacement,
    albums: Collection[str] | None,
) -> bool | Import:
    if document.image is None:
        return False
    tickets, imports = connection.collection(TICKETS), connection.collection(IMPORTS)
    await tickets.update_one({"_id": _ticket(document)}, {"$inc": {"uses": 1}}, upsert=True, session=session)
    result = await imports.update_one(replacement.wanted, replacement.change, session=session)
    if not result.matched_count:
        return False
    found = await find_by_sha256(
        imports, document.organization_id, document.image.sha256, albums, but=document.id, session=session
    )
    return found or True


def _ticket(document: Import) -> int:
    """One of a few thousand, so that nobody needs to remove any; those of other bytes may be the same."""
    sha256 = "" if document.image is None else document.image.sha256
    return int.from_bytes(hashlib.sha256(f"{document.organization_id} {sha256}".encode()).digest()[:2], "big") % 4096
