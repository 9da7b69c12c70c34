"""The MongoDB store conforms; and how it writes: what is data stays data, and what is concurrent goes together."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

import lading.service.documents.mongo.upkeep.upgrades
from lading.service.documents import DocumentStore, DuplicateId, StoreError, StoreUnavailable
from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.store import MongoDocumentStore
from lading.service.documents.mongo.writes import TOKENS, Insertion, Replacement
from lading.service.documents.search import Filter
from lading.service.models import Held, Status
from lading.service.models.clock import SystemClock, TimeCounter, count_nanoseconds
from lading.service.models.issuers import Issuer
from tests.conformance.documents.cases.base import FAILURE, IMAGE, LEASE, SECOND, add_all, make_import, make_imports
from tests.conformance.documents.cases.clock import PassingTime
from tests.conformance.documents.cases.shares import (
    check_that_they_are_deleted_one_by_one,
    duplicates_of_an_earlier_version,
)
from tests.conformance.documents.mongo.support import commands_counted, opened, profiled
from tests.conformance.documents.suite import DocumentStoreSuite, SettableClock
from tests.support.servers.databases import Databases
from tests.support.servers.mongod import ReplicaSet

NO_TEXT: list[Any] = [{"$ne": None}, {"$gt": ""}, ["a"], None, 1, b"bytes"]


class TestMongoDocumentStore(DocumentStoreSuite):
    @pytest.fixture(autouse=True)
    def _options(self, mongo_options: MongoOptions) -> None:
        self.options = mongo_options

    def make_store(self, clock: SettableClock) -> DocumentStore:
        return MongoDocumentStore(self.options, clock)

    def make_steady_store(self, clock: SettableClock, counter: TimeCounter) -> DocumentStore:
        return MongoDocumentStore(self.options, clock, counter=counter)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.mark.gen_test
async def test_a_database_is_lent_again_after_a_store_has_used_it(
    mongo_set: ReplicaSet, mongo_databases: Databases, clock: SettableClock
) -> None:
    """Otherwise each test would wait for thirty indexes to be made and dropped."""
    names = []
    for _ in range(2):
        with mongo_databases.lent() as name:
            names.append(name)
            async with opened(MongoOptions(mongo_set.uri, name), clock) as store:
                assert await store.unfinished(10) == 0
                await add_all(store, make_imports(clock, 3))
    assert names[0] == names[1]


# --- data stays data --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", NO_TEXT, ids=str)
@pytest.mark.gen_test
async def test_what_is_no_text_never_reaches_a_query(
    mongo_options: MongoOptions, clock: SettableClock, value: Any
) -> None:
    async with opened(mongo_options, clock) as store:
        document = make_import(clock)
        await store.add(document)
        await store.register("worker", LEASE)
        await store.add_issuer(Issuer("issuer", "organization", "secret"))
        calls: list[Callable[[], Coroutine[Any, Any, object]]] = [
            lambda: store.get(value),
            lambda: store.get_by_image(value),
            lambda: store.images_in(value, Held.MAIN, "", 1),
            lambda: store.images_in("local", Held.PENDING, value, 1),
            lambda: store.count_images_in(value),
            lambda: store.stored_bytes(value),
            lambda: store.add(replace(document, id=value)),
            lambda: store.add(make_import(clock, issuer_id=value)),
            lambda: store.update(replace(document, id=value, revision=1)),
            lambda: store.claim(value, 1),
            lambda: store.claim("worker", 1, exclude_issuers=cast("Sequence[str]", _Once(value))),
            lambda: store.register(value, LEASE),
            lambda: store.heartbeat(value, LEASE),
            lambda: store.release(value),
            lambda: store.add_issuer(Issuer(value, "organization", "secret")),
            lambda: store.get_issuer(value),
            lambda: store.set_issuer_enabled(value, False),
        ]
        for call in calls:
            with pytest.raises(TypeError):
                await call()
        assert await store.get(document.id) == document
        assert await store.heartbeat("worker", LEASE)


class _Once:
    """An iterable of one value, which need not be hashable."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __iter__(self) -> Any:
        yield self._value


