"""The SQLite file is copied as of one moment while others write to it, and damage is found."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from lading.service.documents import StoreRefused, StoreUnavailable
from lading.service.documents.sqlite.engine import copying
from lading.service.documents.sqlite.schema import SCHEMA_VERSION
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.documents.upkeep import Version
from tests.conformance.documents.cases.base import SettableClock

ROWS = 4000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lading.db"


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_STEP_PAGES", 5)


async def store_with(path: Path, rows: int) -> SqliteDocumentStore:
    store = SqliteDocumentStore(path, SettableClock())
    await store.open()
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE extra (number INTEGER PRIMARY KEY, text TEXT)")
        connection.executemany("INSERT INTO extra VALUES (?, ?)", ((number, "x" * 500) for number in range(rows)))
        connection.commit()
    return store


@pytest.mark.gen_test(timeout=60)
async def test_a_copy_of_one_moment_is_made_in_one_go_while_others_write(path: Path, tmp_path: Path) -> None:
    store = await store_with(path, ROWS)
    stop = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            while not stop.is_set():
                # Two rows at once: a copy has both or neither.
                connection.execute("INSERT INTO extra (text) VALUES ('a'), ('b')")
                written += 1

    rest: list[int] = []

    def report(done: int, total: int) -> None:
        rest.append(total - done)
        seen = written
        while written == seen and writer.is_alive():  # each step meets a write
            stop.wait(0.001)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        await store.copying.copy_to(tmp_path / "copy", report)
    finally:
        stop.set()
        writer.join()
    assert len(rest) > 50
    assert rest == sorted(rest, reverse=True), "it never begins again"
    assert await store.copying.faults(tmp_path / "copy", 5) == ()
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(tmp_path / "copy")) as connection:
        (copied,) = connection.execute("SELECT count(*) FROM extra").fetchone()
    assert ROWS <= copied < ROWS + 2 * written
    assert copied % 2 == 0


@pytest.mark.gen_test
async def test_a_cancelled_copy_ends_before_the_cancellation_does(path: Path, tmp_path: Path) -> None:
    store = await store_with(path, ROWS)
    begun, ended = asyncio.Event(), False
    loop = asyncio.get_running_loop()

    def report(_done: int, _total: int) -> None:
        loop.call_soon_threadsafe(begun.set)

    async def copy() -> None:
        nonlocal ended
        try:
            await store.copying.copy_to(tmp_path / "copy", report)
        finally:
            ended = True

    task = asyncio.create_task(copy())
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (task.cancelled(), ended) == (True, True)
    (tmp_path / "copy").unlink()


@pytest.mark.gen_test
async def test_an_existing_file_is_not_overwritten(path: Path, tmp_path: Path) -> None:
    store = await store_with(path, 1)
    (tmp_path / "copy").write_text("mine")
    with pytest.raises(StoreUnavailable, match=r"cannot be copied to .*: File exists"):
        await store.copying.copy_to(tmp_path / "copy", lambda _done, _total: None)
    assert (tmp_path / "copy").read_text() == "mine"


@pytest.mark.gen_test
async def test_damage_is_found_and_nothing_is_left_beside_the_file(path: Path, tmp_path: Path) -> None:
    store = await store_with(path, ROWS)
    assert await store.copying.faults(path, 5) == ()
    content = bytearray(path.read_bytes())
    content[-20 * 4096 : -10 * 4096] = bytes(10 * 4096)
    path.write_bytes(content)
    assert len(await store.copying.faults(path, 5)) > 0
    (tmp_path / "text").write_text("not a database " * 100)
    assert await store.copying.faults(tmp_path / "text", 5) == ("file is not a database",)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["lading.db", "text"]


@pytest.mark.gen_test
async def test_the_version_is_read_without_an_upgrade(path: Path) -> None:
    store = SqliteDocumentStore(path, SettableClock())
    assert await store.copying.version() == Version(None, SCHEMA_VERSION)
    await store.open()
    assert await store.copying.version() == Version(SCHEMA_VERSION, SCHEMA_VERSION)
    assert await store.copying.byte_size() > 100_000
    await store.close()
    for version, expected in ((3, Version(3, SCHEMA_VERSION)), (SCHEMA_VERSION + 7, None)):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
        if expected is not None:
            assert await store.copying.version() == expected
        else:
            with pytest.raises(StoreRefused, match=f"version {version}, newer than {SCHEMA_VERSION}"):
                await store.copying.version()
