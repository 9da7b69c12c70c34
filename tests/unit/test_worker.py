"""The worker: what it runs at once, how it stops, and what it does when its database fails."""

import asyncio
import random
from collections import Counter

import pytest

import service.worker
from plugins.contracts import ObjectMetadata, Source
from plugins.errors import StorageUnavailable
from service.documents import StoreUnavailable
from service.models import Import, Status
from service.slots import Limits
from tests.conformance.storage_support import CancelAt
from tests.support.clock import SettableClock
from tests.support.scripted import SECOND, Core, Fault, rounds, until


class Gate:
    """Holds every fetch, or those of one host, until it is opened."""

    def __init__(self, core: Core, host: str = "") -> None:
        self._open = asyncio.Event()
        self._host = host
        core.fetcher.on_open = self._pass

    async def _pass(self, source: Source) -> None:
        if source.url.startswith(f"test://{self._host}"):
            await self._open.wait()

    def open(self) -> None:
        self._open.set()


def assert_nothing_held(core: Core) -> None:
    """Every place is free again, and the accounting of issuers and hosts is empty."""
    slots = core.worker._slots
    assert slots.free == core.options.limits.concurrency
    assert (slots._issuers, slots._hosts) == (Counter(), Counter())
    assert (core.worker._tasks, core.worker._lease_of) == ({}, {})


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=30)
@pytest.mark.parametrize("seed", range(3))
async def test_limits_are_reached_and_never_exceeded(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.worker, "COOLING_SECONDS", 0.01)
    rng = random.Random(seed)
    core = Core(limits=Limits(6, 3, 2))

    async def take_a_while(_source: Source) -> None:
        await asyncio.sleep(rng.choice((0, 0.001, 0.005)))

    core.fetcher.on_open = take_a_while
    async with core.working():
        documents: list[Import] = []
        for _ in range(150):
            documents += await core.add(host=rng.choice("abcde"), issuer=rng.choice("wxyz"))
        for document in documents:
            await core.final(document)
    await_peaks = core.fetcher.peaks
    assert await_peaks[""] == 6
    assert {await_peaks[f"host {host}"] for host in "abcde"} == {2}
    assert max(await_peaks[f"issuer {issuer}"] for issuer in "wxyz") == 3
    await core.store.open()
    await core.assert_all_done_once(documents)
    assert_nothing_held(core)


@pytest.mark.gen_test
async def test_an_import_that_waits_for_its_host_has_its_turn_when_a_place_is_free() -> None:
    core = Core(limits=Limits(4, 4, 1), poll_interval=60)
    gate = Gate(core)
    async with core.working():
        documents = await core.add(3)
        core.worker.wake()
        await until(lambda: len(core.fetcher.opened) == 1)
        await rounds()
        assert len(core.fetcher.opened) == 1
        assert core.store.statuses()[Status.RUNNING] == 3
        gate.open()
        for document in documents:
            assert (await core.final(document)).attempts == 1
    assert core.fetcher.peaks["host origin"] == 1
    assert core.fetcher.opened == [document.url for document in documents], "the longest waiting goes first"


@pytest.mark.gen_test(timeout=30)
async def test_a_blocked_host_does_not_starve_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.worker, "COOLING_SECONDS", 0.05)
    core = Core(limits=Limits(8, 4, 2))
    gate = Gate(core, "slow")
    async with core.working():
        flood = [document for number in range(60) for document in await core.add(3, host="slow", issuer=f"a{number}")]
        await until(lambda: core.fetcher.now["host slow"] == 2)
        (of_another_issuer,) = await core.add(host="quick", issuer="z")
        (of_a_blocked_issuer,) = await core.add(host="quick", issuer="a30")
        assert (await core.final(of_another_issuer)).status is Status.DONE
        assert (await core.final(of_a_blocked_issuer)).status is Status.DONE
        assert core.fetcher.peaks["host slow"] == 2
        assert Status.DONE not in {(await core.get(document)).status for document in flood}
        gate.open()
        for document in flood:
            assert (await core.final(document)).attempts == 1, "to be handed back is no attempt"


