"""Databases with very many imports, filled by bulk writes: each is a copy of one that the store itself has written,
but for its id, its moments and its issuer.
"""

import asyncio
import hashlib
import itertools
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pymongo import MongoClient, WriteConcern

from lading.service.documents import DocumentStore
from lading.service.documents.mongo.schema import IMPORTS
from lading.service.models import Image, Import, Status
from tests.support.servers.service import ORGANIZATION

ISSUERS = 20
DONE_EVERY = 5
"""One import in so many is done; the others are queued."""
PIECE = 20_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(milliseconds=1)
TEMPLATE_IDS = {False: str(uuid.UUID(int=0)), True: str(uuid.UUID(int=1))}


def total(queued: int) -> int:
    """How many imports a database with so many queued ones has."""
    return queued + queued // (DONE_EVERY - 1)


def queued_of(count: int) -> int:
    """How many of so many imports are queued."""
    return count - -(-count // DONE_EVERY)


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
        id=TEMPLATE_IDS[done],
        organization_id=ORGANIZATION,
        issuer_id="issuer-0000",
        params=params,
        created_at=BEGIN,
        updated_at=BEGIN,
        run_at=BEGIN,
        status=Status.QUEUED,
        host="origin.example",
        request_id=str(uuid.uuid4()),
    )
    if not done:
        return one
    image = Image(
        "JPEG", "image/jpeg", 512, 384, 1, 45_000, hashlib.sha256(b"").hexdigest(), "local", one.own_key, "a.jpg"
    )
    return replace(
        one, status=Status.DONE, image_id=str(uuid.uuid4()), import_type="url", attempts=1, revision=2, image=image
    )


@dataclass(frozen=True, slots=True)
class Numbered:
    """What is an import's own."""

    number: int
    id: str
    issuer_id: str


def _numbered(count: int) -> Iterator[Numbered]:
    for number in range(count):
        yield Numbered(number, str(uuid.uuid4()), f"issuer-{number % ISSUERS:04}")


def _kinds(some: Iterable[Numbered], every: int) -> Iterator[tuple[Numbered, bool]]:
    """Each, and whether it is done."""
    for one in some:
        yield one, one.number % every == 0


def prepare(store: DocumentStore) -> None:
    """Open an empty store, so that its tables and indexes exist, and let it write what is then copied."""

    async def once() -> None:
        await store.open()
        try:
            for done in (False, True):
                await store.add(template(done=done))
        finally:
            await store.close()

    asyncio.run(once())


def fill_sqlite(path: Path, queued: int, until: float, *, all_done: bool = False) -> int:
    """Fill the tables of a prepared file. Nothing else may use it meanwhile.

    Args:
        path: of the file.
        queued: how many queued imports there shall be.
        until: when to stop with fewer, as ``time.monotonic()`` tells it.
        all_done: whether so many imports are done instead, and none queued.

    Returns:
        How many queued imports there are.
    """
    written = 0
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Nothing is to survive a crash here, and nobody else looks: that makes it nearly twice as fast.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -500000", "locking_mode = EXCLUSIVE"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        imports = _taken(connection, "imports", "id")
        metadata = _taken(connection, "import_metadata", "id")[False]
        begin = imports[False]["created_at"]
        pending, every = _numbered(queued if all_done else total(queued)), 1 if all_done else DONE_EVERY
        while piece := list(itertools.islice(pending, PIECE)):
            connection.execute("BEGIN IMMEDIATE")
            _insert(
                connection,
                "imports",
                [{**_row(imports[done], one, begin + one.number), "id": one.id} for one, done in _kinds(piece, every)],
            )
            rows = [{**metadata, "id": one.id, "created_at": begin + one.number} for one in piece]
            _insert(connection, "import_metadata", rows)
            connection.execute("COMMIT")
            written += len(piece)
            if time.monotonic() > until:
                break
        for pragma in ("optimize", "locking_mode = NORMAL", "journal_mode = WAL"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    return queued_of(written)


def _taken(connection: sqlite3.Connection, table: str, key: str) -> dict[bool, dict[str, Any]]:
    """The rows that the store wrote, by whether they are done; they are removed."""
    # Columns that are computed are not in this list, unlike in table_xinfo.
    names = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
    found = {}
    for done, import_id in TEMPLATE_IDS.items():
        query = f"SELECT {', '.join(names)} FROM {table} WHERE {key} = ?"  # noqa: S608  # our own names
        found[done] = dict(zip(names, connection.execute(query, (import_id,)).fetchone(), strict=True))
        connection.execute(f"DELETE FROM {table} WHERE {key} = ?", (import_id,))  # noqa: S608
    return found


def _insert(connection: sqlite3.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    names = ", ".join(rows[0])
    places = ", ".join("?" * len(rows[0]))
    statement = f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608  # our own names
    connection.executemany(statement, [tuple(row.values()) for row in rows])


def _row(written: dict[str, Any], one: Numbered, moment: Any) -> dict[str, Any]:
    own = {"issuer_id": one.issuer_id, "created_at": moment, "updated_at": moment, "run_at": moment}
    return {
        **written,
        **own,
        **({"image_id": one.id, "image": _own(written["image"], one)} if written["image"] else {}),
    }


def _own(image: Any, one: Numbered) -> Any:
    """The image with a key of its own: as a column, or as a document."""
    key, before = f"{one.id[:2]}/{one.id}", f"{TEMPLATE_IDS[True][:2]}/{TEMPLATE_IDS[True]}"
    return image.replace(before, key) if isinstance(image, str) else {**image, "key": key}


def fill_mongo(uri: str, database: str, queued: int, until: float, *, all_done: bool = False) -> int:
    """Fill the collection of a prepared database; see ``fill_sqlite``."""
    count = 0
    with MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        imports = client.get_database(database).get_collection(IMPORTS, write_concern=WriteConcern(1, j=False))
        written = {done: imports.find_one_and_delete({"_id": one}) or {} for done, one in TEMPLATE_IDS.items()}
        pending, every = _numbered(queued if all_done else total(queued)), 1 if all_done else DONE_EVERY
        while piece := list(itertools.islice(pending, PIECE)):
            documents = [
                {**_row(written[done], one, BEGIN + one.number * STEP), "_id": one.id}
                for one, done in _kinds(piece, every)
            ]
            imports.insert_many(documents, ordered=False)
            count += len(piece)
            if time.monotonic() > until:
                break
    return queued_of(count)
