"""What a worker does when a lease, its database or its storage fails it."""

import asyncio
import random

import pytest

import lading.service.work.worker
from lading.plugins.contracts import ObjectMetadata, Source
from lading.plugins.errors import ConnectFailed, StorageUnavailable
from lading.service.documents import StoreUnavailable
from lading.service.models import Status
from lading.service.work.slots import Limits
from tests.conftest import LONG
from tests.support.clock import SettableClock
from tests.support.core import Core, Fault, Gate, assert_nothing_held
from tests.support.plugins.scripted import SECOND, rounds, touched, until

# --- leases -----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_lost_lease_cancels_what_ran_under_it_and_the_worker_goes_on_under_a_new_one() -> None:
    clock = SettableClock()
    core = Core(clock=clock, limits=Limits(4, 4, 1))
    gate = Gate(core)
    async with core.working():
        (document, waiting) = await core.add(2)
        await until(lambda: core.fetcher.now[""] == 1 and core.store.statuses()[Status.RUNNING] == 2)
        (lost,) = core.store.leases
        # The other worker takes the import in the same turn of the loop in which the lease ends.
        clock.advance(core.options.lease + SECOND)
        core.store._leases["other"] = clock.now() + 1000 * SECOND
        del core.store._leases[lost]
        core.store._imports.update(
            (taken.id, taken.recovered(clock.now()).claimed("other", clock.now())) for taken in core.store.imports
        )
        await until(lambda: core.fetcher.now[""] == 0)
        await until(lambda: core.worker._slots.free == 4)
        for stolen in (document, waiting):
            found = await core.get(stolen)
            assert (found.status, found.worker_id, found.revision) == (Status.RUNNING, "other", 3)
        gate.open()
        (fresh,) = await core.add()
        assert (await core.final(fresh)).status is Status.DONE
        assert lost not in core.store.leases
        await core.store.release("other")  # it died; its imports come back
        for stolen in (document, waiting):
            found = await core.final(stolen)
            assert (found.status, found.attempts, found.abandoned) == (Status.DONE, 3, 2)
    assert_nothing_held(core)


@pytest.mark.gen_test
async def test_a_result_that_comes_too_late_is_discarded() -> None:
    """A plugin that is deaf to cancellation ends its attempt all the same; the import is another worker's by then."""
    clock = SettableClock()
    core = Core(clock=clock)
    deaf = asyncio.Event()

    async def ignore_cancellation(_source: Source) -> None:
        while not deaf.is_set():
            try:
                await deaf.wait()
            except asyncio.CancelledError:
                deaf.set()

    core.fetcher.on_open = ignore_cancellation
    async with core.working():
        (document,) = await core.add()
        await until(lambda: core.fetcher.now[""] == 1)
        (lost,) = core.store.leases
        del core.store._leases[lost]
        core.store._leases["other"] = clock.now() + 1000 * SECOND
        running = await core.get(document)
        stolen = running.recovered(clock.now()).claimed("other", clock.now())
        core.store._imports[document.id] = stolen
        await until(lambda: deaf.is_set() and core.worker._slots.free == 8)
        assert await core.get(document) == stolen
        assert core.store.finished[document.id] == 0
    assert_nothing_held(core)


@pytest.mark.gen_test
async def test_an_import_that_comes_back_while_its_lost_attempt_is_being_cancelled_is_no_second_one() -> None:
    clock = SettableClock()
    core = Core(clock=clock, limits=Limits(4, 4, 1), lease=0.15)
    gate, slow = Gate(core), asyncio.Event()

    async def release_slowly() -> None:
        await slow.wait()

    core.fetcher.on_release = release_slowly
    async with core.working():
        (document,) = await core.add()
        await until(lambda: core.fetcher.now[""] == 1)
        del core.store._leases[core.store.leases[0]]
        await core.store.recover(10)  # it is queued again, and this worker may claim it
        await asyncio.sleep(core.options.lease.total_seconds())
        assert core.fetcher.now[""] == 1, "the lost attempt still releases what it holds"
        gate.open()
        slow.set()
        found = await core.final(document)
        assert (found.status, found.attempts, found.abandoned) == (Status.DONE, 2, 1)
        assert core.fetcher.peaks["host origin"] == 1
        await until(lambda: core.worker._slots.free == 4)
        assert_nothing_held(core)


