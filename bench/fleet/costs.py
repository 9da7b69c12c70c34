"""What accepting, claiming, running and finishing an import cost on this machine, by the running code."""

import asyncio
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from bench.fleet.free import CountedSqlite, make_worker
from bench.fleet.real import ISSUERS, Database, make_import
from lading.service.documents import Bounds, DocumentStore
from lading.service.documents.dispatch.nats.broker import Broker
from lading.service.documents.dispatch.nats.dispatch import PREFETCH
from lading.service.documents.dispatch.nats.options import NatsOptions
from lading.service.documents.dispatch.nats.stream import shard_of
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.models import Image, Import
from lading.service.models.clock import SystemClock

FEW: Final = 1
MANY: Final = 64
ROUNDS: Final = 25
MESSAGES: Final = 4096
RUNS: Final = 256
"""Imports of a store in memory, whose own cost grows with them."""
LEASE: Final = timedelta(seconds=3600)
IMAGE: Final = Image("PNG", "image/png", 3, 2, 1, 15, "0" * 64, "memory", "key", "image.png")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds: of a call, and of each import of it."""

    call: float
    each: float

    def of(self, count: int, calls: int = 1) -> float:
        """Of so many imports in so many calls."""
        return calls * self.call + count * self.each

    @classmethod
    def between(cls, few: float, many: float) -> "Cost":
        """The line through what ``FEW`` and ``MANY`` imports cost in one call."""
        each = max(0.0, (many - few) / (MANY - FEW))
        return cls(max(0.0, few - FEW * each), each)

    def without(self, other: "Cost") -> "Cost":
        """What is left beside a part of it."""
        return Cost(max(0.0, self.call - other.call), max(0.0, self.each - other.each))


@dataclass(frozen=True, slots=True)
class Operation:
    """What a call of the store costs.

    Attributes:
        worker: of CPU in the process that calls.
        server: of CPU in MongoDB's server, or in SQLite's transaction.
        wait: that nobody computes: disks, the network, other processes.
        commands: that MongoDB carries out for it, or transactions of SQLite.
    """

    worker: Cost
    server: Cost
    wait: Cost
    commands: int = 1

    def without(self, other: "Operation") -> "Operation":
        """What is left beside a part of it."""
        return Operation(
            self.worker.without(other.worker),
            self.server.without(other.server),
            self.wait.without(other.wait),
            self.commands - other.commands,
        )


@dataclass(frozen=True, slots=True)
class OfBroker:
    """What a broker's part costs.

    Attributes:
        claim: of imports that the broker names.
        message: to pull and to acknowledge one; ``server`` is the broker's CPU.
    """

    claim: Operation
    message: Operation


@dataclass(frozen=True, slots=True)
class Costs:
    """All of a database, and of a broker if there is one.

    Attributes:
        look: the part of a claim that chooses.
        run: seconds of CPU that a worker needs for an import between its claim and its result.
        is_exclusive: whether one process writes at a time.
    """

    accept: Operation
    claim: Operation
    look: Operation
    finish: Operation
    run: float
    is_exclusive: bool
    broker: OfBroker | None = None

    def lines(self) -> list[str]:
        """One line for each operation, in microseconds."""
        found = []
        operations = {"accept": self.accept, "claim": self.claim, "choose": self.look, "finish": self.finish}
        if self.broker is not None:
            operations |= {"claim by messages": self.broker.claim, "message": self.broker.message}
        for name, operation in operations.items():
            parts = asdict(operation)
            of = (f"{part} {1e6 * parts[part]['call']:.0f} + {1e6 * parts[part]['each']:.0f}" for part in PARTS)
            found.append(f"{name}: {', '.join(of)} µs a call + an import")
        return [*found, f"run: worker {1e6 * self.run:.0f} µs an import"]


PARTS: Final = ("worker", "server", "wait")


@dataclass(frozen=True, slots=True)
class _Spent:
    """Seconds of one call."""

    worker: float
    server: float
    wait: float


async def _spent(database: Database, store: DocumentStore, calls: Sequence[Callable[[], Awaitable[Any]]]) -> _Spent:
    """The mean of the calls, one after another: the server's clock is too coarse for one."""
    server, cpu, wall = _server(database, store), time.process_time(), time.perf_counter()
    for call in calls:
        await call()
    server, cpu = _server(database, store) - server, time.process_time() - cpu
    wall = time.perf_counter() - wall
    if isinstance(store, CountedSqlite):
        cpu -= server  # its thread that writes is in this process
    each = 1 / len(calls)
    return _Spent(cpu * each, server * each, max(0.0, wall - cpu - server) * each)


def _server(database: Database, store: DocumentStore) -> float:
    return store.locked_cpu if isinstance(store, CountedSqlite) else database.server_cpu()


