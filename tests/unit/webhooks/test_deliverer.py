"""Which deliveries are sent when: within limits, each under a lease, and none hidden by others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from lading.plugins.capabilities import PostAnswer
from lading.plugins.net.urls import authority_of
from lading.service.webhooks.delivery.attempt import leased_until
from lading.service.webhooks.delivery.hosts import LONGEST_PAUSE, REMEMBERED, SHORTEST_PAUSE, Hosts
from lading.service.webhooks.delivery.record import DELIVERY, Delivery, DeliveryStatus, delivery_id
from lading.service.webhooks.delivery.sender import Deliverer
from lading.service.webhooks.endpoints import Endpoint
from tests.support.sending import KEEP, Sending


class Gate:
    """A receiver whose answers wait until it opens, and that counts who waits."""

    def __init__(self, sending: Sending) -> None:
        self.open = asyncio.Event()
        self.now: Counter[str] = Counter()
        self.peaks: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        sending.fetcher.post = self.post  # type: ignore[method-assign]

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> PostAnswer:
        names = ("", authority_of(url))
        self.now.update(names)
        self.peaks |= self.now
        self.seen[headers["webhook-id"]] += 1
        try:
            if authority_of(url) != "quick":
                await self.open.wait()
            return PostAnswer(200)
        finally:
            self.now.subtract(names)


async def add(sending: Sending, endpoint: Endpoint, count: int, prefix: str = "evt") -> None:
    now = sending.clock.now()
    for number in range(count):
        event_id = f"{prefix}_{number}"
        delivery = Delivery(
            id=delivery_id(event_id, endpoint.id, now),
            owner=endpoint.id,
            event_id=event_id,
            kind="import.done",
            body="{}",
            issuer_id=endpoint.issuer_id,
            url=None,
            host=authority_of(endpoint.url),
            created_at=now,
            due_at=now,
            expires_at=now + KEEP,
        )
        await sending.store.records.add(delivery.record)


async def delivered(sending: Sending, endpoint: Endpoint, count: int) -> None:
    """Wait until so many deliveries of the endpoint were accepted; the test's own timeout bounds it."""
    while True:
        records = await sending.store.records.list(DELIVERY, endpoint.id, 10_000)
        if sum(one.data["status"] == "delivered" for one in records) == count:
            return
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running(*deliverers: Deliverer) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one.run()) for one in deliverers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: object, value: int) -> None:
    assert callable(condition)
    while condition() < value:
        await asyncio.sleep(0.01)


@pytest.mark.gen_test
async def test_so_many_at_once_and_so_many_to_one_host() -> None:
    sending = await Sending.opened(concurrency=10, per_host=2)
    gate = Gate(sending)
    endpoints = [await sending.endpoint(f"test://host{number}/") for number in range(4)]
    for endpoint in endpoints:
        await add(sending, endpoint, 10)
    async with running(sending.deliverer):
        await until(lambda: gate.now[""], 5)
        gate.open.set()
        for endpoint in endpoints:
            await delivered(sending, endpoint, 10)
    assert gate.peaks[""] == 5
    assert max(count for host, count in gate.peaks.items() if host) == 2
    assert not sending.deliverer._tasks


@pytest.mark.gen_test
async def test_a_dead_host_with_a_long_queue_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lading.service.webhooks.delivery.sender.LOOK", 20)
    sending = await Sending.opened(concurrency=8, per_host=2)
    gate = Gate(sending)
    dead = await sending.endpoint("test://dead/")
    quick = await sending.endpoint("test://quick/")
    await add(sending, dead, 90, "dead")
    sending.clock.advance(timedelta(seconds=1))
    await add(sending, quick, 20, "quick")
    async with running(sending.deliverer):

        async def seen(prefix: str, count: int) -> None:
            while sum(event_id.startswith(prefix) for event_id in gate.seen) < count:
                sending.clock.advance(timedelta(seconds=1))  # for those that were postponed
                sending.deliverer.wake()
                await asyncio.sleep(0.01)

        await seen("quick", 20)
        assert gate.now["dead"] == 2
        gate.open.set()
        await seen("dead", 90)
    assert set(gate.seen.values()) == {1}


@pytest.mark.gen_test
async def test_an_issuer_with_slow_receivers_has_half_of_the_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lading.service.webhooks.delivery.sender.LOOK", 20)
    sending = await Sending.opened(concurrency=8, per_host=2)
    gate = Gate(sending)
    for number in range(30):
        await add(sending, await sending.endpoint(f"test://slow{number}/", issuer="hog"), 3, f"slow{number}")
    sending.clock.advance(timedelta(seconds=1))
    await add(sending, await sending.endpoint("test://quick/", issuer="guest"), 20, "quick")
    async with running(sending.deliverer):
        while sum(event_id.startswith("quick") for event_id in gate.seen) < 20:
            sending.clock.advance(timedelta(seconds=1))  # for those that were postponed
            sending.deliverer.wake()
            await asyncio.sleep(0.01)
        assert gate.now[""] == 4
        gate.open.set()


