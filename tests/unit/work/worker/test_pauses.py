"""The worker and the pauses that operators set: nothing that they cover begins, and everything else goes on."""

import asyncio

import pytest

import lading.service.work.orders.inbox
import lading.service.work.orders.pauses
import lading.service.work.worker
from lading.service.documents import StoreUnavailable, TooManyRecords
from lading.service.models import Status
from lading.service.work.orders.pauses import Pause, Paused, Pauses
from lading.service.work.slots import Limits
from tests.support.core import Core, Gate, assert_nothing_held
from tests.support.plugins.scripted import until

ISSUER, HOST, ALL = Pause(issuer_id="slow"), Pause(host="slow"), Pause()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.work.worker, "COOLING_SECONDS", 0.01)
    monkeypatch.setattr(lading.service.work.orders.inbox, "LOOK_SECONDS", 0.01)


async def obeyed(core: Core, *pauses: Pause) -> None:
    """The worker knows these pauses and no others."""
    await until(lambda: core.worker._orders.pauses.paused == Paused.of(pauses))


@pytest.mark.parametrize("pause", [ISSUER, HOST], ids=str)
@pytest.mark.gen_test
async def test_what_is_paused_does_not_begin_until_it_is_resumed(pause: Pause) -> None:
    core = Core()
    async with core.opened():
        pauses = Pauses(core.store)
        assert await pauses.add(pause, core.clock.now())
        assert not await pauses.add(pause, core.clock.now())
        held = await core.add(3, issuer="slow", host="slow")
        task = asyncio.create_task(core.worker.run())
        others = await core.add(20, issuer="other", host="other")
        for document in others:
            assert (await core.final(document)).status is Status.DONE
        assert {(one.status, one.revision) for one in [await core.get(document) for document in held]} == {
            (Status.QUEUED, 0)
        }
        assert await pauses.lift(pause)
        assert not await pauses.lift(pause)
        for document in held:
            assert (await core.final(document)).status is Status.DONE
        core.worker.stop()
        await task
        assert_nothing_held(core)


@pytest.mark.gen_test
async def test_a_pause_of_everything_lets_running_imports_end_and_no_other_begin() -> None:
    core = Core(limits=Limits(2, 2, 2))
    gate = Gate(core)
    async with core.working():
        running = await core.add(2)
        await until(lambda: len(core.fetcher.opened) == 2)
        later = await core.add(3)
        await Pauses(core.store).add(ALL, core.clock.now())
        await obeyed(core, ALL)
        gate.open()
        for document in running:
            assert (await core.final(document)).status is Status.DONE
        claims = core.store.calls["claim"]
        await until(lambda: core.store.calls["heartbeat"] > 3)
        assert core.store.calls["claim"] == claims
        assert core.store.statuses() == {Status.DONE: 2, Status.QUEUED: 3}
        await Pauses(core.store).lift(ALL)
        for document in later:
            assert (await core.final(document)).status is Status.DONE


@pytest.mark.parametrize("pause", [ISSUER, HOST], ids=str)
@pytest.mark.gen_test
async def test_an_import_that_waits_in_the_worker_goes_back_to_the_queue(pause: Pause) -> None:
    core = Core(limits=Limits(8, 8, 1))
    gate = Gate(core)
    async with core.working():
        documents = await core.add(3, issuer="slow", host="slow")
        await until(lambda: len(core.fetcher.opened) == 1 and len(core.worker._slots.waiting) == 2)
        await Pauses(core.store).add(pause, core.clock.now())
        await until(lambda: core.store.statuses() == {Status.RUNNING: 1, Status.QUEUED: 2})
        gate.open()
        await until(lambda: core.store.statuses() == {Status.DONE: 1, Status.QUEUED: 2})
        assert len(core.fetcher.opened) == 1
        await Pauses(core.store).lift(pause)
        found = [await core.final(document) for document in documents]
        assert [(one.status, one.attempts) for one in found] == [(Status.DONE, 1)] * 3


@pytest.mark.gen_test
async def test_during_an_outage_of_the_database_the_last_look_holds() -> None:
    core = Core()
    async with core.working():
        await Pauses(core.store).add(ISSUER, core.clock.now())
        await obeyed(core, ISSUER)
        await core.store.close()
        with pytest.raises(StoreUnavailable):
            await core.worker._orders.pauses.look()
        assert core.worker._orders.pauses.paused == Paused.of([ISSUER])
        await core.store.open()


@pytest.mark.gen_test
async def test_pauses_are_listed_are_bounded_and_take_names_of_any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    core = Core()
    long = [Pause(issuer_id="i" * 255), Pause(host="h" * 253), Pause(issuer_id="x"), Pause(host="x")]
    async with core.opened():
        pauses = Pauses(core.store)
        for pause in (ALL, *long):
            assert await pauses.add(pause, core.clock.now())
        assert len({pause.record_id for pause in long}) == 4
        assert [str(one) for one in await pauses.all()] == [
            *("everything", f"issuer {'i' * 255}", "issuer x"),
            *(f"host {'h' * 253}", "host x"),
        ]
        monkeypatch.setattr(lading.service.work.orders.pauses, "MOST", 5)
        with pytest.raises(TooManyRecords):
            await pauses.add(Pause(host="another"), core.clock.now())
