"""Cases of the document store suite: what an organisation has stored follows its documents."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lading.service.documents import DocumentStore
from lading.service.models import Import
from tests.conformance.documents.cases.base import (
    FAILURE,
    IMAGE,
    LEASE,
    DocumentStoreCases,
    SettableClock,
    add_all,
    make_import,
    stored,
)


async def claimed(store: DocumentStore, clock: SettableClock, **changes: Any) -> Import:
    """A new import that runs."""
    document = make_import(clock, **changes)
    await store.add(document)
    running = document.claimed("worker", clock.now())
    assert await store.update(running)
    return running


def done(document: Import, clock: SettableClock, byte_size: int) -> Import:
    return document.succeeded(replace(IMAGE, byte_size=byte_size), "url", clock.now())


class QuotaCases(DocumentStoreCases):
    @pytest.mark.gen_test
    async def test_nothing_is_stored_before_an_import_is_done(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            assert await store.stored_bytes("organization") == 0
            running = await claimed(store, clock)
            failing = await claimed(store, clock)
            assert await store.update(failing.failed(FAILURE, "url", clock.now()))
            assert await store.stored_bytes("organization") == 0
            assert await store.update(done(running, clock, 2**40))
            assert await store.stored_bytes("organization") == 2**40

    @pytest.mark.gen_test
    async def test_each_organisation_has_its_own_sum(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            for organization_id, byte_size in (("a", 1), ("b", 20), ("a", 300), ("\0$ne' OR 1=1", 4000)):
                running = await claimed(store, clock, organization_id=organization_id)
                assert await store.update(done(running, clock, byte_size))
            sums = [await store.stored_bytes(name) for name in ("a", "b", "\0$ne' OR 1=1", "", "c")]
            assert sums == [301, 20, 4000, 0, 0]

    @pytest.mark.gen_test
    async def test_a_deleted_image_counts_until_it_is_purged(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            document = done(await claimed(store, clock), clock, 70)
            assert await store.update(document)
            deleted = document.image_deleted(clock.now())
            assert await store.update(deleted)
            assert await store.stored_bytes("organization") == 70
            assert await store.update(deleted.image_purged(clock.now()))
            assert await store.stored_bytes("organization") == 0

    @pytest.mark.gen_test
    async def test_a_write_that_loses_counts_nothing(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            running = await claimed(store, clock)
            outcomes = await asyncio.gather(*(store.update(done(running, clock, 10 + n)) for n in range(8)))
            assert outcomes.count(True) == 1
            assert await store.stored_bytes("organization") == 10 + outcomes.index(True)
            assert not await store.update(done(running, clock, 1000))
            assert await store.stored_bytes("organization") == 10 + outcomes.index(True)
            deleted = (await stored(store, running)).image_deleted(clock.now())
            assert await store.update(deleted)
            purges = await asyncio.gather(*(store.update(deleted.image_purged(clock.now())) for _ in range(8)))
            assert purges.count(True) == 1
            assert await store.stored_bytes("organization") == 0

    @pytest.mark.gen_test
    async def test_what_is_added_as_done_counts(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            documents = [done(make_import(clock).claimed("w", clock.now()), clock, n) for n in range(50)]
            await add_all(store, documents)
            assert await store.stored_bytes("organization") == sum(range(50))

    @pytest.mark.gen_test(timeout=60)
    async def test_the_sum_is_that_of_the_documents_whatever_happens(self) -> None:
        clock = SettableClock()
        rng = random.Random(11)
        async with self.opened(clock) as store:
            await store.register("worker", LEASE)
            documents = [make_import(clock, organization_id=rng.choice("ab")) for _ in range(60)]
            await add_all(store, documents)
            for _ in range(4):
                await asyncio.gather(*(self._step(store, clock, one, rng) for one in documents))
                await store.recover(100)
                found = [await stored(store, one) for one in documents]
                for name in "ab":
                    assert await store.stored_bytes(name) == sum(
                        one.stored_bytes for one in found if one.organization_id == name
                    )
                clock.move(timedelta(seconds=1))

    async def _step(self, store: DocumentStore, clock: SettableClock, document: Import, rng: random.Random) -> None:
        one = await stored(store, document)
        now = clock.now()
        match one.status.value:
            case "queued":
                await store.update(one.claimed("worker", now))
            case "running":
                await store.update(done(one, clock, rng.randrange(1000)) if rng.random() < 0.7 else one.recovered(now))
            case "done" if one.image_deleted_at is None:
                await store.update(one.image_deleted(now))
            case "done" if one.image_purged_at is None:
                await store.update(one.image_purged(now))

    @pytest.mark.gen_test
    async def test_the_sum_outlives_the_store(self) -> None:
        self.skip_unless_durable()
        clock = SettableClock()
        async with self.opened(clock) as store:
            assert await store.update(done(await claimed(store, clock), clock, 12))
        async with self.opened(clock) as store:
            assert await store.stored_bytes("organization") == 12