@pytest.mark.gen_test
async def test_what_a_dead_worker_left_is_run_again() -> None:
    clock = SettableClock()
    core = Core(clock=clock)
    async with core.opened():
        documents = await core.add(3)
        await core.store.register("dead", core.options.lease)
        assert len(await core.store.claim("dead", 3)) == 3
    async with core.working():
        await until(lambda: core.store.calls["recover"] > 1)
        assert core.store.statuses() == {Status.RUNNING: 3}, "its lease still holds"
        clock.advance(core.options.lease)
        for document in documents:
            found = await core.final(document)
            assert (found.status, found.attempts, found.abandoned) == (Status.DONE, 2, 1)


@pytest.mark.gen_test
async def test_the_heartbeat_goes_on_whatever_a_store_raises() -> None:
    core = Core()

    def fault(name: str, number: int) -> Fault:
        return RuntimeError("a defect of a store") if name in ("heartbeat", "recover") and number < 4 else None

    core.store.fault = fault
    async with core.working():
        (document,) = await core.add()
        await core.final(document)
        await until(lambda: core.store.calls["heartbeat"] > 6 and core.store.calls["recover"] > 4)
        assert len(core.store.leases) == 1


# --- a database that fails --------------------------------------------------------------------------------------------


@pytest.mark.sampled(3)
@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["register", "claim", "update", "heartbeat", "recover", "release"])
async def test_one_failure_of_the_database_loses_no_import(
    method: str, when: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lading.service.work.worker, "COOLING_SECONDS", 0.01)
    for nth in range(1, 5):
        core = Core(limits=Limits(4, 4, 2))
        core.store.fault = lambda name, number: when if (name, number) == (method, nth) else None  # noqa: B023
        async with core.working():
            documents = await core.add(8)
            for document in documents:
                await core.final(document)
            await core.assert_all_done_once(documents)
            if method in ("heartbeat", "recover"):
                await until(lambda: core.store.calls[method] > nth)  # noqa: B023
        assert_nothing_held(core)


@pytest.mark.sampled(3)
@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("seed", range(8 if LONG else 3))
async def test_a_database_that_fails_again_and_again_loses_no_import(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lading.service.work.worker, "COOLING_SECONDS", 0.01)
    rng = random.Random(seed)
    core = Core(limits=Limits(6, 4, 2), write_timeout=0.25)
    choices: list[Fault] = ["before", "after", None, None, None]
    core.store.fault = lambda _name, _number: rng.choice(choices)
    async with core.working():
        documents = [document for issuer in "abc" for document in await core.add(10, issuer=issuer, host=issuer)]
        for document in documents:
            await core.final(document)
        await core.assert_all_done_once(documents)
    assert_nothing_held(core)


@pytest.mark.gen_test(timeout=30)
async def test_the_restart_of_a_worker_that_stopped_during_an_outage_finishes_everything() -> None:
    core = Core(limits=Limits(4, 4, 2), lease=0.06, grace=0.01, write_timeout=0.05)
    Gate(core)
    async with core.opened():
        documents = await core.add(6)
        task = asyncio.create_task(core.worker.run())
        await until(lambda: core.fetcher.now[""] == 2)
        core.store.fault = lambda _name, _number: "before"
        core.worker.stop()
        await task
        assert core.store.statuses()[Status.RUNNING] == 4, "nothing could be given back"
        core.store.fault = lambda _name, _number: None
        core.fetcher.on_open = None
        successor = core.make_worker()
        task = asyncio.create_task(successor.run())
        for document in documents:
            await core.final(document)
        successor.stop()
        await task
        await core.assert_all_done_once(documents)


@pytest.mark.gen_test
async def test_a_defect_of_the_store_while_a_result_is_written_leaks_no_place() -> None:
    core = Core(limits=Limits(2, 2, 2))

    def fault(name: str, number: int) -> Fault:
        return RuntimeError("a defect of a store") if name == "update" and number <= 5 else None

    core.store.fault = fault
    async with core.working():
        documents = await core.add(4)
        for document in documents:
            await core.final(document)
        await core.assert_all_done_once(documents)
    assert_nothing_held(core)


@pytest.mark.gen_test
async def test_a_defect_of_the_store_while_imports_are_given_back_leaves_no_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    core = Core(limits=Limits(8, 8, 1), grace=0.01)
    Gate(core)
    before = asyncio.all_tasks()
    async with core.working() as task:
        await core.add(4)
        await until(lambda: core.fetcher.now[""] == 1 and core.store.statuses()[Status.RUNNING] == 4)
        core.store.fault = lambda name, number: RuntimeError("a defect") if name == "update" and number == 1 else None
        core.worker.stop()
        await asyncio.wait((task,))
        assert asyncio.all_tasks() - before == set()
        assert core.store.leases == [], "so that the one that was not given back is recovered"
        assert core.store.statuses() == {Status.QUEUED: 3, Status.RUNNING: 1}


