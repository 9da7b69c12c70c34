"""Writes of the SQLite store that are made together, and claims of processes that share a file."""

import asyncio
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lading.service.documents.sqlite.writes import Claim, Write, insert_imports, update_imports, write_claims
from lading.service.models import Failure
from tests.conformance.documents.cases.base import LEASE, SettableClock, make_imports
from tests.conformance.documents.sqlite.test_documents_sqlite_work import busy, insert, opened, settle, trace


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.mark.gen_test
async def test_a_few_writes_of_one_kind_are_one_statement(tmp_path: Path, clock: SettableClock) -> None:
    documents = make_imports(clock, 20)
    async with opened(tmp_path, clock) as store:
        async with busy(store):
            adding = [asyncio.create_task(store.add(document)) for document in documents]
            await settle()
        await asyncio.gather(*adding)
        statements = await trace(store)
        async with busy(store):
            updating = [asyncio.create_task(store.update(one.cancelled(clock.now()))) for one in documents]
            await settle()
        assert await asyncio.gather(*updating) == [True] * 20
        after = statements[statements.index("COMMIT", statements.index("COMMIT") + 1) + 1 :]
        assert len(set(after)) == 1, "a trigger tells the text of its statement once more"
        assert after[0].startswith("UPDATE")


@pytest.mark.gen_test
@pytest.mark.parametrize("count", [2, 40])
async def test_updates_are_made_all_or_none(tmp_path: Path, clock: SettableClock, count: int) -> None:
    documents = make_imports(clock, count)
    after = [document.cancelled(clock.now()) for document in documents]
    stale = [*after[:-1], replace(after[-1], revision=5)]
    async with opened(tmp_path, clock) as store:
        await insert(store, documents)
        assert await store._writer.run(lambda connection: update_imports(connection, stale)) is None
        assert await store._writer.run(lambda connection: update_imports(connection, [*after, after[0]])) is None
        assert [await store.get(document.id) for document in documents] == documents
        assert await store._writer.run(lambda connection: update_imports(connection, after)) == [True] * count
        assert [await store.get(document.id) for document in documents] == after


@pytest.mark.gen_test
async def test_imports_with_values_in_different_columns_are_written_together(
    tmp_path: Path, clock: SettableClock
) -> None:
    first, second = make_imports(clock, 2)
    documents = [replace(first, batch_id="batch", sealed="sealed"), replace(second, traceparent="span")]
    running = [document.claimed("worker", clock.now()) for document in documents]
    failure = Failure("fetch_timeout", "It took too long.", retryable=True)
    ended = [running[0].failed(failure, "url", clock.now()), running[1].handed_back(clock.now(), clock.now())]
    async with opened(tmp_path, clock) as store:
        assert await store._writer.run(partial(insert_imports, documents=documents)) == [True, True]
        assert [await store.get(document.id) for document in documents] == documents
        for after in (running, ended):
            assert await store._writer.run(partial(update_imports, documents=after)) == [True, True]
            assert [await store.get(document.id) for document in documents] == after


@pytest.mark.gen_test
async def test_of_imports_that_exist_already_none_is_added(tmp_path: Path, clock: SettableClock) -> None:
    documents = make_imports(clock, 50)
    async with opened(tmp_path, clock) as store:
        await insert(store, documents[:1])
        for some in (documents[-10:] + documents[:1], documents[1:] + documents[:1]):
            assert await store._writer.run(partial(insert_imports, documents=some)) is None
        assert await store.unfinished(100) == 1


@pytest.mark.gen_test
async def test_a_claim_looks_again_where_others_were_quicker(tmp_path: Path, clock: SettableClock) -> None:
    async with opened(tmp_path, clock) as first, opened(tmp_path, clock) as second:
        await insert(first, make_imports(clock, 4))
        for name in ("first", "second"):
            await first.register(name, LEASE)
        chosen = second._claims._turns.take

        def take_late(*arguments: Any) -> list[int]:
            rowids = chosen(*arguments)
            began.set()
            assert go_on.wait(10)
            return rowids

        began, go_on = threading.Event(), threading.Event()
        second._claims._turns.take = take_late  # type: ignore[method-assign,assignment]
        late = asyncio.create_task(second.claim("second", 2))
        await asyncio.to_thread(began.wait)
        early = await first.claim("first", 2)
        go_on.set()
        claimed = [*early, *await late]
        assert len({document.id for document in claimed}) == 4


@pytest.mark.gen_test
async def test_without_its_lease_a_worker_gets_nothing_of_what_it_had_chosen(
    tmp_path: Path, clock: SettableClock
) -> None:
    async with opened(tmp_path, clock) as store:
        documents = make_imports(clock, 3)
        await insert(store, documents)
        claim = Claim("worker", [document.claimed("worker", clock.now()) for document in documents])
        assert await store._writer.run(Write(write_claims, claim)) == []
        await store.register("worker", LEASE)
        taken = documents[0].claimed("another", clock.now())
        assert await store.update(taken)
        assert await store._writer.run(Write(write_claims, claim)) == claim.documents[1:]
        assert await store.get(taken.id) == taken
