"""Which attempts a worker ends: those of imports that are not its own any more, and no others."""

import asyncio
from collections.abc import Collection

import pytest

from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.models import Failure, Import
from lading.service.work.cancellation import Stops
from lading.service.work.leases import Lease
from tests.support.clock import SettableClock
from tests.support.plugins.scripted import make_import, until

FAILURE = Failure("code", "detail", retryable=False)


class Desk:
    def __init__(self) -> None:
        self.clock = SettableClock()
        self.store = MemoryDocumentStore(self.clock)
        self.lease = Lease()
        self.lease_of: dict[str, Lease] = {}
        self.under_way: set[str] = set()
        self.abandoned: list[str] = []
        self.stopped: list[str] = []
        self.stops = Stops(self.store, self.lease_of, self.under_way, self.abandon, self.has_stopped)

    async def abandon(self, documents: Collection[Import]) -> None:
        self.abandoned += [document.id for document in documents]
        for document in documents:
            self.lease_of.pop(document.id).held.pop(document.id)

    async def has_stopped(self, import_id: str) -> None:
        self.stopped.append(import_id)

    async def begin(self, count: int) -> list[Import]:
        await self.store.open()
        for _ in range(count):
            await self.store.add(make_import(self.clock))
        claimed = [one.claimed(self.lease.worker_id, self.clock.now()) for one in self.store._imports.values()]
        for document in claimed:
            assert await self.store.update(document)
            self.lease.held[document.id] = document
            self.lease_of[document.id] = self.lease
            self.under_way.add(document.id)
        return claimed


@pytest.mark.gen_test
async def test_only_what_was_cancelled_is_ended() -> None:
    desk = Desk()
    first, _ = await desk.begin(2)
    await desk.stops.look()
    assert desk.abandoned == []
    await desk.store.update(first.cancelled(desk.clock.now()))
    await desk.stops.look()
    assert desk.abandoned == desk.stopped == [first.id]


@pytest.mark.gen_test
async def test_a_result_that_is_being_written_is_left_alone() -> None:
    desk = Desk()
    (document,) = await desk.begin(1)
    await desk.store.update(document.failed(FAILURE, None, desk.clock.now()))
    desk.under_way.discard(document.id)
    await desk.stops.look()
    assert desk.abandoned == []


@pytest.mark.gen_test
async def test_what_waits_for_its_turn_is_ended_when_asked_for() -> None:
    desk = Desk()
    (document,) = await desk.begin(1)
    desk.under_way.clear()
    await desk.stops.look([document.id])
    assert desk.abandoned == []
    await desk.store.update(document.cancelled(desk.clock.now()))
    await desk.stops.look([document.id, "unknown"])
    assert desk.abandoned == [document.id]


@pytest.mark.gen_test
async def test_asking_wakes_it_and_it_goes_on_through_outages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lading.service.work.cancellation.POLL_SECONDS", 60)
    desk = Desk()
    first, second = await desk.begin(2)
    task = asyncio.create_task(desk.stops.run())
    desk.stops.ask("unknown")
    await desk.store.close()
    desk.stops.ask(first.id)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await desk.store.open()
    for document in (first, second):
        await desk.store.update(document.cancelled(desk.clock.now()))
        desk.stops.ask(document.id)
    await until(lambda: len(desk.stopped) == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.gen_test
async def test_nothing_is_asked_of_the_store_while_nothing_runs() -> None:
    desk = Desk()
    await desk.stops.look()  # the store is not open: a question would raise


@pytest.mark.gen_test
async def test_an_import_that_is_claimed_again_during_a_look_is_not_ended() -> None:
    """What the store answered was of the run before, which has ended meanwhile."""
    desk = Desk()
    (first,) = await desk.begin(1)
    held_by = desk.store.search.held_by

    async def slow(worker_ids: Collection[str]) -> frozenset[str]:
        await desk.store.update(first.requeued(FAILURE, desk.clock.now(), desk.clock.now()))
        held = await held_by(worker_ids)
        second = (await desk.store.get(first.id) or first).claimed(desk.lease.worker_id, desk.clock.now())
        assert await desk.store.update(second)
        desk.lease.held[second.id] = second
        return held

    desk.store.search.held_by = slow  # type: ignore[method-assign]
    await desk.stops.look()
    assert desk.abandoned == []