@pytest.mark.gen_test
async def test_a_lease_that_is_lost_while_its_imports_are_given_back_does_no_harm() -> None:
    """The heartbeat forgets them in the very turn of the loop in which they are about to be written."""
    core = Core(clock=SettableClock(), limits=Limits(8, 8, 1), lease=60)
    gate = Gate(core)
    async with core.working():
        await core.add()
        await until(lambda: core.fetcher.now[""] == 1)
        core.worker._leases._leases[0].retired = True
        await core.add(3)
        await until(lambda: len(core.worker._slots.waiting) == 3)
        giving = asyncio.create_task(core.worker._give_back(core.worker._slots.waiting))
        await asyncio.sleep(0)
        await core.worker._lost(core.worker._leases._leases[1])
        await giving
        assert len(core.worker._slots.held) == 1
        gate.open()
    assert_nothing_held(core)


@pytest.mark.gen_test
async def test_an_outage_of_storage_stops_the_claims_until_a_probe_succeeds() -> None:
    core = Core(limits=Limits(4, 4, 4))
    down = True
    probes = 0

    class Unreliable(type(core.backend)):  # type: ignore[misc]
        async def save(self, key: str, chunks: object, metadata: ObjectMetadata) -> None:
            if down:
                raise StorageUnavailable("down")
            await super().save(key, chunks, metadata)

        async def ping(self) -> None:
            nonlocal probes
            probes += 1
            if down:
                raise StorageUnavailable("down")

    core.storage.backend = Unreliable(core.backend.Options())
    core.backend = core.storage.backend
    async with core.working():
        documents = await core.add(20)
        await until(lambda: probes > 2)
        await until(lambda: core.worker._slots.free == 4)
        claims, updates = core.store.calls["claim"], core.store.calls["update"]
        seen = probes
        await until(lambda: probes > seen + 5)
        assert (core.store.calls["claim"], core.store.calls["update"]) == (claims, updates)
        down = False
        for document in documents:
            await core.final(document)
        await core.assert_all_done_once(documents)


@pytest.mark.gen_test
async def test_a_store_that_cannot_be_claimed_from_is_asked_again_only_after_the_poll_interval() -> None:
    core = Core(poll_interval=60)
    core.store.fault = lambda name, _number: StoreUnavailable("down") if name == "claim" else None
    async with core.working():
        await until(lambda: core.store.calls["claim"] == 1)
        await rounds(500)
        assert core.store.calls["claim"] == 1


@pytest.mark.gen_test
@pytest.mark.parametrize("per_host", [1, 4])
async def test_what_comes_back_before_its_attempt_has_learnt_so_is_run_again(per_host: int) -> None:
    """The answer to the write that queued it again is lost: the worker finds it due while the old attempt still waits
    to write. With one place for its host, which another import has by then, it would be waiting there.
    """
    core = Core(limits=Limits(4, 4, per_host))
    go_on = asyncio.Event()
    opened: list[str] = []

    async def fails_once(source: Source) -> None:
        opened.append(source.url)
        if len(opened) == 1:
            raise ConnectFailed("try again")
        await go_on.wait()

    core.fetcher.on_open = fails_once
    lost: list[str] = []

    def fault(name: str, _number: int) -> Fault | None:
        if name != "update" or lost:
            return None
        lost.append(name)
        return "after"

    core.store.fault = fault
    async with core.working():
        (victim,) = await core.add(1, issuer="victim")
        await until(lambda: bool(lost))
        (other,) = await core.add(1)
        await until(lambda: len(opened) > 1)
        go_on.set()
        for document in (victim, other):
            assert (await core.final(document)).status is Status.DONE
        await until(lambda: not core.worker._lease_of)
    assert_nothing_held(core)


@pytest.mark.gen_test
async def test_a_run_whose_document_others_write_ends_all_the_same() -> None:
    core = Core()
    gate = Gate(core)
    async with core.working():
        (document,) = await core.add()
        await until(lambda: core.fetcher.now[""] == 1)
        assert await core.store.update(touched(await core.get(document)))
        gate.open()
        assert (await core.final(document)).status is Status.DONE
    assert_nothing_held(core)