@pytest.mark.gen_test
async def test_an_issuer_whose_import_was_handed_back_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service.worker, "COOLING_SECONDS", 3600.0)
    core = Core(limits=Limits(4, 4, 1))
    gate = Gate(core, "slow")
    async with core.working():
        flood = await core.add(100, host="slow", issuer="a")
        await until(lambda: core.store.calls["claim"] > 50)
        touched = [document for document in flood if (await core.get(document)).revision > 0]
        assert len(touched) == 4, "one batch was claimed; what it lacked room for went back, once"
        (other,) = await core.add(host="quick", issuer="b")
        assert (await core.final(other)).status is Status.DONE
        gate.open()


@pytest.mark.gen_test
async def test_what_has_no_room_is_handed_back_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after another, each with the whole patience of a write, would keep the worker from its work for minutes."""
    monkeypatch.setattr(service.worker, "COOLING_SECONDS", 0.01)
    core = Core(limits=Limits(8, 8, 1))
    gate = Gate(core)
    under_way = asyncio.Barrier(4)

    async def together(name: str) -> None:
        if name == "update" and not gate._open.is_set():
            await under_way.wait()

    core.store.on_call = together
    async with core.working():
        documents = await core.add(8)  # one runs, four wait, three are handed back
        await core.add(1, issuer="other")
        await until(lambda: under_way.n_waiting == 3)
        gate.open()
        await under_way.wait()
        for document in documents:
            await core.final(document)


# --- waking up --------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_wake_during_a_claim_is_not_lost() -> None:
    core = Core(poll_interval=60)
    late: list[Import] = []

    async def put_one_more(name: str) -> None:
        if name == "claim" and not late:
            late.extend(await core.add())
            core.worker.wake()

    core.store.on_call = put_one_more
    async with core.working():
        await until(lambda: bool(late))
        assert (await core.final(late[0])).status is Status.DONE


@pytest.mark.gen_test
async def test_stop_is_heard_while_the_worker_idles() -> None:
    core = Core(poll_interval=60)
    async with core.working() as task:
        await until(lambda: core.store.calls["claim"] == 1)
        await rounds()
        core.worker.stop()
        await task


@pytest.mark.gen_test
async def test_a_full_worker_claims_again_as_soon_as_a_place_is_free() -> None:
    core = Core(limits=Limits(1, 1, 1), poll_interval=60)
    async with core.working():
        documents = await core.add(20)
        core.worker.wake()
        for document in documents:
            await core.final(document)
    assert core.fetcher.peaks[""] == 1


@pytest.mark.gen_test
async def test_two_workers_run_every_import_once() -> None:
    core = Core(limits=Limits(5, 5, 5))
    other = core.make_worker()
    async with core.working():
        task = asyncio.create_task(other.run())
        documents = await core.add(100)
        for document in documents:
            await core.final(document)
        other.stop()
        await task
        assert sorted(core.fetcher.opened) == sorted(str(document.url) for document in documents)
        await core.assert_all_done_once(documents)


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
        assert core.store.leases == ()
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
        assert core.store.leases == ()
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
    monkeypatch.setattr(service.worker, "COOLING_SECONDS", 0.01)
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
                assert core.store.leases == (), nth
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
    assert reached > 10


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
    core = Core(clock=clock, limits=Limits(4, 4, 1))
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


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["register", "claim", "update", "heartbeat", "recover", "release"])
async def test_one_failure_of_the_database_loses_no_import(
    method: str, when: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.worker, "COOLING_SECONDS", 0.01)
    for nth in range(1, 5):
        core = Core(limits=Limits(4, 4, 2), lease=0.06)
        core.store.fault = lambda name, number: when if (name, number) == (method, nth) else None  # noqa: B023
        async with core.working():
            documents = await core.add(8)
            for document in documents:
                await core.final(document)
            await core.assert_all_done_once(documents)
            if method in ("heartbeat", "recover"):
                await until(lambda: core.store.calls[method] > nth)  # noqa: B023
        assert_nothing_held(core)


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("seed", range(8))
async def test_a_database_that_fails_again_and_again_loses_no_import(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.worker, "COOLING_SECONDS", 0.01)
    rng = random.Random(seed)
    core = Core(limits=Limits(6, 4, 2), lease=0.06, write_timeout=0.05)
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
    core = Core(limits=Limits(2, 2, 2), lease=0.06)

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
        assert core.store.leases == (), "so that the one that was not given back is recovered"
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
