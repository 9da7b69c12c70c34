"""Queries of the MongoDB store about images: images of a storage, sharers of an object, objects to remove."""

from collections.abc import Sequence
from typing import Any

from ...models import Held, Import
from .connection import LOCAL, Connection
from .fields import text, to_import
from .schema import IMPORTS, MIRROR, SHARED, STORED, UNSETTLED


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


async def find_images_in(connection: Connection, storage: str, held: Held, after: str, limit: int) -> Sequence[Import]:
    """See ``DocumentStore.images_in``."""
    imports = connection.collection(IMPORTS)
    index = STORED if held is Held.MAIN else MIRROR
    wanted = {**_held_in(storage, held), "_id": {"$gt": text(after)}}
    cursor = imports.find(wanted).sort("_id", 1).limit(limit).hint(index.name)
    return [to_import(found) for found in await connection.run(lambda: cursor.to_list(None))]


async def count_images_in(connection: Connection, storage: str) -> int:
    """See ``DocumentStore.count_images_in``."""
    imports = connection.collection(IMPORTS, LOCAL)
    return await connection.run(lambda: imports.count_documents(_held_in(storage, Held.MAIN), hint=STORED.name))


def _held_in(storage: str, held: Held) -> dict[str, Any]:
    """The query for what a storage has; it repeats the conditions of the index that serves it."""
    name = {"$type": "string", "$eq": text(storage)}
    if held is Held.MAIN:
        return {"image.storage": name, "image_purged_at": None}
    return {"image.mirror": name, "image.is_mirrored": held is Held.MIRRORED, "image_purged_at": None}
