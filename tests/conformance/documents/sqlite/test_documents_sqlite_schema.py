"""A SQLite file of an earlier version is brought to the newest one, whole or not at all."""

import asyncio
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lading.service.documents import StoreUnavailable
from lading.service.documents.positions import numbered
from lading.service.documents.queue import OPEN, Selection
from lading.service.documents.search import Filter, Position
from lading.service.documents.sqlite.engine.file import APPLICATION_ID, connect_writer, create_file
from lading.service.documents.sqlite.rows import IMPORT_COLUMNS, STATE_COLUMNS
from lading.service.documents.sqlite.schema import _SHARES, SCHEMA_VERSION, VERSIONS
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.documents.sqlite.writes import _CLAIM_ALIKE, _CLAIM_ONE, _insertion, _replacement
from lading.service.models import Held, Import, Status
from lading.service.models.clock import truncate_to_milliseconds
from lading.service.models.issuers import Algorithm, Issuer
from tests.conformance.documents.cases.base import FAILURE, SECOND, SettableClock, add_all, make_import
from tests.conformance.documents.cases.shares import (
    check_that_they_are_deleted_one_by_one,
    duplicates_of_an_earlier_version,
)

IMAGE = {
    "format": "PNG",
    "content_type": "image/png",
    "width": 1,
    "height": 1,
    "frames": 1,
    "byte_size": 70,
    "sha256": "0f" * 32,
    "storage": "local",
    "key": "ab/cd/abcd",
}
"""As the first version wrote it."""


ENDED = (Status.DONE, Status.FAILED, Status.CANCELLED)
LAST = " + ".join(
    [
        *("SCAN CONSTANT ROW", "SCALAR SUBQUERY 1", "SEARCH one USING COVERING INDEX imports_sequence"),
        *("SCALAR SUBQUERY 2", "SEARCH organizations USING PRIMARY KEY"),
    ]
)
"""The plan of looking for the number of the present."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lading.db"


def first_version(path: Path, *extra: str) -> None:
    """A file as the first version left it, with a done import of an image."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in (*VERSIONS[0], *extra):
            connection.execute(statement)
        connection.execute(
            "INSERT INTO imports VALUES ('import', 'organization', 'issuer', '{}', 1, '', '', 2, 3, 'done', 'image', "
            "'url', 1, 0, 2, NULL, NULL, ?)",
            (json.dumps(IMAGE),),
        )
        connection.execute("INSERT INTO issuers VALUES ('key', 'organization', 'a secret', 'HS384', 1, 0)")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()


def shape(path: Path) -> list[tuple[Any, ...]]:
    """Every column and index, and the version."""
    with closing(sqlite3.connect(path)) as connection:
        columns = connection.execute(
            "SELECT m.name, c.name, c.type FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'"
        ).fetchall()
        indexes = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index'").fetchall()
        return sorted(columns) + sorted(indexes, key=str) + connection.execute("PRAGMA user_version").fetchall()


async def read_and_close(path: Path) -> Import | None:
    store = SqliteDocumentStore(path, SettableClock(), busy_timeout=10 * SECOND)
    await store.open()
    try:
        return await store.get_by_image("image")
    finally:
        await store.close()


@pytest.mark.gen_test
async def test_an_earlier_file_keeps_its_documents_and_gains_what_is_new(path: Path, tmp_path: Path) -> None:
    first_version(path)
    found = await read_and_close(path)
    assert found is not None
    assert found.image is not None
    assert (found.id, found.status, found.image.filename) == ("import", Status.DONE, None)
    assert (found.image_deleted_at, found.image_purged_at, found.sealed) == (None, None, None)
    assert (found.image.mirror, found.image.is_mirrored) == (None, False)
    assert (found.image.orientation, found.image.notes) == (None, ())
    assert await read_and_close(tmp_path / "new.db") is None
    assert shape(path) == shape(tmp_path / "new.db")
    assert shape(path)[-1] == (SCHEMA_VERSION,)