@pytest.mark.gen_test
async def test_params_are_no_part_of_the_document(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    document = make_import(clock, params={"$where": "1", "a.b": {"$gt": ""}, "": "\0", "é\0": None})
    async with opened(mongo_options, clock) as store:
        await store.add(document)
        assert await store.get(document.id) == document
    with mongo_set.client() as client:
        found = client[mongo_options.database]["imports"].find_one({"_id": document.id})
    assert found is not None
    assert found["params"] == '{"$where":"1","a.b":{"$gt":""},"":"\\u0000","é\\u0000":null}'


@pytest.mark.gen_test
async def test_what_is_too_large_for_mongodb_fails_alone(mongo_options: MongoOptions, clock: SettableClock) -> None:
    documents = make_imports(clock, 5)
    documents[2] = replace(documents[2], params={"metadata": "x" * 17_000_000})
    async with opened(mongo_options, clock) as store:
        outcomes = await asyncio.gather(*map(store.add, documents), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [type(None)] * 2 + [StoreError] + [type(None)] * 2
        assert [await store.get(document.id) for document in documents] == [*documents[:2], None, *documents[3:]]


@pytest.mark.gen_test
async def test_a_document_of_an_earlier_version_has_no_deletion(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    done = make_import(clock).claimed("worker", clock.now()).succeeded(IMAGE, "url", clock.now())
    async with opened(mongo_options, clock) as store:
        await store.add(done)
        with mongo_set.client() as client:
            fields = {"image_deleted_at": "", "image_purged_at": "", "image.filename": ""}
            client[mongo_options.database]["imports"].update_one({"_id": done.id}, {"$unset": fields})
        found = await store.get(done.id)
        assert found == replace(done, image=replace(IMAGE, filename=None))
        assert found is not None
        deleted = found.image_deleted(clock.now())
        assert await store.update(deleted)
        assert await store.get(done.id) == deleted


@pytest.mark.gen_test
async def test_what_earlier_versions_have_stored_is_counted_once(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lading.service.documents.mongo.upkeep.upgrades, "UPGRADE_BATCH", 7)
    running = make_import(clock).claimed("worker", clock.now())
    stored = [replace(running.succeeded(IMAGE, "url", clock.now()), id=f"done {n}") for n in range(30)]
    purged = replace(stored[0].image_deleted(clock.now()).image_purged(clock.now()), id="purged")
    async with opened(mongo_options, clock) as store:
        await add_all(store, [*stored, purged, running])
    with mongo_set.client() as client:
        database = client[mongo_options.database]
        database["imports"].update_many({}, {"$unset": {"stored_bytes": ""}})
        database["imports"].update_many({"_id": {"$lt": "done 2"}}, {"$unset": {"image_purged_at": ""}})
        database["pings"].delete_one({"_id": "stored_bytes"})
    async with opened(mongo_options, clock) as store:
        assert await store.stored_bytes("organization") == 30 * IMAGE.byte_size
        with commands_counted(mongo_set, "update") as counts:
            async with opened(mongo_options, clock):
                pass
        assert counts == {"update": 0}


@pytest.mark.gen_test
async def test_duplicates_of_an_earlier_version_are_deleted_one_by_one(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    documents = duplicates_of_an_earlier_version(clock)
    going = make_import(clock).claimed("worker", clock.now()).cancelled(clock.now())
    going = replace(going, leftover_at=None, image_deleted_at=going.updated_at)  # as earlier versions cancelled
    async with opened(mongo_options, clock) as store:
        await add_all(store, [*documents, going])
    with mongo_set.client() as client:
        database = client[mongo_options.database]
        fields = ("unsettled_at", "shared_key", "share", "leftover_at", "leftover_removed_at")
        database["imports"].update_many({}, {"$unset": dict.fromkeys(fields, "")})
        database["pings"].delete_one({"_id": "shares"})
    async with opened(mongo_options, clock) as store:
        assert await store.unpurged(5) == [going]
        assert await store.shared_keys("", 5) == [documents[0].storage_key]
        await check_that_they_are_deleted_one_by_one(store, clock, documents)


@pytest.mark.gen_test
async def test_what_earlier_versions_have_written_is_listed_by_what_it_holds(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lading.service.documents.mongo.upkeep.upgrades, "UPGRADE_BATCH", 7)
    params = {"album_id": "album", "metadata": {"a": "b"}}
    documents = make_imports(clock, 20, params=params)
    async with opened(mongo_options, clock) as store:
        await add_all(store, documents)
    with mongo_set.client() as client:
        database = client[mongo_options.database]
        fields = ("album_id", "batch_id", "metadata_pairs", "events", "trace", "duplicate", "deleted_at", "retried_at")
        database["imports"].update_many({}, {"$unset": dict.fromkeys(fields, "")})
        database["pings"].delete_one({"_id": "search"})
    async with opened(mongo_options, clock) as store:
        for wanted in (Filter("organization", albums=("album",)), Filter("organization", metadata=("a", "b"))):
            page = await store.search.list(wanted, 50)
            assert sorted(page.documents, key=lambda one: one.id) == sorted(documents, key=lambda one: one.id)


@pytest.mark.gen_test
async def test_events_that_an_earlier_version_has_not_announced_are_announced(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    events = ({"id": "evt_1", "event": {"$a.b": "\0é"}}, {"id": "evt_2", "event": {}})
    pending, settled = make_imports(clock, 2)
    async with opened(mongo_options, clock) as store:
        await add_all(store, [pending, settled])
    with mongo_set.client() as client:
        database = client[mongo_options.database]
        imports = database["imports"]
        imports.update_one({"_id": pending.id}, {"$set": {"outbox": json.dumps(events)}, "$unset": {"events": ""}})
        imports.update_one({"_id": settled.id}, {"$set": {"outbox": None}, "$unset": {"events": ""}})
        database["pings"].delete_one({"_id": "events"})
    async with opened(mongo_options, clock) as store:
        assert [one.outbox for one in await store.search.with_outbox(10)] == [events]
        claimed = replace(settled.claimed("worker", clock.now()), new_events=events[:1])
        assert await store.update(claimed)
        await store.announced(pending.id, ["evt_1", "evt_2"])
        assert [one.outbox for one in await store.search.with_outbox(10)] == [events[:1]]


@pytest.mark.gen_test
async def test_the_sum_of_what_is_stored_reads_no_document(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    done = make_import(clock).claimed("worker", clock.now()).succeeded(IMAGE, "url", clock.now())
    async with opened(mongo_options, clock) as store:
        await add_all(store, [replace(done, id=str(n), organization_id="ab"[n % 2]) for n in range(20)])
        with profiled(mongo_set, mongo_options) as operations:
            await store.stored_bytes("a")
    (aggregate,) = [one for one in operations if "aggregate" in one["command"]]
    assert (aggregate["docsExamined"], aggregate["keysExamined"]) == (0, 10)


@pytest.mark.parametrize(("issuer_id", "limit", "number"), [(None, 100, 15), (None, 4, 4), ("a", 100, 9)])
@pytest.mark.gen_test
async def test_the_count_of_what_is_unfinished_reads_no_document(
    mongo_set: ReplicaSet,
    mongo_options: MongoOptions,
    clock: SettableClock,
    issuer_id: str | None,
    limit: int,
    number: int,
) -> None:
    of_a = [make_import(clock, issuer_id="a", status=status) for status in Status] * 3
    of_b = [make_import(clock, issuer_id="b", status=status) for status in Status] * 2
    async with opened(mongo_options, clock) as store:
        await add_all(store, [replace(one, id=str(n)) for n, one in enumerate((*of_a, *of_b))])
        with profiled(mongo_set, mongo_options) as operations:
            assert await store.unfinished(limit, issuer_id) == number
    (counted,) = operations
    assert counted["docsExamined"] == 0
    # Between two states of an issuer, the server looks for the next one.
    assert counted["keysExamined"] <= number + 6


# --- together ---------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_concurrent_writes_share_commands(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    documents = make_imports(clock, 300)
    async with opened(mongo_options, clock) as store:
        with commands_counted(mongo_set, "insert", "update") as counts:
            await store.add(documents[0])
            await add_all(store, documents[1:])
            after = [document.claimed("worker", clock.now()) for document in documents]
            assert all(await asyncio.gather(*map(store.update, after)))
        assert counts == {"insert": 2, "update": 1}
        assert await asyncio.gather(*(store.get(document.id) for document in documents)) == after


@pytest.mark.gen_test
async def test_of_a_batch_of_updates_each_learns_whether_it_was_made(
    mongo_options: MongoOptions, clock: SettableClock
) -> None:
    documents = make_imports(clock, 50)
    async with opened(mongo_options, clock) as store:
        await add_all(store, documents)
        stale = [replace(document, revision=0 if place % 3 else 1) for place, document in enumerate(documents)]
        outcomes = await asyncio.gather(*map(store.update, stale))
        assert outcomes == [not place % 3 for place in range(50)]


@pytest.mark.gen_test
async def test_a_write_that_was_made_is_no_duplicate_of_itself(
    mongo_options: MongoOptions, clock: SettableClock
) -> None:
    document = make_import(clock)
    async with opened(mongo_options, clock) as store:
        insertion, rival, other = Insertion.of(document), Insertion.of(document), Insertion.of(make_import(clock))
        assert await store._writes.insert([insertion]) == [None]
        again = await store._writes.insert([rival, insertion, other])
        assert [type(outcome) for outcome in again] == [DuplicateId, type(None), type(None)]


@pytest.mark.gen_test
async def test_what_later_writes_have_hidden_is_said_to_be_unknown(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (make_import(clock).claimed("worker", clock.now()) for _ in range(2))
    async with opened(mongo_options, clock) as store:
        await add_all(store, [first, second])
        read = store._writes._tokens

        async def read_late(ids: Sequence[str]) -> Any:
            with mongo_set.client() as client:
                imports = client[mongo_options.database]["imports"]
                for number in range(TOKENS):
                    push = {"$each": [number], "$slice": -TOKENS}
                    imports.update_one({"_id": first.id}, {"$inc": {"revision": 1}, "$push": {"writes": push}})
            return await read(ids)

        monkeypatch.setattr(store._writes, "_tokens", read_late)
        batch = [first.failed(FAILURE, None, clock.now()), replace(second, revision=7)]
        unknown, lost = await store._writes.replace([Replacement.of(document) for document in batch])
        assert isinstance(unknown, StoreUnavailable)
        assert lost is False


# --- leases and clocks ------------------------------------------------------------------------------------------------


class _Ahead:
    """A machine's clock that is two hours fast."""

    def now(self) -> datetime:
        return SystemClock().now() + 7200 * SECOND


@pytest.mark.gen_test
async def test_the_stores_clock_is_the_servers_whatever_the_machines_says(
    mongo_set: ReplicaSet, mongo_options: MongoOptions
) -> None:
    store = MongoDocumentStore(mongo_options, _Ahead(), counter=count_nanoseconds)
    await store.open()
    try:
        with mongo_set.client() as client:
            server = client.admin.command("hello")["localTime"].replace(tzinfo=UTC)
        assert abs(store.clock.now() - server) < 600 * SECOND, "the two hours are many times as much as a slow answer"
    finally:
        await store.close()


@pytest.mark.gen_test
async def test_a_heartbeat_learns_the_servers_time_anew(mongo_options: MongoOptions) -> None:
    time = PassingTime()
    store = MongoDocumentStore(mongo_options, SettableClock(), counter=time)
    await store.open()
    try:
        before = store.clock.now()
        await store.register("worker", LEASE)
        time.passes(7200 * SECOND)  # the counter of a machine that is broken
        assert store.clock.now() - before >= 7200 * SECOND
        assert await store.heartbeat("worker", LEASE)
        assert store.clock.now() - before < 600 * SECOND
        time.passes(7200 * SECOND)
        await store.ping()
        assert store.clock.now() - before < 600 * SECOND
    finally:
        await store.close()
