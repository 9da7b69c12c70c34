"""Every operation of a document store is timed, and the store stays what it is."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from lading.service.documents import DocumentStore, DuplicateId, StoreUnavailable, SupportsWaiting
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.documents.queue import ImportQueue
from lading.service.documents.records import RecordStore
from lading.service.documents.search import ImportSearch
from lading.service.observe.metrics.meter import Meter
from lading.service.observe.metrics.stores import measure, operations
from tests.support.clock import SettableClock
from tests.support.plugins.scripted import make_import


class Noted(Meter):
    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.claims: list[int] = []

    def store_call(self, operation: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.calls.append((operation, outcome))

    def claimed(self, imports: int) -> None:
        self.claims.append(imports)


@pytest.mark.gen_test
async def test_operations_are_timed_with_their_outcome_and_claims_are_counted() -> None:
    clock, noted = SettableClock(), Noted()
    store = MemoryDocumentStore(clock)
    could_wait = isinstance(store, SupportsWaiting)
    await store.open()
    measure(store, noted)
    assert isinstance(store, DocumentStore)
    assert isinstance(store, SupportsWaiting) is could_wait
    document = make_import(clock)
    await store.add(document)
    with pytest.raises(DuplicateId):
        await store.add(document)
    await store.register("worker", timedelta(seconds=30))
    assert len(await store.claim("worker", 5, per_issuer=3)) == 1
    assert await store.search.batch_counts("none") == {}
    assert await store.records.get("kind", "id") is None
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.get(document.id)
    assert noted.calls == [
        ("add", "ok"),
        ("add", "refused"),
        ("register", "ok"),
        ("claim", "ok"),
        ("search.batch_counts", "ok"),
        ("records.get", "ok"),
        ("get", "unavailable"),
    ]
    assert noted.claims == [1]


@pytest.mark.gen_test
async def test_a_cancelled_operation_and_a_defect_are_told_apart() -> None:
    noted = Noted()
    store = MemoryDocumentStore(SettableClock())

    async def hang() -> None:
        await asyncio.Event().wait()

    async def fail(_now: datetime) -> None:
        raise RuntimeError

    broken: Any = store
    broken.ping, broken.queue.figures = hang, fail
    measure(store, noted)
    task = asyncio.create_task(store.ping())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    with pytest.raises(RuntimeError):
        await store.queue.figures(store.clock.now())
    assert noted.calls == [("ping", "cancelled"), ("queue.figures", "failed")]


def test_no_operation_of_a_contract_is_left_out() -> None:
    for contract in (DocumentStore, ImportSearch, RecordStore, ImportQueue):
        assert {*operations(contract)} == contract.__abstractmethods__ - {"open", "close"}