@pytest.mark.gen_test
@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
async def test_what_an_earlier_file_holds_is_counted_as_stored(path: Path, version: int) -> None:
    first_version(path)
    with closing(sqlite3.connect(path)) as connection:
        for statements in VERSIONS[1:version]:
            for statement in statements:
                connection.execute(statement)
        columns = len(connection.execute("PRAGMA table_info(imports)").fetchall())
        for number in range(3):
            connection.execute(
                "INSERT INTO imports SELECT ? || id, organization_id || ?, issuer_id, params, created_at, host, "
                "request_id, updated_at, run_at, iif(? = 2, 'failed', status), image_id, import_type, attempts, "
                f"abandoned, revision, worker_id, error, image{', NULL' * (columns - 18)} "
                "FROM imports WHERE id = 'import'",
                (number, number % 2 * "x", number),
            )
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()
    store = SqliteDocumentStore(path, SettableClock())
    await store.open()
    assert [await store.stored_bytes(name) for name in ("organization", "organizationx", "other")] == [140, 70, 0]
    await store.close()


@pytest.mark.gen_test
async def test_an_image_of_an_earlier_file_is_deleted(path: Path) -> None:
    first_version(path)
    clock = SettableClock()
    store = SqliteDocumentStore(path, clock)
    await store.open()
    found = await store.get_by_image("image")
    assert found is not None
    deleted = found.image_deleted(clock.now())
    assert await store.update(deleted)
    assert await store.get("import") == deleted
    await store.close()


@pytest.mark.gen_test
async def test_duplicates_of_an_earlier_file_are_deleted_one_by_one(path: Path, tmp_path: Path) -> None:
    clock = SettableClock()
    documents = duplicates_of_an_earlier_version(clock)
    going = make_import(clock).claimed("worker", clock.now()).cancelled(clock.now())
    going = replace(going, leftover_at=None, image_deleted_at=going.updated_at)  # as earlier versions cancelled
    store = SqliteDocumentStore(tmp_path / "new.db", clock)
    await store.open()
    await add_all(store, [*documents, going])
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        version = VERSIONS.index(_SHARES)
        for statements in VERSIONS[:version]:
            for statement in statements:
                connection.execute(statement)
        columns = ", ".join(row[1] for row in connection.execute("PRAGMA table_info(imports)"))
        assert "shared_key" not in columns
        connection.execute("ATTACH ? AS new", (str(tmp_path / "new.db"),))
        connection.execute(f"INSERT INTO imports ({columns}) SELECT {columns} FROM new.imports")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()
    store = SqliteDocumentStore(path, clock)
    await store.open()
    assert await store.unpurged(5) == [going]
    assert await store.shared_keys("", 5) == [documents[0].storage_key]
    await check_that_they_are_deleted_one_by_one(store, clock, documents)
    await store.close()


@pytest.mark.gen_test
async def test_an_import_of_an_earlier_file_is_listed_by_what_it_holds(path: Path) -> None:
    first_version(path)
    params = json.dumps({"album_id": "album", "metadata": {"a": "b", "n": 1, "deep": {"a": "c"}, "long": "x" * 600}})
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE imports SET params = ?", (params,))
        connection.commit()
    store = SqliteDocumentStore(path, SettableClock())
    await store.open()
    found = await store.get("import")
    for wanted in ({"albums": ("album",)}, {"metadata": ("a", "b")}, {"status": Status.DONE}):
        assert (await store.search.list(Filter("organization", **wanted), 5)).documents == [found], wanted
    for wanted in ({"albums": ("other",)}, {"metadata": ("a", "c")}, {"metadata": ("n", "1")}):
        assert (await store.search.list(Filter("organization", **wanted), 5)).documents == [], wanted
    assert await store.search.by_sha256("organization", "0f" * 32) == found
    await store.close()


@pytest.mark.gen_test
async def test_an_issuer_of_an_earlier_file_keeps_its_secret_and_gets_another(path: Path) -> None:
    first_version(path)
    clock = SettableClock()
    until = truncate_to_milliseconds(clock.now()) + SECOND
    store = SqliteDocumentStore(path, clock)
    await store.open()
    issuer = Issuer("key", "organization", "a secret", Algorithm.HS384, require_exp=False)
    assert await store.get_issuer("key") == issuer
    assert await store.rotate_issuer("key", "another", until)
    rotated = replace(issuer, key="another", previous_key="a secret", previous_until=until)
    assert await store.get_issuer("key") == rotated
    await store.close()


