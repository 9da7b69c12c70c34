"""Cases of the document store suite: queued imports are counted and claimed."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest

from lading.service.documents import DocumentStore
from lading.service.models import Import, Status
from tests.conformance.documents.cases.base import (
    FAILURE,
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


def issuers_of(documents: Sequence[Import]) -> Counter[str]:
    return Counter(document.issuer_id for document in documents)


async def add_for(store: DocumentStore, clock: SettableClock, **numbers: int) -> None:
    """Add due imports: so many for each issuer."""
    for issuer_id, number in numbers.items():
        await add_all(store, make_imports(clock, number, issuer_id=issuer_id))


class ClaimCases(DocumentStoreCases):
    @pytest.mark.gen_test
    async def test_a_claimed_import_is_running(self) -> None:
        clock = SettableClock()
        document = make_import(clock)
        async with self.opened(clock) as store:
            await store.add(document)
            await store.register("worker", LEASE)
            clock.move(SECOND)
            assert list(await store.claim("worker", 10)) == [document.claimed("worker", clock.now())]
            assert await store.get(document.id) == document.claimed("worker", clock.now())
            assert list(await store.claim("worker", 10)) == []

    @pytest.mark.gen_test
    async def test_where_nothing_is_queued_nothing_is_claimed(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await store.register("worker", LEASE)
            assert list(await store.claim("worker", 10)) == []

    @pytest.mark.gen_test
    async def test_only_queued_imports_are_claimed(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await add_all(store, [make_import(clock, status=status) for status in Status if status != Status.QUEUED])
            await store.register("worker", LEASE)
            assert list(await store.claim("worker", 10)) == []

    @pytest.mark.gen_test
    async def test_a_worker_whose_lease_was_ended_is_given_nothing(self) -> None:
        clock = SettableClock()
        document = make_import(clock)
        async with self.opened(clock) as store:
            await store.add(document)
            await store.register("worker", LEASE)
            await store.release("worker")
            assert list(await store.claim("worker", 1)) == []
            assert await store.get(document.id) == document

    @pytest.mark.gen_test
    async def test_a_claim_goes_no_further_than_its_limit(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await add_for(store, clock, a=5, b=5)
            await store.register("worker", LEASE)
            assert [len(await store.claim("worker", limit)) for limit in (1, 4, 100, 1)] == [1, 4, 5, 0]

    @pytest.mark.gen_test
    async def test_an_import_is_claimed_when_it_is_due(self) -> None:
        clock = SettableClock()
        now = make_import(clock).run_at
        document = make_import(clock, run_at=now + SECOND)
        async with self.opened(clock) as store:
            await store.add(document)
            await store.register("worker", LEASE)
            assert list(await store.claim("worker", 1)) == []
            clock.move(timedelta(milliseconds=999))
            assert list(await store.claim("worker", 1)) == []
            clock.move(timedelta(milliseconds=1))
            assert list(await store.claim("worker", 1)) == [document.claimed("worker", clock.now())]

    @pytest.mark.gen_test
    async def test_within_an_issuer_the_earliest_goes_first(self) -> None:
        clock = SettableClock()
        now = make_import(clock).run_at
        offsets = [5, 1, 4, 2, 3]
        documents = [make_import(clock, run_at=now - offset * SECOND) for offset in offsets]
        async with self.opened(clock) as store:
            await add_all(store, documents)
            await store.register("worker", LEASE)
            claimed = [*await store.claim("worker", 2), *await store.claim("worker", 3)]
            assert [(now - document.run_at) / SECOND for document in claimed] == [5, 4, 3, 2, 1]

    @pytest.mark.gen_test
    async def test_what_is_not_due_hides_nothing(self) -> None:
        clock = SettableClock()
        later = make_import(clock).run_at + SECOND
        due = make_import(clock, issuer_id="b")
        async with self.opened(clock) as store:
            await add_all(store, [make_import(clock, issuer_id=issuer_id, run_at=later) for issuer_id in "abc" * 5])
            await store.add(due)
            await store.register("worker", LEASE)
            assert [document.id for document in await store.claim("worker", 10)] == [due.id]

    @pytest.mark.gen_test(timeout=30)
    async def test_many_workers_claim_each_import_once(self) -> None:
        clock = SettableClock()
        documents = [make_import(clock, issuer_id=f"issuer {number % 7}") for number in range(300)]

        async def work(worker_id: str) -> list[Import]:
            mine: list[Import] = []
            await store.register(worker_id, LEASE)
            while batch := await store.claim(worker_id, 7):
                assert {document.worker_id for document in batch} == {worker_id}
                mine += batch
            return mine

        async with self.opened(clock) as store:
            await add_all(store, documents)
            batches = await asyncio.gather(*(work(f"worker {number}") for number in range(10)))
            claimed = [document.id for batch in batches for document in batch]
            assert sorted(claimed) == sorted(document.id for document in documents)

    @pytest.mark.gen_test(timeout=30)
    async def test_workers_claim_while_imports_are_added(self) -> None:
        clock = SettableClock()
        documents = make_imports(clock, 200)
        claimed: list[str] = []

        async def work(worker_id: str) -> None:
            await store.register(worker_id, LEASE)
            while len(claimed) < len(documents):
                claimed.extend(document.id for document in await store.claim(worker_id, 5))
                await asyncio.sleep(0)  # a store may answer without giving way to others

        async with self.opened(clock) as store:
            await asyncio.gather(add_all(store, documents), *(work(f"worker {number}") for number in range(4)))
            assert sorted(claimed) == sorted(document.id for document in documents)

    @pytest.mark.gen_test(timeout=60)
    async def test_a_backlog_of_one_issuer_delays_no_other(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await add_for(store, clock, a=5000)
            clock.move(SECOND)
            await add_for(store, clock, b=1)
            await store.register("worker", LEASE)
            assert issuers_of(await store.claim("worker", 10)) == {"a": 9, "b": 1}

    @pytest.mark.gen_test
    async def test_issuers_are_served_in_equal_parts(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await add_for(store, clock, a=30, b=20, c=10)
            await store.register("worker", LEASE)
            assert issuers_of(await store.claim("worker", 9)) == {"a": 3, "b": 3, "c": 3}

    @pytest.mark.gen_test
    async def test_claims_of_one_take_the_issuers_in_turn(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await add_for(store, clock, a=20, b=20, c=20)
            await store.register("worker", LEASE)
            for _ in range(4):
                claims = [await store.claim("worker", 1) for _ in range(3)]
                assert issuers_of([document for claim in claims for document in claim]) == {"a": 1, "b": 1, "c": 1}

    @pytest.mark.gen_test
    async def test_with_more_issuers_than_the_limit_all_are_served(self) -> None:
        clock = SettableClock()
        names = [f"issuer {number:02}" for number in range(30)]
        async with self.opened(clock) as store:
            await add_for(store, clock, **dict.fromkeys(names, 3))
            await store.register("worker", LEASE)
            claims = [await store.claim("worker", 6) for _ in range(5)]
            assert issuers_of([document for claim in claims for document in claim]) == dict.fromkeys(names, 1)

    @pytest.mark.gen_test
    async def test_no_more_of_one_issuer_than_asked_for(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await add_for(store, clock, a=10, b=1, c=10)
            await store.register("worker", LEASE)
            assert issuers_of(await store.claim("worker", 10, per_issuer=2)) == {"a": 2, "b": 1, "c": 2}
            assert issuers_of(await store.claim("worker", 3, per_issuer=5)).total() == 3

    @pytest.mark.gen_test
    async def test_excluded_issuers_are_left_alone(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await add_for(store, clock, a=10, b=2, c=10)
            await store.register("worker", LEASE)
            assert issuers_of(await store.claim("worker", 10, exclude_issuers=["a", "c", "unknown"])) == {"b": 2}
            assert list(await store.claim("worker", 10, exclude_issuers=("a", "b", "c"))) == []
            assert issuers_of(await store.claim("worker", 10, exclude_issuers={"c"}, per_issuer=4)) == {"a": 4}
            assert await count_queued(store) == 16

    @pytest.mark.gen_test
    async def test_excluded_hosts_are_left_alone(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            for host in ("a.example", "b.example", ""):
                await add_all(store, make_imports(clock, 3, host=host))
            await store.register("worker", LEASE)
            wanted = await store.claim("worker", 2, exclude_hosts=["a.example", "unknown.example", "'", "$ne"])
            assert len(wanted) == 2
            assert "a.example" not in {one.host for one in wanted}
            rest = await store.claim("worker", 10, exclude_hosts={"b.example", ""})
            assert [one.host for one in rest] == ["a.example"] * 3
            assert not await store.claim("worker", 10, exclude_issuers=["issuer"], exclude_hosts=["unknown.example"])
            assert len(await store.claim("worker", 10)) == 4

    @pytest.mark.gen_test
    async def test_issuers_who_have_only_imports_of_excluded_hosts_delay_no_other(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            for number in range(20):
                await add_all(store, make_imports(clock, 2, issuer_id=f"issuer {number:02}", host="paused.example"))
            await add_all(store, make_imports(clock, 3, issuer_id="last"))
            await store.register("worker", LEASE)
            claimed = [await store.claim("worker", 2, exclude_hosts=["paused.example"]) for _ in range(3)]
            assert [issuers_of(one) for one in claimed] == [{"last": 2}, {"last": 1}, {}]

    @pytest.mark.parametrize("issuer_id", ["", "'", "\0", "$ne", "\U0010ffff", "é", "a\0b", "~" * 300])
    @pytest.mark.gen_test
    async def test_no_issuer_is_forgotten_for_its_name(self, issuer_id: str) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await add_for(store, clock, m=3)
            await add_all(store, make_imports(clock, 3, issuer_id=issuer_id))
            await store.register("worker", LEASE)
            for _ in range(3):
                assert issuers_of(await store.claim("worker", 2)) == {"m": 1, issuer_id: 1}
            assert await count_queued(store) == 0

    @pytest.mark.gen_test
    async def test_an_import_requeued_is_claimed_again_when_due(self) -> None:
        clock = SettableClock()
        document = make_import(clock)
        async with self.opened(clock) as store:
            await store.add(document)
            await store.register("worker", LEASE)
            (first,) = await store.claim("worker", 1)
            await store.update(first.requeued(FAILURE, clock.now() + SECOND, clock.now()))
            assert list(await store.claim("worker", 1)) == []
            clock.move(SECOND)
            (second,) = await store.claim("worker", 1)
            assert (second.attempts, second.abandoned, second.revision) == (2, 0, 3)
            assert second.error == FAILURE

    @pytest.mark.gen_test
    async def test_an_import_handed_back_was_not_attempted(self) -> None:
        clock = SettableClock()
        document = make_import(clock)
        async with self.opened(clock) as store:
            await store.add(document)
            await store.register("worker", LEASE)
            (first,) = await store.claim("worker", 1)
            await store.update(first.handed_back(clock.now(), clock.now()))
            (second,) = await store.claim("worker", 1)
            assert (second.attempts, second.abandoned, second.revision) == (1, 0, 3)

    @pytest.mark.gen_test
    async def test_unfinished_imports_are_counted_up_to_a_limit(self) -> None:
        clock = SettableClock()
        later = make_import(clock).run_at + LEASE
        async with self.opened(clock) as store:
            assert await store.unfinished(10) == 0
            await add_for(store, clock, a=2, b=3)
            await add_all(store, make_imports(clock, 3, run_at=later))
            await add_all(store, [make_import(clock, issuer_id="a", status=status) for status in Status])
            assert [await store.unfinished(limit) for limit in (1, 10, 11, 12, 1000)] == [1, 10, 11, 11, 11]
            assert [await store.unfinished(limit, "a") for limit in (1, 4, 5, 1000)] == [1, 4, 5, 5]
            assert [await store.unfinished(1000, issuer) for issuer in ("b", "nobody", "")] == [3, 0, 0]

    @pytest.mark.gen_test
    async def test_an_import_is_unfinished_until_it_is_final_whatever_it_waits_for(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await store.add(make_import(clock, issuer_id="a"))
            await store.register("worker", LEASE)

            async def counts(document: Import) -> tuple[int, int]:
                assert await store.update(document)
                return await store.unfinished(10), await store.unfinished(10, "a")

            now = clock.now()
            (claimed,) = await store.claim("worker", 1)
            assert await store.unfinished(10, "a") == 1
            delayed = claimed.requeued(FAILURE, now + LEASE, now)
            assert await counts(delayed) == (1, 1)
            running = delayed.claimed("worker", now)
            assert await counts(running) == (1, 1)
            failed = running.failed(FAILURE, "url", now)
            assert await counts(failed) == (0, 0)
            retried = failed.retried(now, now)
            assert await counts(retried) == (1, 1)
            assert await counts(retried.cancelled(now)) == (0, 0)
            waiting = make_import(clock, issuer_id="a", status=Status.WAITING, params={})
            await store.add(waiting)
            received = waiting.receiving("worker", now)
            assert await counts(received) == (1, 1)
            assert await counts(received.handed_back(now, now)) == (1, 1)

    @pytest.mark.gen_test
    async def test_a_cancelled_claim_loses_no_import(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await add_for(store, clock, a=10)
            await store.register("worker", LEASE)
            task = asyncio.create_task(store.claim("worker", 10))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await store.release("worker")
            await store.recover(100)
            await store.register("another", LEASE)
            claimed = await store.claim("another", 100)
            assert len(claimed) == 10
            assert [await stored(store, document) for document in claimed] == list(claimed)
