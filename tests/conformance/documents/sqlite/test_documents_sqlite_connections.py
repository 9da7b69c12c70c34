"""A connection of the SQLite store that cannot commit, roll back or be trusted: nobody after it is harmed."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lading.service.documents import StoreUnavailable
from lading.service.documents.sqlite.engine.threads import Call
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.models import Import
from tests.conformance.documents.cases.base import SettableClock, make_import, make_imports

METADATA = {"metadata": {"name": "value"}}
COMMITS = frozenset({(sqlite3.SQLITE_TRANSACTION, "COMMIT"), (sqlite3.SQLITE_SAVEPOINT, "RELEASE")})
ROLLBACKS = frozenset({(sqlite3.SQLITE_TRANSACTION, "ROLLBACK"), (sqlite3.SQLITE_SAVEPOINT, "ROLLBACK")})


class HinderedStore(SqliteDocumentStore):
    """Its writer is refused the statements of ``denied``."""

    denied: frozenset[tuple[int, str]] = frozenset()

    def _commit(self, connection: sqlite3.Connection, calls: Sequence[Call]) -> None:
        connection.set_authorizer(self._authorize)
        super()._commit(connection, calls)

    def _authorize(self, action: int, first: str | None, *_: Any) -> int:
        return sqlite3.SQLITE_DENY if (action, first) in self.denied else sqlite3.SQLITE_OK


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lading.db"


@asynccontextmanager
async def opened(path: Path, clock: SettableClock) -> AsyncIterator[HinderedStore]:
    store = HinderedStore(path, clock, busy_timeout=timedelta(milliseconds=100), readers=1)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def ids_in(path: Path) -> set[str]:
    """Read by a connection that the store knows nothing of."""
    with closing(sqlite3.connect(path)) as other:
        return {row[0] for row in other.execute("SELECT id FROM imports")}


async def refused(store: SqliteDocumentStore, documents: Sequence[Import]) -> None:
    outcomes = await asyncio.gather(*map(store.add, documents), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * len(documents)


@pytest.mark.gen_test
@pytest.mark.parametrize("denied", [COMMITS, COMMITS | ROLLBACKS], ids=["commits", "commits and rollbacks"])
@pytest.mark.parametrize(("count", "params"), [(1, {}), (1, METADATA), (40, {}), (40, METADATA)])
async def test_after_a_commit_that_failed_everything_works(
    path: Path, clock: SettableClock, denied: frozenset[tuple[int, str]], count: int, params: dict[str, Any]
) -> None:
    lost, kept = ([make_import(clock, params=params) for _ in range(count)] for _ in range(2))
    async with opened(path, clock) as store:
        store.denied = denied
        # A call that is no import has the others share its transaction; and without it they have one of their own.
        outcomes = await asyncio.gather(store.ping(), *map(store.add, lost), return_exceptions=True)
        assert isinstance(outcomes[0], StoreUnavailable)
        if params:  # a plain import that the writer meets alone is one statement, which commits by itself
            await refused(store, lost)
        acknowledged = {document.id for document in lost if await store.get(document.id) is not None}
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")  # nobody keeps it from writing
            other.execute("ROLLBACK")
        assert ids_in(path) == acknowledged
        store.denied = frozenset()
        while True:
            try:
                await store.ping()
                break
            except StoreUnavailable:  # a connection was closed, and another is opened in a moment
                await asyncio.sleep(0.01)
        for document in kept:
            await store.add(document)
            assert document.id in ids_in(path)
        assert await store.update(kept[0].cancelled(clock.now()))
        assert await store.get(kept[0].id) == kept[0].cancelled(clock.now())


def leave_open(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("COMMIT")
    connection.execute("BEGIN")


@pytest.mark.gen_test
async def test_who_leaves_a_transaction_open_has_not_succeeded(path: Path, clock: SettableClock) -> None:
    document = make_import(clock)
    async with opened(path, clock) as store:
        for threads in (store._readers, store._writer):
            with pytest.raises(StoreUnavailable):
                await threads.run(leave_open)
        await store.add(document)
        assert await store.get(document.id) == document
        assert ids_in(path) == {document.id}


@pytest.mark.gen_test
async def test_a_read_that_fails_keeps_no_snapshot(path: Path, clock: SettableClock) -> None:
    documents = make_imports(clock, 3)

    def fail_half_way(connection: sqlite3.Connection) -> None:
        cursor = connection.execute("SELECT id FROM imports")
        raise LookupError(f"after {cursor.fetchone()}")

    async with opened(path, clock) as store:
        await asyncio.gather(*map(store.add, documents[:2]))
        with pytest.raises(LookupError) as kept:
            await store._readers.run(fail_half_way)
        await store.add(documents[2])
        assert await store.get(documents[2].id) == documents[2], kept


@pytest.mark.gen_test
async def test_a_file_that_is_deleted_before_the_commit_acknowledges_nothing(path: Path, clock: SettableClock) -> None:
    async with opened(path, clock) as store:
        with pytest.raises(StoreUnavailable, match="deleted or replaced"):
            await store._writer.run(lambda _: path.unlink())
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="deleted or replaced"):
                await store.add(make_import(clock))
        # A connection that is replaced makes no new file, which would hold nothing of the old one.
        store.denied = COMMITS
        await refused(store, [make_import(clock, params=METADATA)])
        store.denied = frozenset()
        await refused(store, make_imports(clock, 2))
        assert not path.exists()