@pytest.mark.gen_test
async def test_several_open_an_earlier_file_at_once(path: Path) -> None:
    first_version(path)
    found = await asyncio.gather(*(read_and_close(path) for _ in range(8)))
    assert [one and one.id for one in found] == ["import"] * 8
    assert shape(path)[-1] == (SCHEMA_VERSION,)


@pytest.mark.gen_test
async def test_an_upgrade_that_fails_changes_nothing(path: Path) -> None:
    first_version(path, "CREATE INDEX imports_done ON imports (host)")
    before = shape(path)
    with pytest.raises(StoreUnavailable, match="imports_done already exists"):
        await read_and_close(path)
    assert shape(path) == before


@pytest.mark.gen_test
async def test_images_and_deletions_are_found_by_an_index(path: Path) -> None:
    clock = SettableClock()
    store = SqliteDocumentStore(path, clock, readers=1)
    await store.open()
    statements: list[str] = []
    await store._readers.run(lambda connection: connection.set_trace_callback(statements.append))
    await store.get_by_image("image")
    await store.unpurged(5)
    await store.heir("key")
    await store.shared_keys("", 5)
    for held in Held:
        await store.images_in("local", held, "", 5)
    await store.count_images_in("local")
    await store.unfinished(5)
    await store.unfinished(5, "issuer")
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        plans = [connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall() for query in statements]
    assert [[step[-1].partition(" (")[0] for step in plan] for plan in plans] == [
        ["SEARCH imports USING INDEX imports_done"],
        ["SEARCH imports USING INDEX imports_unsettled"],
        ["SEARCH imports USING INDEX imports_shared"],
        ["SEARCH imports USING COVERING INDEX imports_shared"],
        ["SEARCH imports USING INDEX imports_stored"],
        ["SEARCH imports USING INDEX imports_mirror"],
        ["SEARCH imports USING INDEX imports_mirror"],
        ["SEARCH imports USING INDEX imports_stored"],
        ["CO-ROUTINE", "SCAN imports USING COVERING INDEX imports_unfinished", "SCAN"],
        ["CO-ROUTINE", "SEARCH imports USING COVERING INDEX imports_unfinished", "SCAN"],
    ]


@pytest.mark.gen_test
async def test_what_is_searched_is_found_by_an_index_in_its_order(path: Path) -> None:
    clock = SettableClock()
    after = Position(clock.now(), "i")
    store = SqliteDocumentStore(path, clock, readers=1)
    await store.open()
    await store.add(make_import(clock, params={"album_id": "a"}))
    statements: list[str] = []
    await store._readers.run(lambda connection: connection.set_trace_callback(statements.append))
    search, records = store.search, store.records
    filters: list[dict[str, Any]] = [
        {"status": Status.DONE},
        {"albums": ("a", "b")},
        {"albums": ("a",), "status": Status.FAILED},
        {"status": Status.FAILED},
        {"metadata": ("a", "b"), "albums": ("a",)},
        {"batch_id": "batch"},
    ]
    for wanted in filters:
        await search.list(Filter("organization", created_from=clock.now(), **wanted), 5, after)
    await search.albums("organization", 5)
    await search.changed_since("organization", numbered(0), 5)
    await search.changed_since("organization", "1770000000000-id", 5)
    await search.by_sha256("organization", "0" * 64)
    await search.by_source("organization", "0" * 64)
    await search.held_by(["worker"])
    await search.expired_waiting(clock.now(), 5)
    await search.with_outbox(5)
    for status in ENDED:
        await search.ended(status, clock.now(), 5)
        await search.ended(status, clock.now(), 5, after)
    for status in OPEN:
        await store.queue.entries(Selection(status, issuer_id="issuer", since=clock.now()), 5)
    await records.get("kind", "id")
    await records.list("kind", "owner", 5, after="id")
    await records.due("kind", clock.now(), 5)
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        plans = [connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall() for query in statements]
    assert [" + ".join(step[-1].partition(" (")[0] for step in plan) for plan in plans] == [
        "SEARCH driving USING INDEX imports_listed",
        "SEARCH driving USING INDEX imports_listed",
        "SEARCH driving USING INDEX imports_album",
        "SEARCH driving USING INDEX imports_state",
        "SEARCH driving USING PRIMARY KEY + SEARCH imports USING INDEX sqlite_autoindex_imports_1",
        "SEARCH driving USING INDEX imports_batch",
        "SEARCH imports USING INDEX imports_album",
        "CO-ROUTINE + SEARCH imports USING INDEX imports_album + SCAN",
        "SEARCH imports USING INDEX imports_album",
        *(LAST, "SEARCH imports USING INDEX imports_sequence"),
        *(LAST, "SEARCH imports USING INDEX imports_sequence", "SEARCH imports USING INDEX imports_sequence"),
        "SEARCH imports USING INDEX imports_sha256",
        "SEARCH imports USING INDEX imports_source",
        "SEARCH imports USING INDEX imports_running",
        "SEARCH imports USING INDEX imports_waiting",
        "SCAN imports USING INDEX imports_outbox",
        *(f"SEARCH imports USING INDEX imports_{status}_at" for status in ENDED for _ in range(2)),
        "CO-ROUTINE + SCAN imports USING INDEX imports_queued + SCAN",
        "CO-ROUTINE + SCAN imports USING INDEX imports_running + SCAN",
        "CO-ROUTINE + SCAN imports USING INDEX imports_waiting + SCAN",
        "CO-ROUTINE + SEARCH imports USING INDEX imports_failed_at + SCAN",
        "SEARCH records USING PRIMARY KEY",
        "SEARCH records USING INDEX records_owned",
        "SEARCH records USING INDEX records_due",
    ]


