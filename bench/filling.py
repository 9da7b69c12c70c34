"""Databases with very many imports, filled by bulk writes: each is a real import that has been written as the stores
write it, but for its id, its moments, its issuer and its state.
"""

import asyncio
import hashlib
import itertools
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pymongo import MongoClient, WriteConcern

from service.documents import DocumentStore
from service.documents.mongo.fields import birth_fields, state_fields
from service.documents.mongo.schema import IMPORTS
from service.documents.sqlite_rows import birth_columns, metadata_rows, state_columns, to_milliseconds
from service.models import Image, Import, Status
from tests.support.service import ORGANIZATION

ISSUERS = 20
DONE_EVERY = 5
"""One import in so many is done; the others are queued."""
PIECE = 20_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(milliseconds=1)


def total(queued: int) -> int:
    """How many imports a database with so many queued ones has."""
    return queued + queued // (DONE_EVERY - 1)


def template(*, done: bool) -> Import:
    """An import, queued and due, or done."""
    params = {
        "album_id": "imported_album",
        "filename": "image.jpg",
        "metadata": {"attachmentId": "00P24000003vSXs000"},
        "url": "http://origin.example/image.jpg",
        "controller": "api/v1/imports",
        "action": "create",
    }
    one = Import(
        id=str(uuid.UUID(int=0)),
        organization_id=ORGANIZATION,
        issuer_id="issuer-0000",
        params=params,
        created_at=BEGIN,
        updated_at=BEGIN,
        run_at=BEGIN,
        status=Status.QUEUED,
        host="origin.example",
        request_id=str(uuid.UUID(int=1)),
    )
    if not done:
        return one
    image = Image(
        "JPEG", "image/jpeg", 512, 384, 1, 45_000, hashlib.sha256(b"").hexdigest(), "local", "00/00/0", "a.jpg"
    )
    return replace(
        one, status=Status.DONE, image_id=str(uuid.UUID(int=2)), import_type="url", attempts=1, revision=2, image=image
    )


def _numbered(count: int) -> Iterator[tuple[int, bool, str, datetime]]:
    """For each import: its number, whether it is done, its id, and its moment."""
    for number in range(count):
        yield number, number % DONE_EVERY == 0, str(uuid.uuid4()), BEGIN + number * STEP


def fill_sqlite(path: Path, queued: int) -> None:
    """Fill the tables of a file whose store has been opened and closed. Nothing else may use it meanwhile."""
    rows = {done: birth_columns(template(done=done)) | state_columns(template(done=done)) for done in (False, True)}
    names = tuple(rows[True])
    metadata = metadata_rows(template(done=False))
    insert = f"INSERT INTO imports ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})"  # noqa: S608
    begin = to_milliseconds(BEGIN)

    def columns() -> Iterator[dict[str, Any]]:
        for number, done, import_id, _ in _numbered(total(queued)):
            moment = begin + number
            own = {"id": import_id, "issuer_id": f"issuer-{number % ISSUERS:04}", "created_at": moment}
            own |= {"updated_at": moment, "run_at": moment}
            yield {**rows[done], **own, **({"image_id": import_id} if done else {})}

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("synchronous = OFF", "cache_size = -500000", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        pending = columns()
        while piece := list(itertools.islice(pending, PIECE)):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(insert, piece)
            connection.executemany(
                "INSERT INTO import_metadata (organization_id, name, value, created_at, id) VALUES (?, ?, ?, ?, ?)",
                [(*metadata[0][:3], one["created_at"], one["id"]) for one in piece],
            )
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA optimize")


def fill_mongo(uri: str, database: str, queued: int) -> None:
    """Fill the collection of a database whose store has been opened, so that its indexes are there."""
    templates = {done: template(done=done) for done in (False, True)}
    documents = {done: {**birth_fields(one), **state_fields(one), "writes": [1]} for done, one in templates.items()}

    def numbered() -> Iterator[dict[str, Any]]:
        for number, done, import_id, moment in _numbered(total(queued)):
            own = {"_id": import_id, "issuer_id": f"issuer-{number % ISSUERS:04}", "created_at": moment}
            own |= {"updated_at": moment, "run_at": moment}
            yield {**documents[done], **own, **({"image_id": import_id} if done else {})}

    with MongoClient[dict[str, Any]](uri) as client:
        imports = client.get_database(database).get_collection(IMPORTS, write_concern=WriteConcern(1, j=False))
        pending = numbered()
        while piece := list(itertools.islice(pending, PIECE)):
            imports.insert_many(piece, ordered=False)


def prepare(store: DocumentStore) -> None:
    """Open a store and close it, so that its tables and indexes exist."""

    async def once() -> None:
        await store.open()
        await store.close()

    asyncio.run(once())
