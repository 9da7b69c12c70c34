"""No pair of writers, in whatever order they read and write, leaves an import in a state that is not right."""

import asyncio
import random
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.store import MongoDocumentStore
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.models import Import
from tests.conftest import LONG
from tests.interleavings.exploring import State, explore
from tests.interleavings.writers import PAIRS, STATES, Case
from tests.support.clock import SettableClock
from tests.support.servers.mongod import ReplicaSet

IDS = [f"{state.__name__}: {one}, {other}" for state, one, other in PAIRS]
SAMPLE = 3
"""Pairs of each state that MongoDB is shown in the short form of the tests, each in one order."""
SEED = 15
ORDERS = None if LONG else 2
"""In how many orders each pair is run on SQLite, at most."""
ORDERS_IN_MEMORY = None if LONG else 6
"""And in memory, where two pairs in three have no more. What is wrong is found in so many."""

TIMEOUT = 1800 if LONG else 110


async def memory(clock: SettableClock) -> MemoryDocumentStore:
    store = MemoryDocumentStore(clock)
    await store.open()
    return store


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("state", "one", "other"), PAIRS, ids=IDS)
@pytest.mark.gen_test
async def test_memory(state: State, one: str, other: str) -> None:
    clock = SettableClock()
    assert await explore(await memory(clock), clock, state, one, other, orders=ORDERS_IN_MEMORY, seed=SEED)


@pytest.mark.timeout(TIMEOUT + 10)
@pytest.mark.sampled(2)
@pytest.mark.parametrize("state", STATES, ids=[state.__name__ for state in STATES])
@pytest.mark.gen_test(timeout=TIMEOUT)
async def test_sqlite(state: State, tmp_path: Path) -> None:
    clock = SettableClock()
    store = SqliteDocumentStore(tmp_path / "lading.sqlite3", clock, readers=1)
    await store.open()
    try:
        for _, one, other in (pair for pair in PAIRS if pair[0] is state):
            assert await explore(store, clock, state, one, other, orders=ORDERS, seed=SEED)
    finally:
        await store.close()


@pytest.mark.timeout(TIMEOUT + 10)
@pytest.mark.parametrize("state", STATES, ids=[state.__name__ for state in STATES])
@pytest.mark.gen_test(timeout=TIMEOUT)
async def test_mongo(state: State, mongo_set: ReplicaSet, mongo_environ: dict[str, str]) -> None:
    clock = SettableClock()
    store = MongoDocumentStore(MongoOptions(mongo_set.uri, mongo_environ["LADING_DOCUMENTS_MONGO__DATABASE"]), clock)
    await store.open()
    pairs = [pair for pair in PAIRS if pair[0] is state]
    try:
        for _, one, other in pairs if LONG else random.Random(SEED).sample(pairs, SAMPLE):
            assert await explore(store, clock, state, one, other, orders=None if LONG else 1, seed=SEED)
    finally:
        await store.close()


# --- the check itself -------------------------------------------------------------------------------------------------


async def announce_as_it_was(store: MemoryDocumentStore, import_id: str, event_ids: Collection[str]) -> None:
    """As it was once: the write of the outbox raises the revision."""
    document = store._imports.get(import_id)
    if document is not None:
        outbox = tuple(event for event in document.outbox if event["id"] not in event_ids)
        store._imports[import_id] = replace(document, outbox=outbox, revision=document.revision + 1)


async def write_as_it_was(result: Any) -> Import | None:
    """As it was once: who loses forgets the import."""
    stamped = await result._outbox.with_event(result._before, result._after)
    return stamped if await result._store.update(stamped) else None


@pytest.mark.parametrize(
    ("faults", "state", "names", "says"),
    [
        ({"announced", "write"}, Case.running, ("announce", "run"), "does not come to rest"),
        ({"announced"}, Case.queued, ("announce", "announce", "cancel"), ""),
        ({"update"}, Case.running, ("cancel", "run"), "it ended|are left|instead of"),
        ({"deliver"}, Case.failed, ("announce", "announce"), "instead of"),
        ({"purge"}, Case.cancelled, ("purge", "announce"), "are left"),
        ({"leftover", "lost"}, Case.running, ("cancel", "run"), "are left"),
        ({"fate"}, Case.done, ("mirror", "delete_image"), "are left"),
    ],
)
@pytest.mark.gen_test
async def test_what_is_wrong_is_found(
    monkeypatch: pytest.MonkeyPatch, faults: set[str], state: State, names: tuple[str, ...], says: str
) -> None:
    async def nothing(*_: Any) -> None: ...

    async def always(store: MemoryDocumentStore, document: Import) -> bool:
        present = store._imports[document.id]
        store._imports[document.id] = replace(
            document, outbox=(*present.outbox, *document.new_events), new_events=(), revision=present.revision + 1
        )
        return True

    wrong: dict[str, tuple[str, Any]] = {
        "announced": ("lading.service.documents.memory.store.MemoryDocumentStore.announced", announce_as_it_was),
        "write": ("lading.service.work.results.Result.write", write_as_it_was),
        "update": ("lading.service.documents.memory.store.MemoryDocumentStore.update", always),
        "deliver": ("lading.service.documents.memory.records.MemoryRecordStore.add", nothing),
        "leftover": ("lading.service.models.Import._ended", lambda *_, **__: {}),
        "lost": ("lading.service.images.removal.Removal.settle_lost", nothing),
        "fate": ("lading.service.models.Import.has_image_to_go", property(lambda _: False)),
        "purge": ("tests.support.plugins.storages.ScriptedStorage.delete", nothing),
    }
    clock = SettableClock()
    store = await memory(clock)
    await explore(store, clock, state, *names, orders=1)  # the endpoint is there
    for fault in faults:
        monkeypatch.setattr(*wrong[fault])
    if says:
        with pytest.raises(AssertionError, match=says):
            await explore(store, clock, state, *names, orders=ORDERS_IN_MEMORY, seed=SEED)
    else:
        assert await explore(store, clock, state, *names, orders=ORDERS_IN_MEMORY, seed=SEED)


@pytest.mark.gen_test
async def test_who_waits_for_no_step_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody counts would make an order another one each time."""

    async def later(_: Case) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(Case, "announce", later)
    clock = SettableClock()
    with pytest.raises(AssertionError, match="a writer waits for what is no step"):
        await explore(await memory(clock), clock, Case.fresh, "announce", "cancel")
