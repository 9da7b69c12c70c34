"""The worker: what it runs at once, whose turn it is, and when it looks at the queue."""

import asyncio
import random

import pytest

import lading.service.work.worker
from lading.plugins.contracts import Source
from lading.service.models import Import, Status
from lading.service.work.slots import Limits
from tests.support.core import Core, Gate, assert_nothing_held
from tests.support.plugins.scripted import rounds, until

# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.sampled(3)
@pytest.mark.gen_test(timeout=30)
@pytest.mark.parametrize("seed", range(3))
async def test_limits_are_never_exceeded(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.work.worker, "COOLING_SECONDS", 0.01)
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
    peaks = core.fetcher.peaks
    assert 2 <= peaks[""] <= 6
    assert max(peaks[f"host {host}"] for host in "abcde") <= 2
    assert max(peaks[f"issuer {issuer}"] for issuer in "wxyz") <= 3
    await core.store.open()
    await core.assert_all_done_once(documents)
    assert_nothing_held(core)


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("limits", "hosts", "issuers", "running"),
    [
        (Limits(5, 9, 9), "abcdefghi", "wxyz", 5),
        (Limits(9, 3, 9), "abcdefghi", "w", 3),
        (Limits(9, 9, 2), "a", "wxyz", 2),
        (Limits(9, 2, 9), "abcdefghi", "wxyz", 8),
    ],
)
async def test_limits_are_made_full_use_of(limits: Limits, hosts: str, issuers: str, running: int) -> None:
    core = Core(limits=limits)
    gate = Gate(core)
    async with core.working():
        for host in hosts:
            for issuer in issuers:
                await core.add(host=host, issuer=issuer)
        await until(lambda: core.fetcher.now[""] == running)
        claims = core.store.calls["claim"]
        await until(lambda: core.worker._slots.free == 0 or core.store.calls["claim"] > claims + 5)
        assert core.fetcher.peaks[""] == running
        gate.open()


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
    monkeypatch.setattr(lading.service.work.worker, "COOLING_SECONDS", 0.05)
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
    monkeypatch.setattr(lading.service.work.worker, "COOLING_SECONDS", 3600.0)
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
    monkeypatch.setattr(lading.service.work.worker, "COOLING_SECONDS", 0.01)
    core = Core(limits=Limits(8, 8, 1))
    gate = Gate(core)
    under_way = asyncio.Barrier(4)

    async def together(name: str) -> None:
        if name == "update" and not gate.is_open:
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
