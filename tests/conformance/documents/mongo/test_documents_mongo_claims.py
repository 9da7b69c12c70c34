"""The MongoDB store at scale: what a claim costs, how nodes share, and how an idle worker learns of work."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest

from lading.service.documents import StoreUnavailable, SupportsWaiting
from lading.service.documents.mongo.claiming.heads import LONG_QUEUE, MAX_PAGES
from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.schema import INDEXES, LISTED
from lading.service.documents.mongo.store import MongoDocumentStore
from lading.service.documents.mongo.writes import Insertion
from lading.service.models import Held, Import, Status
from lading.service.models.clock import SystemClock, truncate_to_milliseconds
from tests.conformance.documents.cases.base import IMAGE, LEASE, SECOND, add_all, make_import, make_imports
from tests.conformance.documents.cases.lifecycle import CALLS
from tests.conformance.documents.mongo.support import opened, profiled
from tests.conformance.documents.suite import SettableClock
from tests.conftest import LONG
from tests.support.servers.mongod import ReplicaSet

MINUTE = 60.0
BACKLOG = 50_000 if LONG else 5_000


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


def fill(mongo_set: ReplicaSet, options: MongoOptions, documents: Iterable[Import]) -> None:
    """Insert many documents quickly."""
    with mongo_set.client() as client:
        imports = client[options.database]["imports"]
        imports.insert_many([Insertion.of(document).encoded for document in documents], ordered=False)


# --- cost -------------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_every_query_uses_an_index(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    async with opened(mongo_options, clock) as store:
        await add_all(store, [make_import(clock, issuer_id=f"issuer {number % 3}") for number in range(30)])
        with profiled(mongo_set, mongo_options) as operations:
            for call in CALLS.values():
                await call(store)
            await store.register("another", LEASE)
            (claimed,) = await store.claim("another", 1, exclude_issuers=["issuer 1"])
            stale = [replace(claimed, revision=revision) for revision in (1, 2)]
            assert await asyncio.gather(*map(store.update, stale)) == [False, True]
            clock.move(2 * LEASE)
            assert await store.recover(2) == 1
    plans = [operation["planSummary"] for operation in operations if "planSummary" in operation]
    assert len(plans) > 20
    assert [operation for operation in operations if "COLLSCAN" in operation.get("planSummary", "")] == []
    assert [operation for operation in operations if operation.get("hasSortStage")] == []


async def cost_of_a_claim(
    mongo_set: ReplicaSet, options: MongoOptions, clock: SettableClock, number: int
) -> tuple[int, int, int]:
    """Operations, index keys and documents that a claim of ten needs among so many queued imports."""
    options = replace(options, database=f"{options.database}_{number}")
    try:
        async with opened(options, clock) as store:
            fill(mongo_set, options, (make_import(clock, issuer_id=f"issuer {one % 3}") for one in range(number)))
            await store.register("worker", LEASE)
            for _ in range(2):  # the first claim finds out which queues are long
                assert len(await store.claim("worker", 10)) == 10
            with profiled(mongo_set, options) as operations:
                assert len(await store.claim("worker", 10)) == 10
        keys = sum(operation.get("keysExamined", 0) for operation in operations)
        return len(operations), keys, sum(operation.get("docsExamined", 0) for operation in operations)
    finally:
        with mongo_set.client() as client:
            client.drop_database(options.database)


@pytest.mark.parametrize("held", Held)
@pytest.mark.gen_test
async def test_a_batch_of_the_images_of_a_storage_costs_no_more_than_the_batch(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock, held: Held
) -> None:
    image = replace(IMAGE, mirror="local", is_mirrored=held is Held.MIRRORED)
    running = [make_import(clock, status=Status.RUNNING) for _ in range(500)]
    async with opened(mongo_options, clock) as store:
        fill(mongo_set, mongo_options, (one.succeeded(image, "url", clock.now()) for one in running))
        first = await store.images_in("local", held, "", 20)
        with profiled(mongo_set, mongo_options) as operations:
            assert len(await store.images_in("local", held, first[-1].id, 20)) == 20
    (operation,) = operations
    assert operation["keysExamined"] <= 21
    assert operation["docsExamined"] == 20
    assert "hasSortStage" not in operation


@pytest.mark.gen_test(timeout=60)
async def test_a_claim_costs_the_same_whatever_the_backlog(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    small = await cost_of_a_claim(mongo_set, mongo_options, clock, 500)
    large = await cost_of_a_claim(mongo_set, mongo_options, clock, BACKLOG)
    # A few keys more or less are examined by chance, between one random id and the next.
    assert [one / other for one, other in zip(large, small, strict=True)] == pytest.approx([1, 1, 1], abs=0.2)
    operations, keys, documents = large
    # Ten are read and ten are written, by one command each; only keys are read of those that are not taken.
    assert 20 <= documents <= 25, "branches of a command count, too"
    assert keys <= 50
    assert operations == 2


@pytest.mark.gen_test
async def test_with_very_many_issuers_a_claim_reads_a_part_and_the_next_one_goes_on(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    later = make_import(clock).run_at + LEASE
    # Each fills a page by itself, and none of the first ones has anything due.
    documents = [make_import(clock, issuer_id=f"{issuer:02}", run_at=later) for issuer in range(40) for _ in range(32)]
    documents.append(make_import(clock, issuer_id="39"))
    async with opened(mongo_options, clock) as store:
        fill(mongo_set, mongo_options, documents)
        await store.register("worker", LEASE)
        claims = [len(await store.claim("worker", 10)) for _ in range(2 * 40 // MAX_PAGES)]
        assert sum(claims) == 1
        assert claims[0] == 0


@pytest.mark.gen_test(timeout=60)
async def test_more_long_queues_than_a_claim_reads_are_served_in_equal_parts(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    issuers = [f"{number:03}" for number in range(70)]
    documents = [make_import(clock, issuer_id=issuer) for issuer in issuers for _ in range(LONG_QUEUE + 4)]
    async with opened(mongo_options, clock) as store:
        fill(mongo_set, mongo_options, documents)
        await store.register("worker", LEASE)
        served: Counter[str] = Counter()
        for turn in range(1, 7):
            while (left := turn * len(issuers) - served.total()) > 0:
                claimed = await store.claim("worker", min(16, left), per_issuer=1)
                assert claimed
                served.update(one.issuer_id for one in claimed)
            assert served == dict.fromkeys(issuers, turn)
        with profiled(mongo_set, mongo_options) as operations:
            assert len(await store.claim("worker", 16, per_issuer=1)) == 16
    # The heads of no more queues than are of use are read, whatever the number of long ones.
    assert sum(operation.get("docsExamined", 0) for operation in operations) <= 3 * 16


@pytest.mark.gen_test
async def test_a_new_issuer_is_served_by_the_next_claim_whatever_queues_are_long(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    hogs = [make_import(clock, issuer_id=issuer) for issuer in ("b", "d", "f") for _ in range(500)]
    async with opened(mongo_options, clock) as store:
        fill(mongo_set, mongo_options, hogs)
        await store.register("worker", LEASE)
        for issuer in "acegabcdefg":
            assert len(await store.claim("worker", 12, per_issuer=4)) == 12
            document = make_import(clock, issuer_id=issuer, run_at=clock.now() - SECOND)
            await store.add(document)
            assert document.id in [one.id for one in await store.claim("worker", 12, per_issuer=4)]


# --- several nodes ----------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_four_nodes_claim_each_import_once_and_share_fairly(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    documents = [make_import(clock, issuer_id=f"issuer {number % 5}") for number in range(2000)]

    async def work(store: MongoDocumentStore, worker_id: str) -> Sequence[str]:
        mine: list[str] = []
        while batch := await store.claim(worker_id, 20):
            mine += [document.id for document in batch]
        return mine

    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(opened(mongo_options, clock)) for _ in range(4)]
        fill(mongo_set, mongo_options, documents)
        for number, store in enumerate(stores):
            await store.register(f"worker {number}", LEASE)
        shares = await asyncio.gather(*(work(store, f"worker {number}") for number, store in enumerate(stores)))
    assert sorted(one for share in shares for one in share) == sorted(document.id for document in documents)
    sizes = sorted(map(len, shares))
    assert sizes[-1] <= 2 * sizes[0], sizes


@pytest.mark.gen_test
async def test_several_processes_may_open_at_once(mongo_options: MongoOptions, clock: SettableClock) -> None:
    stores = [MongoDocumentStore(mongo_options, clock) for _ in range(5)]
    await asyncio.gather(*(store.open() for store in stores))
    await asyncio.gather(*(store.ping() for store in stores))
    await asyncio.gather(*(store.close() for store in stores))


# --- indexes ----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_an_index_that_is_missing_or_different_is_named(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    async with opened(mongo_options, clock) as store:
        await store.ping()
        for index in INDEXES:
            with mongo_set.client() as client:
                collection = client[mongo_options.database][index.collection]
                collection.drop_index(index.name)
                with pytest.raises(StoreUnavailable, match=f"{index.name} of {index.collection} is missing"):
                    await store.ping()
                collection.create_index([("host", 1)], name=index.name)
                different = f"{index.name} of {index.collection} is not as Lading needs it"
                with pytest.raises(StoreUnavailable, match=different):
                    await store.ping()
                with pytest.raises(StoreUnavailable, match=different):
                    await MongoDocumentStore(mongo_options, clock).open()
                collection.drop_index(index.name)
            async with opened(mongo_options, clock):
                await store.ping()


@pytest.mark.gen_test
async def test_what_cannot_be_created_is_named_and_the_others_are_created(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    with mongo_set.client() as client:
        collection = client[mongo_options.database]["imports"]
        collection.drop()
        collection.create_index(list(LISTED.specification["key"].items()), name="of_another")
        with pytest.raises(StoreUnavailable, match=f"{LISTED.name} of imports cannot be created: .*of_another"):
            await MongoDocumentStore(mongo_options, clock).open()
        earlier = {index.name for index in INDEXES[: INDEXES.index(LISTED)]}
        assert earlier <= set(collection.index_information())


# --- waiting ----------------------------------------------------------------------------------------------------------


def make_real_import(after: timedelta = timedelta(0)) -> Import:
    """An import that is due by the real clock."""
    now = truncate_to_milliseconds(SystemClock().now())
    return replace(make_import(SettableClock()), created_at=now, updated_at=now, run_at=now + after)


async def claim_when_there_is_work(store: MongoDocumentStore, asked: asyncio.Event) -> Sequence[Import]:
    """Claim as an idle worker does that would poll once in a minute."""
    while not (claimed := await store.claim("worker", 1)):
        asked.set()
        await store.wait_for_work(MINUTE)
    return claimed


@pytest.mark.gen_test(timeout=20)
async def test_an_idle_worker_learns_of_new_work_and_of_work_that_becomes_due(mongo_options: MongoOptions) -> None:
    async with opened(mongo_options, SystemClock()) as store, opened(mongo_options, SystemClock()) as other:
        assert isinstance(store, SupportsWaiting)
        await store.register("worker", LEASE)
        for delay in (timedelta(0), timedelta(0), SECOND):
            asked = asyncio.Event()
            idle = asyncio.create_task(claim_when_there_is_work(store, asked))
            await asked.wait()
            document = make_real_import(delay)
            await other.add(document)
            assert [claimed.id for claimed in await idle] == [document.id]
        # Found to be not due yet by the claim itself, before there is a stream.
        await other.add(make_real_import(SECOND))
        assert len(await claim_when_there_is_work(store, asyncio.Event())) == 1


@pytest.mark.gen_test(timeout=20)
async def test_imports_that_return_to_the_queue_are_news_too(mongo_options: MongoOptions) -> None:
    async with opened(mongo_options, SystemClock()) as store, opened(mongo_options, SystemClock()) as other:
        await store.register("worker", LEASE)
        await other.register("dead", LEASE)
        await other.add(make_real_import())
        assert len(await other.claim("dead", 1)) == 1
        asked = asyncio.Event()
        idle = asyncio.create_task(claim_when_there_is_work(store, asked))
        await asked.wait()
        await other.release("dead")
        assert await other.recover(1) == 1
        assert len(await idle) == 1


@pytest.mark.gen_test(timeout=20)
async def test_without_a_change_stream_waiting_is_a_pause(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    async with opened(mongo_options, clock) as store:
        # What a server says that keeps no oplog, or a user who may not watch.
        mongo_set.fail_commands(["aggregate"], "alwaysOn", errorCode=40573)
        try:
            began = asyncio.get_running_loop().time()
            await store.wait_for_work(0.3)
            await store.wait_for_work(0.3)
            assert asyncio.get_running_loop().time() - began >= 0.6
        finally:
            mongo_set.fail_no_commands()
        await add_all(store, make_imports(clock, 1))
        await store.register("worker", LEASE)
        assert len(await store.claim("worker", 1)) == 1


@pytest.mark.gen_test(timeout=20)
async def test_waiting_may_be_cancelled_and_leaves_nothing_behind(
    mongo_options: MongoOptions, clock: SettableClock
) -> None:
    async with opened(mongo_options, clock) as store:
        for _ in range(3):
            waiting = asyncio.create_task(store.wait_for_work(MINUTE))
            await asyncio.sleep(0.05)
            waiting.cancel()
            await asyncio.wait({waiting})
        await store.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await store.wait_for_work(0.01)
