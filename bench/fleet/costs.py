"""What accepting, claiming, running and finishing an import cost on this machine, by the running code."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from bench.fleet.free import CountedSqlite, make_worker
from bench.fleet.real import Database, make_import
from lading.service.documents import DocumentStore
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.models import Image, Import
from lading.service.models.clock import SystemClock

FEW: Final = 1
MANY: Final = 64
ROUNDS: Final = 25
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


@dataclass(frozen=True, slots=True)
class Costs:
    """All of a database.

    Attributes:
        run: seconds of CPU that a worker needs for an import between its claim and its result.
        is_exclusive: whether one process writes at a time.
    """

    accept: Operation
    claim: Operation
    finish: Operation
    run: float
    is_exclusive: bool

    def lines(self) -> list[str]:
        """One line for each operation, in microseconds."""
        found = []
        for name in ("accept", "claim", "finish"):
            parts = asdict(getattr(self, name))
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

        claims = [await _spent(database, store, [partial(claim, count)] * ROUNDS) for count in (FEW, MANY)]

        async def finish(count: int) -> None:
            now = SystemClock().now()
            some, claimed[:] = claimed[:count], claimed[count:]
            await asyncio.gather(*(store.update(one.succeeded(IMAGE, "free", now)) for one in some))

        finishes = [await _spent(database, store, [partial(finish, count)] * (ROUNDS - 1)) for count in (FEW, MANY)]
        is_exclusive = isinstance(store, CountedSqlite)
        return Costs(
            accept=_operation(accepts[0], accepts[1]),
            claim=_operation(claims[0], claims[1], commands=1 if is_exclusive else 2),
            finish=_operation(finishes[0], finishes[1]),
            run=statistics.median([await running() for _ in range(9)]),
            is_exclusive=is_exclusive,
        )
    finally:
        await store.close()


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
