"""Dispatch by a real NATS over the reference store: what a worker is given, and what becomes of the messages."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import nats
import pytest

import lading.service.documents.dispatch.nats.broker
from lading.service.documents import Bounds, StoreUnavailable, Taken
from lading.service.documents.dispatch import BrokerUnavailable
from lading.service.documents.dispatch.nats.broker import Broker
from lading.service.documents.dispatch.nats.dispatch import NatsDispatch
from lading.service.documents.dispatch.nats.options import NatsOptions
from lading.service.documents.dispatch.nats.stream import SHARDS, shard_of
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.models import Import
from lading.service.models.clock import SystemClock
from tests.conformance.documents.cases.base import FAILURE, LEASE, make_import
from tests.support.servers.programs.nats_server import NatsServer, nats_server
from tests.support.servers.programs.ports import free_port

NEVER = 3600.0
BOUNDS = Bounds(per_issuer=8)


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with nats_server() as running:
        yield running


@dataclass
class World:
    """A worker's part of the dispatch.

    Attributes:
        events: as the meter is told of them.
    """

    stream: str
    server: NatsServer
    sweep_seconds: float = NEVER
    clock: SystemClock = field(default_factory=SystemClock)
    events: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.store = MemoryDocumentStore(self.clock)
        self.broker = Broker(NatsOptions((self.server.url,), self.stream), self._count)
        self.dispatch = NatsDispatch(self.store, self.broker, self.sweep_seconds, random.Random(1), self._count)

    def _count(self, event: str, number: int) -> None:
        self.events[event] += number

    async def queue(self, *documents: Import, told: bool = True) -> None:
        for document in documents:
            await self.store.add(document)
            if told:
                self.dispatch.queued(document)

    async def claim(self, limit: int = 64, bounds: Bounds = BOUNDS) -> Sequence[Import]:
        """What the worker is given next; waits for it."""
        async with asyncio.timeout(30):
            while not (claimed := await self.dispatch.claim("worker", limit, bounds)):
                await self.dispatch.wait_for_work(0.2)
            return claimed

    async def end(self, document: Import) -> None:
        failed = document.failed(FAILURE, "url", self.clock.now())
        assert await self.store.update(failed)
        self.dispatch.written(document.id, failed)

    async def until_stored(self, number: int) -> None:
        """Wait until the broker keeps so many messages."""
        client = await nats.connect(self.server.url)
        try:
            async with asyncio.timeout(30):
                while (await client.jetstream().stream_info(self.stream)).state.messages != number:
                    await asyncio.sleep(0.02)
        finally:
            await client.close()

    async def stored(self, number: int) -> str:
        """The message with a number."""
        client = await nats.connect(self.server.url)
        try:
            return str((await client.jetstream().get_msg(self.stream, number)).data)
        finally:
            await client.close()


@asynccontextmanager
async def dispatching(
    server: NatsServer, stream: str, sweep_seconds: float = NEVER, backlog: int = 0
) -> AsyncIterator[World]:
    """The worker's first claim finds nothing unless there is a backlog, so that only messages tell of what comes after
    it.
    """
    world = World(stream, server, sweep_seconds)
    await world.store.open()
    await world.store.register("worker", LEASE)
    task = asyncio.create_task(world.dispatch.run())
    try:
        async with asyncio.timeout(30):
            await world.broker.came_up.wait()
        await world.queue(*(make_import(world.clock, issuer_id=str(number % 7)) for number in range(backlog)))
        assert bool(await world.dispatch.claim("worker", 8, BOUNDS)) is bool(backlog)
        yield world
    finally:
        task.cancel()
        await asyncio.wait({task})


def of_other_shard(issuer_id: str) -> str:
    """An issuer that does not share the shard of another."""
    return next(name for name in map(str, range(1000)) if shard_of(name) != shard_of(issuer_id))


def of_same_shard(issuer_id: str) -> str:
    return next(name for name in map(str, range(1000)) if shard_of(name) == shard_of(issuer_id))


def test_the_shard_of_an_issuer_is_the_same_in_every_version() -> None:
    assert [shard_of(name) for name in ("", "a", "issuer", "Zürich")] == [0, 3, 5, 14]
    assert {shard_of(str(number)) for number in range(1000)} == set(range(SHARDS))


@pytest.mark.gen_test(timeout=60)
async def test_messages_hand_out_each_import_once_and_end_with_it(server: NatsServer) -> None:
    async with dispatching(server, "once") as world:
        documents = [make_import(world.clock, issuer_id=str(number % 7)) for number in range(100)]
        await world.queue(*documents)
        claimed: list[Import] = []
        while len(claimed) < 100:
            some = await world.claim()
            claimed += some
            assert max(Counter(one.issuer_id for one in some).values()) <= 8
            for one in some:
                await world.end(one)
        assert sorted(one.id for one in claimed) == sorted(one.id for one in documents)
        await world.until_stored(0)
        assert world.events == Counter(published=100, pulled=100, swept=0, redelivered=0)


@pytest.mark.gen_test(timeout=60)
async def test_a_worker_that_begins_behind_a_backlog_asks_the_broker(server: NatsServer) -> None:
    async with dispatching(server, "backlog", backlog=2000) as world:
        for _ in range(2000 // 8 - 1):
            for one in await world.claim(8):
                await world.end(one)
            await asyncio.sleep(0.01)  # as work would take
            if world.events["pulled"]:
                break
        assert world.events["swept"] < 1000


@pytest.mark.gen_test(timeout=60)
async def test_an_import_that_is_tried_again_comes_again_when_it_is_due(server: NatsServer) -> None:
    async with dispatching(server, "again") as world:
        await world.queue(make_import(world.clock))
        (claimed,) = await world.claim()
        due = world.store.clock.now() + timedelta(milliseconds=300)
        again = claimed.requeued(FAILURE, due, world.clock.now())
        assert await world.store.update(again)
        world.dispatch.written(claimed.id, again)
        (second,) = await world.claim()
        assert (second.id, world.store.clock.now() >= due) == (claimed.id, True)
        world.dispatch.let_go(second.id)  # as after a result that could not be written
        await world.until_stored(1)
        assert world.events["swept"] == 0
        assert world.events["redelivered"] >= 1


@pytest.mark.gen_test(timeout=60)
async def test_what_nobody_may_start_now_stays_with_the_broker(server: NatsServer) -> None:
    async with dispatching(server, "left") as world:
        hidden = [make_import(world.clock, host="paused.example"), make_import(world.clock, issuer_id="full")]
        await world.queue(*hidden, seen := make_import(world.clock, issuer_id="seen"))
        bounds = Bounds({"full"}, {"paused.example"}, 8)
        assert [one.id for one in await world.claim(bounds=bounds)] == [seen.id]
        found = [one.id for _ in hidden for one in await world.claim(1)]
        assert sorted(found) == sorted(one.id for one in hidden)


@pytest.mark.gen_test(timeout=60)
async def test_messages_of_imports_that_are_not_queued_go(server: NatsServer) -> None:
    async with dispatching(server, "gone") as world:
        cancelled = make_import(world.clock)
        await world.queue(cancelled)
        assert await world.store.update(cancelled.cancelled(world.clock.now()))
        await world.queue(live := make_import(world.clock))
        (claimed,) = await world.claim()
        assert claimed.id == live.id
        await world.end(claimed)
        client = await nats.connect(server.url)
        await client.publish("gone.imports.3", b"no import")
        await client.publish("gone.imports.3", json.dumps(["nobody's", "a"]).encode())
        await client.close()
        for _ in range(3):
            await world.dispatch.claim("worker", 64, BOUNDS)
            await world.dispatch.wait_for_work(0.5)
        while world.events["pulled"] < 3:
            await world.dispatch.claim("worker", 64, BOUNDS)
            await world.dispatch.wait_for_work(0.1)
        await world.dispatch.claim("worker", 64, BOUNDS)
        await world.until_stored(0)


@pytest.mark.parametrize("neighbour", [of_other_shard, of_same_shard])
@pytest.mark.gen_test(timeout=60)
async def test_a_backlog_of_one_issuer_delays_no_other(server: NatsServer, neighbour: object) -> None:
    async with dispatching(server, f"hog-{getattr(neighbour, '__name__', '')}", sweep_seconds=0.2) as world:
        guest = of_other_shard("hog") if neighbour is of_other_shard else of_same_shard("hog")
        await world.queue(*(make_import(world.clock, issuer_id="hog") for _ in range(2000)))
        for _ in range(3):
            for one in await world.claim(8):
                await world.end(one)
        await world.queue(wanted := make_import(world.clock, issuer_id=guest))
        seen = 0
        while True:
            claimed = await world.claim(8)
            if wanted.id in {one.id for one in claimed}:
                break
            seen += len(claimed)
            for one in claimed:
                await world.end(one)
            await asyncio.sleep(0.01)  # as work would take
        assert seen < 1000


@pytest.mark.gen_test(timeout=60)
async def test_the_database_hands_out_what_the_broker_does_not_know(server: NatsServer) -> None:
    async with dispatching(server, "swept", sweep_seconds=0.1) as world:
        documents = [make_import(world.clock) for _ in range(20)]
        await world.queue(*documents, told=False)
        claimed: list[Import] = []
        while len(claimed) < 20:
            claimed += await world.claim()
        assert world.events == Counter(swept=20)


@pytest.mark.gen_test(timeout=90)
async def test_without_its_broker_the_database_dispatches(server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.documents.dispatch.nats.broker, "CONNECT_SECONDS", 2.0)
    async with dispatching(server, "away") as world:
        await world.queue(*(make_import(world.clock) for _ in range(5)))
        async with asyncio.timeout(30):
            while world.events["pulled"] < 5:
                await asyncio.sleep(0.01)
        server.kill()
        try:
            async with asyncio.timeout(30):
                while world.broker.came_up.is_set():
                    await asyncio.sleep(0.01)
            await world.queue(*(make_import(world.clock) for _ in range(5)))
            claimed: list[Import] = []
            while len(claimed) < 10:
                claimed += await world.claim()
            with pytest.raises(BrokerUnavailable):
                await Broker(NatsOptions((server.url,), "away")).probe()
        finally:
            server.empty()
        async with asyncio.timeout(30):
            await world.broker.came_up.wait()
        await world.queue(late := make_import(world.clock))
        assert [one.id for one in await world.claim()] == [late.id]
        for one in claimed:
            world.dispatch.written(one.id, None)  # their messages had the number that the late one has now
        await world.queue(last := make_import(world.clock))
        assert [one.id for one in await world.claim()] == [last.id]
        world.dispatch.written(last.id, None)
        await world.until_stored(1)
        assert late.id in await world.stored(1)
        world.dispatch.written(late.id, None)
        await world.until_stored(0)


@pytest.mark.gen_test(timeout=60)
async def test_a_claim_that_fails_leaves_the_messages_to_later_claims(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with dispatching(server, "failing") as world:
        claim_these = world.store.claim_these
        failures = [StoreUnavailable("away")]

        async def failing(worker_id: str, ids: Sequence[str], bounds: Bounds) -> Taken:
            if failures:
                raise failures.pop()
            return await claim_these(worker_id, ids, bounds)

        monkeypatch.setattr(world.store, "claim_these", failing)
        await world.queue(wanted := make_import(world.clock))
        with pytest.raises(StoreUnavailable):
            await world.claim()
        assert [one.id for one in await world.claim()] == [wanted.id]
        assert world.events["swept"] == 0


@pytest.mark.gen_test
async def test_a_probe_says_why_no_server_is_ready(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lading.service.documents.dispatch.nats.broker, "CONNECT_SECONDS", 1.0)
    broker = Broker(NatsOptions((f"nats://user:secret@127.0.0.1:{free_port()}",), "lading"))
    with pytest.raises(BrokerUnavailable, match=r"no server was ready within 1 s \(.*Connect call failed") as refused:
        await broker.probe()
    assert "secret" not in str(refused.value)
    assert capsys.readouterr().out == ""
