"""Leases: when one is begun, retired, released, lost."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from lading.plugins.host.turns import on_behalf_of, present_issuer
from lading.plugins.testing.cancellation import CancelAt
from lading.service.documents import StoreUnavailable
from lading.service.work.leases import Leases
from tests.support.clock import SettableClock
from tests.support.core import Fault, ScriptedStore, opened_with
from tests.support.plugins.scripted import SECOND, make_import, until

DURATION = 30 * SECOND


class Shop:
    def __init__(self) -> None:
        self.clock = SettableClock()
        self.store = ScriptedStore(self.clock)
        self.leases = Leases(self.store, DURATION)


opened = partial(opened_with, Shop)


@pytest.mark.gen_test
async def test_one_lease_serves_until_it_is_retired() -> None:
    async with opened() as shop:
        first = await shop.leases.current()
        assert await shop.leases.current() is first
        assert shop.store.leases == [first.worker_id]
        first.retired = True
        second = await shop.leases.current()
        assert second.worker_id != first.worker_id
        assert set(shop.store.leases) == {first.worker_id, second.worker_id}


class SlowToRegister(ScriptedStore):
    """Registers a lease when it is told to."""

    def __init__(self, clock: SettableClock) -> None:
        super().__init__(clock)
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()

    async def register(self, worker_id: str, duration: timedelta) -> None:
        self.asked.append(worker_id)
        await self.may_answer.wait()
        await super().register(worker_id, duration)


@pytest.mark.gen_test
async def test_nobody_works_under_a_lease_that_the_store_does_not_know_yet() -> None:
    store = SlowToRegister(SettableClock())
    await store.open()
    leases = Leases(store, DURATION)
    callers = [asyncio.create_task(leases.current()) for _ in range(3)]
    await until(lambda: bool(store.asked))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not any(caller.done() for caller in callers)
    assert await leases.beat() == [], "what is not registered yet is not lost"
    store.may_answer.set()
    found = await asyncio.gather(*callers)
    assert {lease.worker_id for lease in found} == set(store.leases)
    assert store.asked == [found[0].worker_id]
    assert not found[0].retired
    await store.close()


@pytest.mark.gen_test
async def test_who_waits_for_a_lease_that_is_given_up_begins_another() -> None:
    store = SlowToRegister(SettableClock())
    await store.open()
    leases = Leases(store, DURATION)
    first, second = (asyncio.create_task(leases.current()) for _ in range(2))
    await until(lambda: bool(store.asked))
    first.cancel()
    store.may_answer.set()
    lease = await second
    assert first.cancelled()
    assert store.asked[1:] == [lease.worker_id]
    assert await leases.beat() == []
    assert set(store.leases) == {lease.worker_id}
    await store.close()


@pytest.mark.gen_test
async def test_a_lease_that_requests_of_all_issuers_wait_for_is_registered_for_none_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    issuers: list[str] = []

    async def register(worker_id: str, duration: timedelta) -> None:
        issuers.append(present_issuer())

    async with opened() as shop:
        monkeypatch.setattr(shop.store, "register", register)
        with on_behalf_of("hog"):
            await shop.leases.current()
        assert issuers == [""]


@pytest.mark.gen_test
async def test_a_heartbeat_renews_every_lease_under_which_something_is_held() -> None:
    async with opened() as shop:
        first = await shop.leases.current()
        document = make_import(shop.clock)
        first.held[document.id] = document
        first.retired = True
        second = await shop.leases.current()
        shop.clock.advance(DURATION - SECOND)
        assert await shop.leases.beat() == []
        shop.clock.advance(DURATION - SECOND)
        await shop.store.recover(1)
        assert set(shop.store.leases) == {first.worker_id, second.worker_id}


@pytest.mark.gen_test
async def test_a_retired_lease_is_released_when_nothing_is_held_under_it_any_more() -> None:
    async with opened() as shop:
        lease = await shop.leases.current()
        document = make_import(shop.clock)
        lease.held[document.id] = document
        lease.retired = True
        await shop.leases.beat()
        assert shop.store.leases == [lease.worker_id]
        lease.held.clear()
        assert await shop.leases.beat() == [], "released is not lost"
        assert shop.store.leases == []
        releases = shop.store.calls["release"]
        await shop.leases.beat()
        assert shop.store.calls["release"] == releases


@pytest.mark.gen_test
async def test_a_lost_lease_is_told_once_and_never_claimed_under_again() -> None:
    async with opened() as shop:
        lease = await shop.leases.current()
        shop.clock.advance(DURATION)
        await shop.store.recover(1)
        assert await shop.leases.beat() == [lease]
        assert await shop.leases.beat() == []
        assert await shop.leases.current() is not lease


@pytest.mark.gen_test
@pytest.mark.parametrize("failing", [1, 2, 3])
async def test_a_heartbeat_that_fails_hides_no_lost_lease_and_keeps_no_other_from_being_renewed(failing: int) -> None:
    async with opened() as shop:
        leases = []
        for _ in range(3):
            lease = await shop.leases.current()
            lease.held["something"] = make_import(shop.clock)
            lease.retired = True
            leases.append(lease)
        lost = [lease for number, lease in enumerate(leases, 1) if number != failing]
        for lease in lost:
            await shop.store.release(lease.worker_id)
        shop.store.fault = lambda name, number: "before" if (name, number) == ("heartbeat", failing) else None
        assert await shop.leases.beat() == lost
        assert await shop.leases.beat() == []
        assert shop.store.leases == [leases[failing - 1].worker_id]


@pytest.mark.gen_test
async def test_a_release_that_fails_is_made_again() -> None:
    async with opened() as shop:
        for when in ("before", "after"):
            lease = await shop.leases.current()
            lease.retired = True
            shop.store.fault = lambda name, _number, when=when: when if name == "release" else None  # type: ignore[misc]
            await shop.leases.beat()
            shop.store.fault = lambda _name, _number: None
            assert await shop.leases.beat() == []
            assert shop.store.leases == []


@pytest.mark.gen_test
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lease_that_cannot_be_begun_is_not_claimed_under(when: Fault) -> None:
    async with opened() as shop:
        shop.store.fault = lambda _name, number: when if number == 1 else None
        with pytest.raises(StoreUnavailable):
            await shop.leases.current()
        assert (await shop.leases.current()).worker_id in shop.store.leases
        shop.store.fault = lambda _name, _number: None
        assert await shop.leases.beat() == []


@pytest.mark.gen_test
async def test_an_outage_leaves_nothing_to_release_behind() -> None:
    """Each look at the queue would add one, and there are many looks in an hour."""
    async with opened() as shop:
        shop.store.fault = lambda _name, _number: "before"
        for _ in range(100):
            with pytest.raises(StoreUnavailable):
                await shop.leases.current()
        shop.store.fault = lambda _name, _number: None
        await shop.leases.release_all()
        assert shop.store.calls["release"] == 0


@pytest.mark.gen_test
async def test_a_lease_whose_beginning_was_cancelled_is_released() -> None:
    async with opened() as shop:
        for nth in (1, 2):
            cancelled = CancelAt(shop.leases.current(), nth)
            await cancelled.run()
            assert cancelled.reached
            await shop.leases.release_all()
            assert shop.store.leases == []


@pytest.mark.gen_test
async def test_release_all_releases_what_it_can() -> None:
    async with opened() as shop:
        worker_ids = []
        for _ in range(3):
            lease = await shop.leases.current()
            lease.retired = True
            worker_ids.append(lease.worker_id)
        shop.store.fault = lambda name, number: "before" if (name, number) == ("release", 2) else None
        await shop.leases.release_all()
        assert shop.store.leases == [worker_ids[1]]
        shop.store.fault = lambda _name, _number: None
        await shop.leases.release_all()
        assert shop.store.calls["release"] == 3, "to release twice asks for nothing"
        assert len(asyncio.all_tasks()) == 1
