"""The work of the SQLite store: what shares a transaction, what waits, and what a query costs."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from lading.service.documents import DuplicateId
from lading.service.documents.sqlite.rows import to_milliseconds
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.documents.sqlite.turns import Excluded, Turns
from lading.service.documents.sqlite.writes import insert_imports
from lading.service.models import Import
from tests.conformance.documents.cases.base import LEASE, SettableClock, count_queued, make_import, make_imports
from tests.conformance.documents.cases.lifecycle import CALLS


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@asynccontextmanager
async def opened(tmp_path: Path, clock: SettableClock, queue_size: int = 1024) -> AsyncIterator[SqliteDocumentStore]:
    store = SqliteDocumentStore(tmp_path / "lading.db", clock, readers=1, queue_size=queue_size)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def busy(store: SqliteDocumentStore) -> AsyncIterator[None]:
    """The writer has begun a transaction, and goes on when the context ends."""
    began, go_on = threading.Event(), threading.Event()

    def wait(_connection: sqlite3.Connection) -> None:
        began.set()
        go_on.wait()

    task = asyncio.create_task(store._writer.run(wait))
    try:
        await asyncio.to_thread(began.wait)
        yield
    finally:
        go_on.set()
        await task


async def settle() -> None:
    """Let every task go as far as it can without the writer."""
    for _ in range(10):
        await asyncio.sleep(0)


async def trace(store: SqliteDocumentStore) -> list[str]:
    """The statements that the store runs from now on."""
    statements: list[str] = []
    for threads in (store._writer, store._readers):
        await threads.run(lambda connection: connection.set_trace_callback(statements.append))
    return statements


async def insert(store: SqliteDocumentStore, documents: list[Import]) -> None:
    await store._writer.run(lambda connection: insert_imports(connection, documents))


# --- the queue --------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_what_has_gathered_is_one_transaction(tmp_path: Path, clock: SettableClock) -> None:
    documents = make_imports(clock, 200)
    async with opened(tmp_path, clock) as store:
        statements = await trace(store)
        async with busy(store):
            tasks = [asyncio.create_task(store.add(document)) for document in documents]
            await settle()
        await asyncio.gather(*tasks)
        assert statements.count("COMMIT") == 3, "those of trace, of busy, and of 200 imports"
        assert [await store.get(document.id) for document in documents] == documents


@pytest.mark.gen_test
async def test_nothing_is_told_before_the_commit(tmp_path: Path, clock: SettableClock) -> None:
    async with opened(tmp_path, clock) as store:
        began, go_on = threading.Event(), threading.Event()

        def before_commit(statement: str) -> None:
            if statement == "COMMIT":
                began.set()
                go_on.wait()

        def watch(connection: sqlite3.Connection) -> None:
            connection.execute("SELECT 1").fetchall()
            connection.set_trace_callback(before_commit)

        async with busy(store):
            watching = asyncio.create_task(store._writer.run(watch))
            adding = asyncio.create_task(store.add(make_import(clock)))
            await settle()
        await asyncio.to_thread(began.wait)
        await settle()
        assert not adding.done()
        go_on.set()
        await asyncio.gather(watching, adding)


@pytest.mark.gen_test
async def test_in_a_shared_transaction_a_failure_fails_alone(tmp_path: Path, clock: SettableClock) -> None:
    documents = make_imports(clock, 10)

    def write_and_fail(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM imports")
        raise LookupError("by design")

    async with opened(tmp_path, clock) as store:
        async with busy(store):
            tasks = [
                asyncio.create_task(one)
                for one in (
                    *map(store.add, documents),
                    store._writer.run(write_and_fail),
                    store.add(documents[0]),
                    store._writer.run(lambda connection: connection.execute("no SQL at all")),
                    store.update(documents[1].claimed("worker", clock.now())),
                )
            ]
            await settle()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert outcomes[:10] == [None] * 10
        assert [type(outcome) for outcome in outcomes[10:12]] == [LookupError, DuplicateId]
        assert isinstance(outcomes[12], Exception)
        assert outcomes[13] is True
        assert await count_queued(store) == 9


@pytest.mark.gen_test
async def test_a_full_queue_makes_callers_wait(tmp_path: Path, clock: SettableClock) -> None:
    documents = make_imports(clock, 50)
    async with opened(tmp_path, clock, queue_size=5) as store:
        async with busy(store):
            tasks = [asyncio.create_task(store.add(document)) for document in documents]
            await settle()
            assert store._writer._queue.qsize() == 4  # the fifth place is that of busy
            for task in tasks[:20]:
                task.cancel()
            await settle()
            assert store._writer._queue.qsize() == 4
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert outcomes[20:] == [None] * 30
        # Those that were cancelled in the queue or before it were withdrawn.
        assert [await store.get(document.id) for document in documents] == [None] * 20 + documents[20:]


@pytest.mark.gen_test
async def test_cancelled_reads_leave_their_places(tmp_path: Path, clock: SettableClock) -> None:
    async with opened(tmp_path, clock, queue_size=2) as store:
        for _ in range(10):
            tasks = [asyncio.create_task(store.get("import")) for _ in range(5)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        assert await store.get("import") is None


# --- queries ----------------------------------------------------------------------------------------------------------


UNDONE = ("queued", "running", "waiting", "failed", "failed_at", "unfinished")
"""Indexes that hold no done import."""


@pytest.mark.gen_test
async def test_every_query_uses_an_index(tmp_path: Path, clock: SettableClock) -> None:
    async with opened(tmp_path, clock) as store:
        await insert(store, [make_import(clock, issuer_id=f"issuer {number % 3}") for number in range(30)])
        statements = await trace(store)
        await store.register("worker", LEASE)
        await store.claim("worker", 5)
        clock.move(2 * LEASE)
        await store.recover(2)
        for call in CALLS.values():
            await call(store)
        kinds = ("SELECT", "INSERT", "UPDATE", "DELETE")
        queries = {statement for statement in map(str.strip, statements) if statement.startswith(kinds)}
        assert len(queries) > 20
        plans = await store._writer.run(
            lambda connection: {
                query: [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")] for query in queries
            }
        )
        for query, plan in plans.items():
            for step in plan:
                # What is counted of a batch is gathered by state and code, of which there are few; and operators have
                # so many imports counted at most.
                assert "TEMP B-TREE" not in step or "batch_id = " in query or "LIMIT 100000" in query, query
                # Only these indexes are walked, and never without a limit.
                if step.startswith("SCAN imports") and not query.endswith("LIMIT 1"):
                    assert step.split("INDEX imports_")[-1] in UNDONE, query
                    assert "LIMIT" in query


async def claim_steps(store: SqliteDocumentStore) -> int:
    """How many instructions SQLite's virtual machine runs for a claim of ten."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    await store.register("worker", LEASE)
    await store._writer.run(lambda connection: connection.set_progress_handler(step, 1))
    assert len(await store.claim("worker", 10, exclude_issuers=["issuer 1"])) == 10
    await store._writer.run(lambda connection: connection.set_progress_handler(None, 1))
    return steps