@pytest.mark.gen_test
async def test_issuers_take_turns_at_a_receiver_that_they_share() -> None:
    sending = await Sending.opened(concurrency=8, per_host=2)
    gate = Gate(sending)
    await add(sending, await sending.endpoint(issuer="hog"), 30, "hog")
    sending.clock.advance(timedelta(seconds=1))
    await add(sending, await sending.endpoint(issuer="guest"), 1, "guest")
    async with running(sending.deliverer):
        await until(lambda: gate.now["receiver"], 2)
        assert {event_id.partition("_")[0] for event_id in gate.seen} == {"hog", "guest"}
        gate.open.set()


@pytest.mark.gen_test
async def test_two_processes_send_each_delivery_once() -> None:
    sending = await Sending.opened()
    gate = Gate(sending)
    gate.open.set()
    endpoint = await sending.endpoint()
    await add(sending, endpoint, 60)
    others = [
        Deliverer(
            sending.store,
            sending.attempting,
            sending.attempting.rng,
            concurrency=4,
            per_host=4,
            poll_interval=0.02,
            timeout=5,
        )
        for _ in range(3)
    ]
    async with running(*others):
        await delivered(sending, endpoint, 60)
    assert (len(gate.seen), set(gate.seen.values())) == (60, {1})


@pytest.mark.gen_test
async def test_what_a_dead_process_had_begun_is_due_when_its_lease_has_ended() -> None:
    sending = await Sending.opened()
    gate = Gate(sending)
    endpoint = await sending.endpoint()
    await add(sending, endpoint, 1)
    leased = (await sending.delivery(endpoint.id)).due(leased_until(sending.clock.now(), 5))
    assert await sending.store.records.replace(leased.record)
    gate.open.set()
    async with running(sending.deliverer):
        await asyncio.sleep(0.15)
        assert not gate.seen
        sending.clock.advance(timedelta(seconds=20))
        await delivered(sending, endpoint, 1)


@pytest.mark.gen_test
async def test_a_stop_lets_attempts_end_and_ends_those_that_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lading.service.webhooks.delivery.sender.GRACE", 0.05)
    sending = await Sending.opened()
    gate = Gate(sending)
    endpoint = await sending.endpoint("test://quick/")
    hanging = await sending.endpoint("test://hanging/")
    await add(sending, endpoint, 3)
    await add(sending, hanging, 1, "hanging")
    async with running(sending.deliverer):
        await until(lambda: gate.now["hanging"], 1)
    assert gate.now["hanging"] == 0
    assert (await sending.delivery(hanging.id)).status is DeliveryStatus.PENDING
    await delivered(sending, endpoint, 3)


@pytest.mark.gen_test
async def test_a_replay_during_an_attempt_wins() -> None:
    sending = await Sending.opened()
    gate = Gate(sending)
    endpoint = await sending.endpoint()
    await add(sending, endpoint, 1)
    async with running(sending.deliverer):
        await until(lambda: gate.now[""], 1)
        replayed = (await sending.delivery(endpoint.id)).replayed(sending.clock.now(), KEEP)
        assert await sending.store.records.replace(replayed.record)
        gate.open.set()
        await delivered(sending, endpoint, 1)
    assert set(gate.seen.values()) == {2}


@pytest.mark.gen_test
async def test_an_outage_of_the_database_is_waited_for() -> None:
    sending = await Sending.opened()
    Gate(sending).open.set()
    endpoint = await sending.endpoint()
    await add(sending, endpoint, 3)
    await sending.store.close()
    async with running(sending.deliverer):
        await asyncio.sleep(0.1)
        await sending.store.open()
        await delivered(sending, endpoint, 3)


# --- hosts ------------------------------------------------------------------------------------------------------------


def test_turns_follow_the_pace_of_the_host() -> None:
    now = 100.0
    hosts = Hosts(2, lambda: now)
    assert hosts.pause("a") == pytest.approx(SHORTEST_PAUSE)
    assert [round(hosts.pause("a"), 3) for _ in range(2)] == [0.15, 0.2]
    for _ in range(40):
        hosts.begin("a")
        hosts.end("a", 10.0)
    first = hosts.pause("a")
    assert hosts.pause("a") - first == pytest.approx(5.0, rel=0.01)
    pauses = [hosts.pause("a") for _ in range(1000)]
    assert max(pauses) == LONGEST_PAUSE
    assert min(pauses) < 10


def test_there_is_room_until_the_limit_and_what_is_known_is_bounded() -> None:
    hosts = Hosts(2, lambda: 0.0)
    hosts.begin("a")
    assert hosts.has_room("a")
    hosts.begin("a")
    assert not hosts.has_room("a")
    for number in range(3 * REMEMBERED):
        hosts.begin(f"host{number}")
        hosts.end(f"host{number}", 0.1)
    assert not hosts.has_room("a")
    assert len(hosts._known) <= REMEMBERED + 1
    hosts.end("a", 0.1)
    assert hosts.has_room("a")