def _operation(few: _Spent, many: _Spent, commands: int = 1) -> Operation:
    return Operation(
        worker=Cost.between(few.worker, many.worker),
        server=Cost.between(few.server, many.server),
        wait=Cost.between(few.wait, many.wait),
        commands=commands,
    )


async def measured(database: Database) -> Costs:
    """Measure the costs on an empty database, which holds some imports then."""
    store = database.store()
    await store.open()
    try:
        number = iter(range(10**9))

        async def accept(count: int) -> None:
            await asyncio.gather(*(store.add(make_import(next(number))) for _ in range(count)))

        await accept(MANY)
        accepts = [await _spent(database, store, [partial(accept, count)] * ROUNDS) for count in (FEW, MANY)]
        await store.register("bench", LEASE)
        claimed: list[Import] = []

        async def claim(count: int) -> None:
            claimed.extend(await store.claim("bench", count))

        async def look(count: int) -> None:
            await store.claim("nobody", count)  # who has no lease gets nothing

        await look(FEW)  # a store learns which queues are long
        looks = [await _spent(database, store, [partial(look, count)] * ROUNDS) for count in (FEW, MANY)]
        claims = [await _spent(database, store, [partial(claim, count)] * ROUNDS) for count in (FEW, MANY)]
        broker = await _of_broker(database, store, claimed) if database.broker is not None else None

        async def finish(count: int) -> None:
            now = SystemClock().now()
            some, claimed[:] = claimed[:count], claimed[count:]
            await asyncio.gather(*(store.update(one.succeeded(IMAGE, "free", now)) for one in some))

        finishes = [await _spent(database, store, [partial(finish, count)] * (ROUNDS - 1)) for count in (FEW, MANY)]
        is_exclusive = isinstance(store, CountedSqlite)
        return Costs(
            accept=_operation(accepts[0], accepts[1]),
            claim=_operation(claims[0], claims[1], commands=1 if is_exclusive else 2),
            look=_operation(looks[0], looks[1]),
            finish=_operation(finishes[0], finishes[1]),
            run=statistics.median([await running() for _ in range(9)]),
            is_exclusive=is_exclusive,
            broker=broker,
        )
    finally:
        await store.close()


async def _of_broker(database: Database, store: DocumentStore, claimed: list[Import]) -> OfBroker:
    """Measure claims by ids of imports that are added for it, and messages, by a stream of their own."""
    ids: list[str] = []
    for first in range(0, (ROUNDS + 1) * (FEW + MANY), MANY):
        documents = [make_import(first + number) for number in range(MANY)]
        await asyncio.gather(*(store.add(one) for one in documents))
        ids += [one.id for one in documents]

    async def claim(count: int) -> None:
        some, ids[:] = ids[:count], ids[count:]
        claimed.extend((await store.claim_these("bench", some, Bounds())).claimed)

    claims = [await _spent(database, store, [partial(claim, count)] * ROUNDS) for count in (FEW, MANY)]
    broker = Broker(NatsOptions((database.place["nats"],), f"{database.place['database']}-messages"))
    connection = asyncio.create_task(broker.run())
    await broker.came_up.wait()
    for number in range(MESSAGES):
        broker.publish(str(uuid.uuid4()), str(number % ISSUERS))
    shards = {shard_of(str(number)) for number in range(ISSUERS)}
    await broker.drain(10.0)
    cpu, server, pulled = time.process_time(), database.broker_cpu(), 0
    while pulled < MESSAGES:
        for shard in shards:
            messages = await broker.pull(shard, PREFETCH)
            for one in messages:
                broker.acknowledge(one)
            pulled += len(messages)
            if pulled == MESSAGES:
                break  # another question would wait for messages
    await broker.drain(10.0)
    cpu, server = (time.process_time() - cpu) / MESSAGES, (database.broker_cpu() - server) / MESSAGES
    connection.cancel()
    await asyncio.wait({connection})
    nothing = Cost(0.0, 0.0)
    return OfBroker(
        claim=_operation(claims[0], claims[1], commands=2),
        message=Operation(Cost(0.0, cpu), Cost(0.0, server), nothing, commands=0),
    )


async def running() -> float:
    """Seconds of CPU for an import of a worker on a store in memory."""
    store = MemoryDocumentStore(SystemClock())
    await store.open()
    for number in range(RUNS):
        await store.add(make_import(number))
    worker = make_worker(store, "bench")
    cpu = time.process_time()
    task = asyncio.create_task(worker.run())
    while await store.unfinished(1):  # noqa: ASYNC110 - the store tells nobody
        await asyncio.sleep(0.05)
    cpu = time.process_time() - cpu
    worker.stop()
    await task
    await store.close()
    return cpu / RUNS
