"""A drained worker begins nothing, ends what it runs, says that it is idle, and leaves the rest to others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

import lading.service.work.orders.inbox
import lading.service.work.worker
from lading.service.documents import StoreUnavailable
from lading.service.imports.fleet import fleet
from lading.service.models import Status
from lading.service.work.orders.crew import KIND, Crew, State, UnknownWorker
from lading.service.work.slots import Limits
from lading.service.work.worker import Worker
from tests.support.core import Core, Gate, assert_nothing_held
from tests.support.plugins.scripted import until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.work.worker, "COOLING_SECONDS", 0.01)
    monkeypatch.setattr(lading.service.work.orders.inbox, "LOOK_SECONDS", 0.01)


async def alive(core: Core, worker: Worker) -> str:
    """The id of a worker that others see."""
    worker_id = worker.presence.identity.id
    while True:
        try:
            return (await Crew(core.store).get(worker_id)).identity.id
        except UnknownWorker:
            await asyncio.sleep(0.002)


async def state(core: Core, worker_id: str, wanted: State) -> None:
    while (await Crew(core.store).get(worker_id)).state is not wanted:
        await asyncio.sleep(0.002)


@asynccontextmanager
async def another(core: Core) -> AsyncIterator[Worker]:
    worker = core.make_worker()
    task = asyncio.create_task(worker.run())
    yield worker
    worker.stop()
    await task


@pytest.mark.gen_test
async def test_a_drained_worker_ends_what_it_runs_and_others_take_the_rest() -> None:
    core = Core(limits=Limits(8, 8, 1))
    gate = Gate(core)
    async with core.working():
        documents = await core.add(3)
        await until(lambda: len(core.fetcher.opened) == 1 and len(core.worker.slots.waiting) == 2)
        worker_id = await alive(core, core.worker)
        (post,) = (await fleet(core.store, core.clock)).posts
        assert sorted(entry.id for entry in post.held) == sorted(document.id for document in documents)

        await Crew(core.store).drain(worker_id, core.clock.now())
        # What waits in the worker goes back to the queue, and is not claimed again; what runs goes on.
        await until(lambda: core.store.statuses() == {Status.RUNNING: 1, Status.QUEUED: 2})
        assert (await Crew(core.store).get(worker_id)).state is State.DRAINING
        gate.open()
        await state(core, worker_id, State.DRAINED)
        assert core.store.statuses() == {Status.DONE: 1, Status.QUEUED: 2}
        assert core.store.leases == []
        claims = core.store.calls["claim"]
        beats = (await Crew(core.store).get(worker_id)).seen_at
        while (await Crew(core.store).get(worker_id)).seen_at == beats:
            await asyncio.sleep(0.002)
        assert core.store.calls["claim"] == claims, "a drained worker does not even ask"

        async with another(core):
            for document in documents:
                assert (await core.final(document)).status is Status.DONE
        assert len(core.fetcher.opened) == 3
        assert (await Crew(core.store).get(worker_id)).state is State.DRAINED
    assert_nothing_held(core)
    assert core.worker.presence.state is State.DRAINED


@pytest.mark.gen_test
async def test_a_drained_worker_works_again_when_it_is_resumed_and_a_new_worker_works_anyway() -> None:
    core = Core()
    async with core.working():
        worker_id = await alive(core, core.worker)
        await Crew(core.store).drain(worker_id, core.clock.now())
        await state(core, worker_id, State.DRAINED)
        (document,) = await core.add()
        assert (await Crew(core.store).drain(worker_id, core.clock.now())).state is State.DRAINED, "nothing changes"
        assert (await Crew(core.store).resume(worker_id)).state is State.WORKING
        assert (await core.final(document)).status is Status.DONE
        assert (await Crew(core.store).get(worker_id)).state is State.WORKING
        assert (await Crew(core.store).resume(worker_id)).state is State.WORKING
        assert core.make_worker().presence.identity.id != worker_id
    async with core.opened():
        assert await Crew(core.store).all() == [], "a worker that has stopped is not there"
        for order in (Crew(core.store).drain(worker_id, core.clock.now()), Crew(core.store).resume(worker_id)):
            with pytest.raises(UnknownWorker, match=worker_id):
                await order


@pytest.mark.gen_test
async def test_an_import_that_is_claimed_while_the_worker_is_drained_goes_back() -> None:
    core = Core()
    async with core.working():
        worker_id = await alive(core, core.worker)

        async def drain_within(call: str) -> None:
            if (
                call == "claim"
                and core.worker.presence.state is State.WORKING
                and core.store.statuses()[Status.RUNNING]
            ):
                await Crew(core.store).drain(worker_id, core.clock.now())
                await core.worker.presence.look()

        core.store.on_call = drain_within
        (document,) = await core.add()
        await state(core, worker_id, State.DRAINED)
        found = await core.get(document)
        assert (found.status, found.attempts, core.fetcher.opened) == (Status.QUEUED, 0, [])


@pytest.mark.gen_test
async def test_a_drain_outlives_the_record_and_an_outage_of_the_database() -> None:
    core = Core()
    async with core.working():
        worker_id = await alive(core, core.worker)
        await Crew(core.store).drain(worker_id, core.clock.now())
        await state(core, worker_id, State.DRAINED)
        assert await core.store.records.delete(KIND, worker_id)
        await alive(core, core.worker)
        assert (await Crew(core.store).get(worker_id)).state is State.DRAINED
        await core.store.close()
        with pytest.raises(StoreUnavailable):
            await core.worker.presence.look()
        assert core.worker.presence.state is State.DRAINED
        await core.store.open()


@pytest.mark.gen_test
async def test_a_worker_that_dies_is_gone_when_its_lease_ends_and_its_imports_are_counted_apart() -> None:
    core = Core(lease=0.3)
    gate = Gate(core)
    async with core.opened():
        task = asyncio.create_task(core.worker.run())
        await core.add(2)
        await until(lambda: len(core.fetcher.opened) == 2)
        worker_id = await alive(core, core.worker)
        found = await Crew(core.store).get(worker_id)
        assert found.lease_until - found.seen_at == timedelta(seconds=0.3)
        # As if the process were gone: nothing of the worker writes any more.
        core.worker.presence.beat = core.worker.presence.look = asyncio.Event().wait  # type: ignore[method-assign, assignment]
        while (await fleet(core.store, core.clock)).posts:
            await asyncio.sleep(0.01)
        seen = await fleet(core.store, core.clock)
        assert (seen.others, seen.is_whole) == (2, True)
        gate.open()
        core.worker.stop()
        await task