@pytest.mark.parametrize("size", [1, 30_000])
@pytest.mark.gen_test
async def test_what_was_dropped_is_nowhere_in_the_file(path: Path, size: int) -> None:
    clock = SettableClock()
    secret = "s3cr3t" * size
    store = SqliteDocumentStore(path, clock)
    await store.open()
    await store.register("worker", SECOND)
    document = make_import(clock, sealed=f"clear:{secret}")
    await store.add(document)
    await store.add_issuer(Issuer("key", "organization", secret))
    (claimed,) = await store.claim("worker", 1)
    await store.close()
    assert path.read_bytes().count(b"s3cr3t") >= 2
    store = SqliteDocumentStore(path, clock)
    await store.open()
    assert await store.update(claimed.failed(FAILURE, None, clock.now()))
    assert await store.rotate_issuer("key", "another", None)
    await store.close()
    assert b"s3cr3t" not in path.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == [path.name], "the log is folded in"


@pytest.mark.gen_test
async def test_changes_of_an_earlier_file_are_in_the_order_of_their_moments(path: Path) -> None:
    first_version(path)
    clock = SettableClock()
    moments = {"a": 9, "b": 3, "c": 3, "d": 5, "e": 1}
    with closing(sqlite3.connect(path)) as connection:
        for name, moment in moments.items():
            connection.execute(
                "INSERT INTO imports SELECT ?, iif(? = 'd', 'another', organization_id), issuer_id, params, 1, host, "
                "request_id, ?, 1, status, image_id, import_type, attempts, abandoned, revision, worker_id, error, "
                "image FROM imports WHERE id = 'import'",
                (name, name, moment),
            )
        connection.commit()
    store = SqliteDocumentStore(path, clock)
    await store.open()
    document = make_import(clock)
    await store.add(document)
    found = await store.search.changed_since("organization", numbered(0), 10)
    assert [change.document.id for change in found.changes] == ["e", "import", "b", "c", "a", document.id]
    found = await store.search.changed_since("another", numbered(0), 10)
    assert [change.document.id for change in found.changes] == ["d"]
    await store.close()


def test_a_write_finds_its_number_by_an_index(path: Path) -> None:
    few = ("id", "updated_at", "status", "revision")
    statements = {_insertion(names, 2): 2 * len(names) for names in (("organization_id", *few), IMPORT_COLUMNS)}
    for names in (few, STATE_COLUMNS):
        statements |= {_replacement(names, 2): 2 * len(names)}
    statements |= {statement: statement.count("?") for statement in (_CLAIM_ONE, _CLAIM_ALIKE)}
    create_file(path)
    with closing(connect_writer(path, SECOND)) as connection:
        for statement, values in statements.items():
            rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", [None] * values).fetchall()
            plan = [row[-1].partition(" (")[0] for row in rows]
            assert "SEARCH one USING COVERING INDEX imports_sequence" in plan
            assert "SEARCH organizations USING PRIMARY KEY" in plan
            assert not {step for step in plan if step.startswith(("SCAN imports", "SCAN one"))}
