"""How a worker stops, and how it is cancelled."""

import asyncio

import pytest

import lading.service.work.worker
from lading.plugins.testing.cancellation import CancelAt
from lading.service.models import Status
from lading.service.work.slots import Limits
from tests.support.core import Core, Gate, assert_nothing_held
from tests.support.plugins.scripted import until

# --- stopping ---------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_stop_lets_what_runs_end_and_gives_the_rest_back() -> None:
    core = Core(limits=Limits(4, 4, 2))
    gate = Gate(core)
    before = asyncio.all_tasks()
    async with core.working() as task:
        documents = await core.add(10)
        await until(lambda: core.fetcher.now[""] == 2 and core.store.statuses()[Status.RUNNING] == 4)
        core.worker.stop()
        await until(lambda: core.store.statuses()[Status.RUNNING] == 2)
        claims = core.store.calls["claim"]
        await asyncio.sleep(0.05)
        assert not task.done()
        gate.open()
        await task
        assert core.store.calls["claim"] == claims
        assert core.store.statuses() == {Status.DONE: 2, Status.QUEUED: 8}
        for document in documents:
            found = await core.get(document)
            assert found.attempts == (found.status is Status.DONE)
            assert found.abandoned == 0
        assert core.store.leases == []
        assert asyncio.all_tasks() - before == set()
    assert_nothing_held(core)


@pytest.mark.gen_test
@pytest.mark.parametrize("how", ["stopped", "cancelled"])
async def test_what_does_not_end_in_time_goes_back_without_an_attempt(how: str) -> None:
    core = Core(limits=Limits(4, 4, 2), grace=0.02)
    Gate(core)
    async with core.opened():
        before = asyncio.all_tasks()
        task = asyncio.create_task(core.worker.run())
        documents = await core.add(6)
        await until(lambda: core.fetcher.now[""] == 2 and core.store.statuses()[Status.RUNNING] == 4)
        if how == "stopped":
            core.worker.stop()
        else:
            task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled() == (how == "cancelled")
        assert asyncio.all_tasks() == before
        assert core.fetcher.now[""] == 0, "the sources were released"
        for document in documents:
            found = await core.get(document)
            assert (found.status, found.attempts, found.abandoned) == (Status.QUEUED, 0, 0)
            assert found.run_at <= core.clock.now(), "another worker may begin it at once"
        assert core.store.leases == []
    assert_nothing_held(core)


@pytest.mark.gen_test
async def test_a_worker_that_is_stopped_before_it_runs_claims_nothing() -> None:
    core = Core()
    async with core.opened():
        await core.add(3)
        core.worker.stop()
        await core.worker.run()
        assert core.store.calls["claim"] == 0
        assert core.store.statuses() == {Status.QUEUED: 3}


@pytest.mark.gen_test(timeout=60)
async def test_a_cancellation_at_any_point_loses_nothing_and_leaves_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.work.worker, "COOLING_SECONDS", 0.01)
    reached = 0
    for nth in range(1, 200):
        core = Core(limits=Limits(4, 4, 1))
        async with core.opened():
            documents = await core.add(6)
            before = asyncio.all_tasks()
            cancelled = CancelAt(core.worker.run(), nth)
            run = asyncio.create_task(cancelled.run())
            await until(lambda: run.done() or core.store.statuses()[Status.DONE] == 6)  # noqa: B023
            if run.done():
                assert core.store.leases == [], nth
            core.worker.stop()
            await run
            assert asyncio.all_tasks() == before, nth
            assert_nothing_held(core)
            successor = core.make_worker()
            task = asyncio.create_task(successor.run())
            for document in documents:
                await core.final(document)
            successor.stop()
            await task
            await core.assert_all_done_once(documents)
        reached += cancelled.reached
        if not cancelled.reached:
            break
    assert reached > 10


@pytest.mark.gen_test(timeout=60)
async def test_a_cancellation_at_any_point_of_the_stop_leaves_no_task() -> None:
    reached = 0
    for nth in range(2, 200):
        core = Core(limits=Limits(4, 4, 1), grace=0.01, lease=60)
        Gate(core)
        async with core.opened():
            await core.add(4)
            before = asyncio.all_tasks()
            cancelled = CancelAt(core.worker.run(), nth)
            run = asyncio.create_task(cancelled.run())
            await until(lambda: run.done() or core.fetcher.now[""] == 1)  # noqa: B023
            core.worker.stop()
            await run
            await until(lambda: asyncio.all_tasks() == before)  # noqa: B023
            assert core.fetcher.now[""] == 0, nth
        reached += cancelled.reached
        if not cancelled.reached:
            break
    assert reached >= 10