@pytest.mark.gen_test(timeout=60)
async def test_a_claim_costs_the_same_whatever_the_backlog(tmp_path: Path, clock: SettableClock) -> None:
    steps = []
    for number in (200, 20_000):
        folder = tmp_path / str(number)
        async with opened(folder, clock) as store:
            await insert(store, [make_import(clock, issuer_id=f"issuer {one % 3}") for one in range(number)])
            steps.append(await claim_steps(store))
    assert steps[1] < steps[0] * 1.5


@pytest.mark.gen_test
async def test_many_issuers_with_nothing_due_are_passed_step_by_step(tmp_path: Path, clock: SettableClock) -> None:
    later = make_import(clock).run_at + LEASE
    documents = [make_import(clock, issuer_id=f"{number:03}", run_at=later) for number in range(100)]
    documents += [make_import(clock, issuer_id=issuer_id) for issuer_id in ("000", "050", "099") for _ in range(3)]
    turns = Turns(look_at=20)
    async with opened(tmp_path, clock) as store:
        await insert(store, documents)
        now = to_milliseconds(clock.now())
        taken = [
            await store._writer.run(lambda connection: turns.take(connection, now, 10, Excluded(), 1)) for _ in range(5)
        ]
        assert [len(rowids) for rowids in taken] == [1, 0, 1, 0, 1]
        assert len({rowid for rowids in taken for rowid in rowids}) == 3


@pytest.mark.gen_test
async def test_a_busy_first_issuer_does_not_keep_the_search_at_its_place(tmp_path: Path, clock: SettableClock) -> None:
    later = make_import(clock).run_at + timedelta(days=1)
    documents = [make_import(clock, issuer_id=f"{number:03}", run_at=later) for number in range(100)]
    documents += make_imports(clock, 200, issuer_id="000") + make_imports(clock, 1, issuer_id="099")
    async with opened(tmp_path, clock) as store:
        store._claims._turns = Turns(look_at=20)
        await insert(store, documents)
        await store.register("worker", LEASE)
        claims = [await store.claim("worker", 4) for _ in range(5)]
        assert [document.issuer_id for document in claims[-1]] == ["099"]
