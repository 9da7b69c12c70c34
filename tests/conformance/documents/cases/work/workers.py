"""Cases of the document store suite: leases of workers begin, are renewed and end."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from lading.service.documents import DocumentStore, DuplicateId
from lading.service.models import Import, Status
from tests.conformance.documents.cases.base import (
    FAILURE,
    IMAGE,
    LEASE,
    SECOND,
    DocumentStoreCases,
    SettableClock,
    add_all,
    count_queued,
    make_import,
    make_imports,
    stored,
)


async def run(store: DocumentStore, clock: SettableClock, worker_id: str, number: int) -> Sequence[Import]:
    """Register a worker and have it claim ``number`` new imports."""
    await add_all(store, make_imports(clock, number))
    await store.register(worker_id, LEASE)
    claimed = await store.claim(worker_id, number)
    assert len(claimed) == number
    return claimed


class WorkerCases(DocumentStoreCases):
    @pytest.mark.gen_test
    async def test_a_worker_id_with_a_lease_is_refused(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await store.register("worker", LEASE)
            with pytest.raises(DuplicateId, match="worker"):
                await store.register("worker", LEASE)

    @pytest.mark.gen_test
    async def test_of_concurrent_registrations_one_succeeds(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            registrations = [store.register("worker", LEASE) for _ in range(10)]
            outcomes = await asyncio.gather(*registrations, return_exceptions=True)
            assert sum(outcome is None for outcome in outcomes) == 1
            assert sum(isinstance(outcome, DuplicateId) for outcome in outcomes) == 9

    @pytest.mark.gen_test
    async def test_a_heartbeat_renews_the_lease(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            (document,) = await run(store, clock, "worker", 1)
            for _ in range(3):
                clock.move(LEASE - SECOND)
                assert await store.heartbeat("worker", LEASE)
                assert await store.recover(10) == 0
            assert await store.get(document.id) == document
            clock.move(LEASE + SECOND)
            assert await store.recover(10) == 1

    @pytest.mark.gen_test
    async def test_a_heartbeat_may_set_another_length(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await run(store, clock, "worker", 1)
            assert await store.heartbeat("worker", SECOND)
            clock.move(2 * SECOND)
            assert await store.recover(10) == 1

    @pytest.mark.gen_test
    async def test_an_expired_lease_is_renewed_until_it_was_ended(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            (document,) = await run(store, clock, "worker", 1)
            clock.move(LEASE + SECOND)
            assert await store.heartbeat("worker", LEASE)
            assert await store.recover(10) == 0
            assert await store.get(document.id) == document

    @pytest.mark.gen_test
    async def test_a_dead_workers_imports_return_to_the_queue(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            documents = await run(store, clock, "worker", 3)
            clock.move(LEASE + timedelta(microseconds=1500))
            assert await store.recover(10) == 3
            for document in documents:
                assert await store.get(document.id) == document.recovered(clock.now())
            await store.register("another", LEASE)
            again = await store.claim("another", 10)
            assert {(document.attempts, document.abandoned, document.revision) for document in again} == {(2, 1, 3)}
            assert {document.id for document in again} == {document.id for document in documents}

    @pytest.mark.gen_test
    async def test_every_death_is_counted(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await store.add(make_import(clock))
            for deaths in range(1, 5):
                await store.register(f"worker {deaths}", LEASE)
                (document,) = await store.claim(f"worker {deaths}", 1)
                clock.move(2 * LEASE)
                assert await store.recover(1) == 1
                document = await stored(store, document)
                assert (document.attempts, document.abandoned, document.revision) == (deaths, deaths, 2 * deaths)

    @pytest.mark.gen_test
    async def test_a_heartbeat_after_recovery_is_refused_for_good(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await run(store, clock, "worker", 1)
            clock.move(LEASE + SECOND)
            await store.recover(10)
            for _ in range(2):
                assert not await store.heartbeat("worker", LEASE)
            assert not await store.heartbeat("never registered", LEASE)
            assert not await store.heartbeat("worker", LEASE)

    @pytest.mark.gen_test
    async def test_a_worker_without_imports_loses_its_lease_too(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await store.register("idle", LEASE)
            clock.move(LEASE + SECOND)
            assert await store.recover(10) == 0
            assert not await store.heartbeat("idle", LEASE)

    @pytest.mark.gen_test
    async def test_a_zombie_can_change_nothing(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            (document,) = await run(store, clock, "zombie", 1)
            clock.move(LEASE + SECOND)
            await store.recover(10)
            results = [
                document.succeeded(IMAGE, "url", clock.now()),
                document.failed(FAILURE, "url", clock.now()),
                document.requeued(FAILURE, clock.now(), clock.now()),
                document.handed_back(clock.now(), clock.now()),
            ]
            assert [await store.update(result) for result in results] == [False] * 4
            await store.register("heir", LEASE)
            (claimed,) = await store.claim("heir", 1)
            assert [await store.update(result) for result in results] == [False] * 4
            assert await store.update(claimed.succeeded(IMAGE, "url", clock.now()))
            assert [await store.update(result) for result in results] == [False] * 4
            assert (await stored(store, document)).status is Status.DONE

    @pytest.mark.gen_test
    async def test_recovery_goes_no_further_than_its_limit(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await run(store, clock, "worker", 25)
            clock.move(LEASE + SECOND)
            assert [await store.recover(10) for _ in range(4)] == [10, 10, 5, 0]
            assert await count_queued(store) == 25

    @pytest.mark.gen_test
    async def test_concurrent_recoveries_return_each_import_once(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            documents = await run(store, clock, "worker", 30)
            clock.move(LEASE + SECOND)
            assert sum(await asyncio.gather(*(store.recover(10) for _ in range(6)))) == 30
            for document in documents:
                assert await store.get(document.id) == document.recovered(clock.now())

    @pytest.mark.gen_test
    async def test_recovery_leaves_the_living_alone(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            dead = await run(store, clock, "dead", 2)
            clock.move(LEASE - SECOND)
            alive = await run(store, clock, "alive", 2)
            clock.move(2 * SECOND)
            assert await store.recover(100) == 2
            assert [await stored(store, document) for document in alive] == list(alive)
            assert {(await stored(store, document)).status for document in dead} == {Status.QUEUED}
            assert await store.heartbeat("alive", LEASE)

    @pytest.mark.gen_test
    async def test_recovery_leaves_finished_imports_alone(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            (document,) = await run(store, clock, "worker", 1)
            done = document.succeeded(IMAGE, "url", clock.now())
            assert await store.update(done)
            clock.move(LEASE + SECOND)
            assert await store.recover(10) == 0
            assert await store.get(document.id) == done

    @pytest.mark.gen_test
    async def test_release_ends_the_lease_at_once(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            (document,) = await run(store, clock, "worker", 1)
            other = await run(store, clock, "another", 1)
            await store.release("worker")
            assert await store.get(document.id) == document
            assert not await store.heartbeat("worker", LEASE)
            assert await store.recover(10) == 1
            assert await store.get(document.id) == document.recovered(clock.now())
            assert [await stored(store, one) for one in other] == list(other)

    @pytest.mark.gen_test
    async def test_release_is_idempotent(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await store.register("worker", LEASE)
            for worker_id in ("worker", "worker", "never registered"):
                await store.release(worker_id)
            assert await store.recover(10) == 0
