"""The SQLite store conforms; and what its file is like, in good days and bad ones."""

import asyncio
import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lading.service.documents import DocumentStore, DuplicateId, StoreRefused, StoreUnavailable
from lading.service.documents.sqlite.engine.clock import Boot
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.models.clock import TimeCounter
from tests.conformance.documents.cases.base import add_all, make_import, make_imports
from tests.conformance.documents.suite import DocumentStoreSuite, SettableClock

SHORT = timedelta(milliseconds=100)


class TestSqliteDocumentStore(DocumentStoreSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "documents" / "lading #1 100%.db"

    def make_store(self, clock: SettableClock) -> DocumentStore:
        return SqliteDocumentStore(self.path, clock)

    def make_steady_store(self, clock: SettableClock, counter: TimeCounter) -> DocumentStore:
        return SqliteDocumentStore(self.path, clock, boot=Boot("boot", counter))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lading.db"


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteDocumentStore]:
    store = SqliteDocumentStore(path, SettableClock(), busy_timeout=SHORT)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def refusal_to_open(path: Path, kind: type[StoreUnavailable] = StoreRefused) -> str:
    store = SqliteDocumentStore(path, SettableClock(), busy_timeout=SHORT)
    with pytest.raises(StoreUnavailable) as caught:
        await store.open()
    assert type(caught.value) is kind
    assert str(path) in str(caught.value)
    assert not threads_of_stores()
    with pytest.raises(StoreUnavailable, match="not open"):
        await store.get("import")
    return str(caught.value)


def threads_of_stores() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("documents-")]


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_commits_are_synced_to_a_write_ahead_log(path: Path) -> None:
    async with opened(path) as store:
        names = ("journal_mode", "synchronous", "fullfsync")
        ask: Callable[[sqlite3.Connection], list[object]] = lambda connection: [  # noqa: E731
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names
        ]
        full = 2
        assert await store._writer.run(ask) == ["wal", full, 1]


@pytest.mark.gen_test
async def test_readers_cannot_write(path: Path) -> None:
    async with opened(path) as store:
        with pytest.raises(StoreUnavailable, match="readonly"):
            await store._readers.run(lambda connection: connection.execute("DELETE FROM imports"))


@pytest.mark.gen_test
async def test_only_its_user_reads_the_files(path: Path) -> None:
    before = os.umask(0)
    try:
        async with opened(path) as store:
            await store.add(make_import(SettableClock()))
            await store.get("import")
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"lading.db": 0o600, "lading.db-wal": 0o600, "lading.db-shm": 0o600}


@pytest.mark.gen_test
async def test_ping_writes(path: Path) -> None:
    log = path.with_name("lading.db-wal")
    async with opened(path) as store:
        before = log.stat().st_size
        await store.ping()
        assert log.stat().st_size > before


@pytest.mark.gen_test
async def test_close_folds_the_log_into_the_file_and_ends_the_threads(path: Path) -> None:
    async with opened(path) as store:
        await store.add(make_import(SettableClock()))
        assert len(threads_of_stores()) == 3
    assert not threads_of_stores()
    assert [file.name for file in path.parent.iterdir()] == ["lading.db"]


# --- bad days ---------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_folder_that_cannot_be_written(path: Path) -> None:
    # Nobody creates files in /proc, root included.
    assert "cannot be created" in await refusal_to_open(Path("/proc/self/lading.db"), StoreUnavailable)
    path.write_bytes(b"")
    assert "cannot be created" in await refusal_to_open(path / "below a file" / "lading.db")


@pytest.mark.gen_test
async def test_a_store_that_could_not_be_opened_is_opened_later(path: Path) -> None:
    path = path / "lading.db"
    path.parent.symlink_to("not mounted yet")
    store = SqliteDocumentStore(path, SettableClock(), busy_timeout=SHORT)
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="cannot be created"):
                await store.open()
            with pytest.raises(StoreUnavailable, match="not open"):
                await store.ping()
        path.parent.resolve().mkdir()
        await store.open()
        await store.ping()
    finally:
        await store.close()
    assert not threads_of_stores()


