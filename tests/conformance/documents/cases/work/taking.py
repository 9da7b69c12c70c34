"""Cases of the document store suite: imports are claimed by their ids."""

import asyncio
from datetime import timedelta

import pytest

from lading.service.documents import Bounds
from lading.service.models import Status
from tests.conformance.documents.cases.base import (
    LEASE,
    SECOND,
    DocumentStoreCases,
    SettableClock,
    add_all,
    make_import,
    make_imports,
    stored,
)

ALL = Bounds()


class TakingCases(DocumentStoreCases):
    @pytest.mark.gen_test
    async def test_imports_are_claimed_by_their_ids_alone(self) -> None:
        clock = SettableClock()
        documents = make_imports(clock, 5)
        async with self.opened(clock) as store:
            await add_all(store, documents)
            await store.register("worker", LEASE)
            clock.move(SECOND)
            wanted = [documents[3], documents[1]]
            taken = await store.claim_these("worker", [one.id for one in wanted], ALL)
            expected = [one.claimed("worker", clock.now()) for one in wanted]
            assert (list(taken.claimed), list(taken.left)) == (expected, [])
            assert [await stored(store, one) for one in wanted] == expected
            assert await stored(store, documents[0]) == documents[0]

    @pytest.mark.gen_test
    async def test_of_ids_only_queued_imports_are_claimed(self) -> None:
        clock = SettableClock()
        documents = [make_import(clock, status=status) for status in Status if status != Status.QUEUED]
        async with self.opened(clock) as store:
            await add_all(store, documents)
            await store.register("worker", LEASE)
            taken = await store.claim_these("worker", [*(one.id for one in documents), "nobody's"], ALL)
            assert (list(taken.claimed), list(taken.left)) == ([], [])
            assert not (await store.claim_these("worker", [], ALL)).claimed

    @pytest.mark.gen_test
    async def test_of_ids_a_worker_without_a_lease_is_given_nothing(self) -> None:
        clock = SettableClock()
        document = make_import(clock)
        async with self.opened(clock) as store:
            await store.add(document)
            await store.register("worker", LEASE)
            await store.release("worker")
            taken = await store.claim_these("worker", [document.id], ALL)
            assert (list(taken.claimed), list(taken.left)) == ([], [document])
            assert await store.get(document.id) == document

    @pytest.mark.gen_test
    async def test_of_ids_what_the_bounds_leave_out_stays_queued_and_is_told(self) -> None:
        clock = SettableClock()
        due = make_import(clock).run_at
        documents = [
            make_import(clock, issuer_id="left out"),
            make_import(clock, host="left.example"),
            make_import(clock, run_at=due + timedelta(milliseconds=2)),
            *(make_import(clock, issuer_id="many") for _ in range(3)),
            make_import(clock, issuer_id="one"),
        ]
        async with self.opened(clock) as store:
            await add_all(store, documents)
            await store.register("worker", LEASE)
            bounds = Bounds({"left out"}, {"left.example"}, per_issuer=2)
            taken = await store.claim_these("worker", [one.id for one in documents], bounds)
            assert [one.id for one in taken.claimed] == [documents[place].id for place in (3, 4, 6)]
            assert list(taken.left) == [documents[place] for place in (0, 1, 2, 5)]
            clock.move(timedelta(milliseconds=2))
            late = await store.claim_these("worker", [one.id for one in taken.left], ALL)
            assert [one.id for one in late.claimed] == [one.id for one in taken.left]

    @pytest.mark.gen_test
    async def test_of_many_workers_that_want_the_same_ids_one_gets_each(self) -> None:
        clock = SettableClock()
        documents = make_imports(clock, 60)
        async with self.opened(clock) as store:
            await add_all(store, documents)
            for number in range(5):
                await store.register(f"worker {number}", LEASE)
            ids = [one.id for one in documents]
            others = asyncio.create_task(store.claim("worker 4", 30))
            taken = await asyncio.gather(
                *(store.claim_these(f"worker {number}", ids[10 * number :], ALL) for number in range(4))
            )
            claimed = [*(one for some in taken for one in some.claimed), *await others]
            assert sorted(one.id for one in claimed) == sorted(ids)
            for one in claimed:
                assert (await stored(store, one)).worker_id == one.worker_id
