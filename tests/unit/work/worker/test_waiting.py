"""The worker and a store that tells it of work: it need not poll, and leaves no wait behind."""

import asyncio

import pytest

from lading.service.models import Status
from lading.service.work.slots import Limits
from tests.support.core import Core, Gate
from tests.support.plugins.scripted import rounds, until


class Waits:
    """Stands in for ``SupportsWaiting.wait_for_work`` of a store."""

    def __init__(self, core: Core) -> None:
        self.news = asyncio.Event()
        self.begun = 0
        self.under_way = 0
        vars(core.store)["wait_for_work"] = self._wait

    async def _wait(self, timeout: float) -> None:
        assert timeout == 60
        self.begun += 1
        self.under_way += 1
        try:
            await self.news.wait()
            self.news.clear()
        finally:
            self.under_way -= 1


@pytest.mark.gen_test
async def test_what_the_store_tells_of_is_claimed_long_before_the_next_poll() -> None:
    core = Core(poll_interval=60)
    waits = Waits(core)
    async with core.working():
        for _ in range(3):
            await until(lambda: waits.under_way == 1)
            (document,) = await core.add()
            waits.news.set()
            assert (await core.final(document)).status is Status.DONE
        await until(lambda: waits.under_way == 1)
    assert waits.under_way == 0


@pytest.mark.gen_test
async def test_a_worker_that_is_woken_or_stopped_waits_no_longer() -> None:
    core = Core(poll_interval=60)
    waits = Waits(core)
    async with core.working():
        await until(lambda: waits.under_way == 1)
        (document,) = await core.add()
        core.worker.wake()
        assert (await core.final(document)).status is Status.DONE
        await until(lambda: waits.under_way == 1)
    assert waits.under_way == 0


@pytest.mark.gen_test
async def test_a_worker_without_a_free_place_does_not_ask_the_store() -> None:
    core = Core(limits=Limits(1, 1, 1), poll_interval=60)
    waits = Waits(core)
    gate = Gate(core)
    async with core.working():
        await until(lambda: waits.under_way == 1)
        begun = waits.begun
        (document,) = await core.add()
        waits.news.set()
        await until(lambda: core.worker._slots.free == 0)
        for _ in range(20):
            core.worker.wake()
            await asyncio.sleep(0)
        assert waits.begun == begun
        gate.open()
        assert (await core.final(document)).status is Status.DONE


@pytest.mark.gen_test
async def test_an_import_that_is_done_brings_no_claim_where_the_last_claim_left_nothing() -> None:
    core = Core(poll_interval=60)
    gate = Gate(core)
    async with core.working():
        documents = await core.add(2)
        core.worker.wake()
        await until(lambda: core.worker._left_nothing)
        claims = core.store.calls["claim"]
        gate.open()
        for document in documents:
            assert (await core.final(document)).status is Status.DONE
        await rounds()
        assert core.store.calls["claim"] == claims
        (document,) = await core.add()
        core.worker.wake()
        assert (await core.final(document)).status is Status.DONE


@pytest.mark.gen_test
async def test_an_import_that_is_done_brings_a_claim_where_the_last_claim_left_imports_out() -> None:
    core = Core(limits=Limits(8, 1, 8), poll_interval=60)
    async with core.working():
        documents = await core.add(3)
        core.worker.wake()
        for document in documents:
            assert (await core.final(document)).status is Status.DONE