@pytest.mark.gen_test
async def test_a_folder_in_place_of_the_file(path: Path) -> None:
    path.mkdir()
    assert "must be able to write" in await refusal_to_open(path, StoreUnavailable)


@pytest.mark.gen_test
async def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_bytes(b"something else entirely " * 1000)
    assert "restore it from a backup" in await refusal_to_open(path)
    assert path.read_bytes() == b"something else entirely " * 1000


@pytest.mark.gen_test
async def test_a_database_of_another_application(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (id)")
    before = path.read_bytes()
    assert "another application" in await refusal_to_open(path)
    assert path.read_bytes() == before


@pytest.mark.gen_test
async def test_a_schema_of_a_newer_version(path: Path) -> None:
    async with opened(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1000")
    assert "upgrade Lading" in await refusal_to_open(path)


@pytest.mark.gen_test
async def test_a_damaged_file(path: Path) -> None:
    async with opened(path) as store:
        await add_all(store, make_imports(SettableClock(), 100))
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        roots = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE tbl_name = 'imports' AND rootpage"
        ).fetchall()
    content = bytearray(path.read_bytes())
    for (root,) in roots:
        content[(root - 1) * size : root * size] = b"\xff" * size
    path.write_bytes(content)
    async with opened(path) as store:
        for call in (store.get("import"), store.add(make_import(SettableClock())), store.unfinished(1)):
            with pytest.raises(StoreUnavailable, match=r"lading\.db.*damaged"):
                await call


@pytest.mark.gen_test
async def test_a_full_disk_refuses_what_does_not_fit_and_recovers(path: Path) -> None:
    clock = SettableClock()
    async with opened(path) as store:
        pages = await store._writer.run(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
        await store._writer.run(
            lambda connection: connection.execute(f"PRAGMA max_page_count = {pages + 4}").fetchone()
        )
        small = make_import(clock)
        large = make_import(clock, params={"metadata": "x" * 100_000})
        await store.add(small)
        with pytest.raises(StoreUnavailable, match="no space left"):
            await store.add(large)
        assert await store.get(large.id) is None
        assert await store.get(small.id) == small
        together = [make_import(clock), replace(large, id="large"), make_import(clock)]
        outcomes = await asyncio.gather(*map(store.add, together), return_exceptions=True)
        assert isinstance(outcomes[1], StoreUnavailable)
        found = [await store.get(document.id) for document in together]
        assert [one is not None for one in found] == [outcome is None for outcome in outcomes]
        await store._writer.run(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchone())
        await store.add(large)
        assert await store.get(large.id) == large


@pytest.mark.gen_test
async def test_nothing_is_written_into_a_file_that_was_deleted_or_replaced(path: Path) -> None:
    async with opened(path) as store:
        await store.ping()
        shutil.copy(path, path.with_name("copy.db"))
        path.unlink()
        for _ in range(2):
            for call in (store.ping(), store.add(make_import(SettableClock()))):
                with pytest.raises(StoreUnavailable, match=r"lading\.db was deleted or replaced"):
                    await call
            shutil.copy(path.with_name("copy.db"), path)


# --- other writers ----------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_readers_do_not_wait_for_a_writer_and_writers_give_up_in_time(path: Path) -> None:
    clock = SettableClock()
    async with opened(path) as store:
        document = make_import(clock)
        await store.add(document)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("UPDATE imports SET host = 'uncommitted'")
            assert await store.get(document.id) == document
            assert await store.unfinished(10) == 1
            late = make_imports(clock, 5)
            outcomes = await asyncio.gather(*map(store.add, late), return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
            assert "lading.db: database is locked; another process" in str(outcomes[0])
            assert await store.get(document.id) == document
            other.execute("ROLLBACK")
        await add_all(store, late)
        with pytest.raises(DuplicateId):
            await store.add(document)


@pytest.mark.gen_test
async def test_opening_waits_for_a_lock_and_may_be_cancelled(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "database is locked" in await refusal_to_open(path, StoreUnavailable)
        store = SqliteDocumentStore(path, SettableClock(), busy_timeout=SHORT)
        task = asyncio.create_task(store.open())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not threads_of_stores()
        with pytest.raises(StoreUnavailable):
            await store.get("import")
