"""The worker and origin hosts that are dead, overloaded or ask to be left alone."""

import asyncio
from datetime import timedelta

import pytest

import lading.service.work.politeness
import lading.service.work.worker
from lading.plugins.contracts import Source
from lading.plugins.errors import ConnectFailed, OriginUnavailable, PluginError
from lading.service.models import Status
from lading.service.work.slots import Limits
from tests.support.core import Core, Gate, assert_nothing_held
from tests.support.plugins.scripted import until

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.work.worker, "COOLING_SECONDS", 0.01)
    monkeypatch.setattr(lading.service.work.worker, "PAUSED_COOLING_SECONDS", 0.005)


class Ailing:
    """A host that answers with an error for as long as it is ill."""

    def __init__(self, core: Core, error: PluginError, host: str = "ill") -> None:
        self.is_ill = True
        self._error = error
        self._host = host
        core.fetcher.on_open = self._answer

    async def _answer(self, source: Source) -> None:
        if self.is_ill and source.url.startswith(f"test://{self._host}/"):
            raise self._error


@pytest.mark.gen_test(timeout=60)
async def test_imports_of_a_dead_host_wait_without_attempts_until_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.work.politeness, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(lading.service.work.politeness, "MAX_PAUSE", 0.1)
    core = Core(limits=Limits(8, 8, 2), attempts=3)
    host = Ailing(core, ConnectFailed())
    async with core.working():
        documents = await core.add(40, host="ill")
        await until(lambda: len(core.fetcher.opened) >= lading.service.work.politeness.FAILURES_TO_OPEN + 2)
        others = await core.add(20, host="well")
        for document in others:
            assert (await core.final(document)).status is Status.DONE
        host.is_ill = False
        found = [await core.final(document) for document in documents]
    waited = [one for one in found if one.status is Status.DONE]
    assert len(waited) >= 30, "at most one probe at a time used up attempts"
    assert sum(one.attempts == 1 for one in waited) >= 25
    assert {one.error.code for one in found if one.error is not None} <= {"connect_failed"}
    assert_nothing_held(core)


@pytest.mark.gen_test(timeout=60)
async def test_a_request_to_wait_holds_for_every_import_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    core = Core(limits=Limits(8, 8, 1))
    host = Ailing(core, OriginUnavailable(status=503, retry_after=3600.0))
    async with core.working():
        documents = await core.add(12, host="ill")
        await until(lambda: core.store.statuses()[Status.QUEUED] == 12 and len(core.fetcher.opened) == 1)
        host.is_ill = False
        (other,) = await core.add(host="well")
        assert (await core.final(other)).status is Status.DONE
        await until(lambda: sum(one.run_at - one.updated_at > MINUTE for one in core.store.imports) == 12)
        found = [await core.get(document) for document in documents]
    assert len(core.fetcher.opened) == 2, "one fetch was answered, and no other of the host was made"
    assert sorted(one.attempts for one in found) == [0] * 11 + [1]
    latest = max(one.run_at - one.updated_at for one in found)
    assert latest < 12 * MINUTE, "a host may ask for ten at most"
    assert_nothing_held(core)


@pytest.mark.gen_test(timeout=60)
async def test_what_waits_in_the_worker_leaves_when_its_host_is_to_be_left_alone() -> None:
    core = Core(limits=Limits(8, 8, 1))
    gate = Gate(core)
    async with core.working():
        await core.add(4, host="ill")
        await until(lambda: len(core.worker._slots.waiting) == 3)
        Ailing(core, OriginUnavailable(status=429, retry_after=3600.0))
        gate.open()
        core.worker._politeness.learn(next(iter(core.worker._slots.waiting)), *_TOO_MUCH)
        core.worker.wake()
        await until(lambda: not core.worker._slots.waiting)
        await until(lambda: core.store.statuses()[Status.QUEUED] == 3)
    assert_nothing_held(core)


_TOO_MUCH = (lading.service.work.politeness.Verdict.TOO_MUCH, 0.1, 3600.0)


@pytest.mark.gen_test(timeout=60)
async def test_imports_that_have_waited_too_long_for_a_dead_host_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.work.politeness, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(lading.service.work.politeness, "MAX_PAUSE", 0.05)
    core = Core(limits=Limits(8, 8, 2), attempts=3, host_patience=0.3)
    Ailing(core, ConnectFailed())
    async with core.working():
        documents = await core.add(40, host="ill")
        found = [await core.final(document) for document in documents]
        assert {one.status for one in found} == {Status.FAILED}
        hopeless = [one for one in found if one.error and one.error.code == "host_unavailable"]
        assert len(hopeless) >= 20
        assert {one.import_type for one in hopeless} == {"scripted"}
        assert all(one.attempts < 3 for one in hopeless)
    assert_nothing_held(core)


@pytest.mark.gen_test(timeout=60)
async def test_an_overloaded_host_has_fewer_at_once_and_then_more_again() -> None:
    core = Core(limits=Limits(16, 16, 8), attempts=20)
    host = Ailing(core, OriginUnavailable(status=429))
    async with core.working():
        await core.add(8, host="ill")
        await until(lambda: len(core.fetcher.opened) >= 24)
        assert core.worker._politeness._paces.values["ill"].limit == 1.0
        core.fetcher.peaks.clear()
        host.is_ill = False
        for document in await core.add(200, host="ill"):
            assert (await core.final(document)).status is Status.DONE
        assert core.worker._politeness._paces.values["ill"].limit == 8.0


@pytest.mark.gen_test(timeout=60)
async def test_a_cancelled_probe_lets_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.work.politeness, "FIRST_PAUSE", 0.01)
    core = Core(limits=Limits(4, 4, 1))
    Ailing(core, ConnectFailed())
    async with core.working():
        documents = await core.add(6, host="ill")
        await until(lambda: len(core.fetcher.opened) >= lading.service.work.politeness.FAILURES_TO_OPEN)
        hanging = asyncio.Event()

        async def hang(_source: Source) -> None:
            hanging.set()
            await asyncio.Event().wait()

        core.fetcher.on_open = hang
        await hanging.wait()
        core.fetcher.on_open = None
        for lease in tuple(core.worker._leases._leases):
            await core.store.release(lease.worker_id)  # as if it had been lost: what runs is cancelled
        for document in documents:
            await core.final(document)
    assert_nothing_held(core)
