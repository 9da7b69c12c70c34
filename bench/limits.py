"""How exactly N processes hold one request limit together, and what that costs the document store.

    python -m bench.limits [--processes 1,2,4,8] [--backends sqlite,mongo] [--seconds 8]

Each process has a store of its own on one database, and asks whether it may serve a request, again and again. An issuer
may send 100 requests a second and 1000 at once, which it does first. Then the processes are asked for twice as much
together, or for 80 %:

    steady    one request after another, evenly on all processes
    bursty    all that come within two seconds come at once
    skewed    nine of ten come to the first process

``served`` is against the limit (twice as much) or against what came (80 %). ``excess`` is how many requests any span
of time had over ``burst + rate * t``; 200, two seconds of the rate, is the bound. Reads and writes of the store are
per process and second, and per request.
"""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from lading.service.documents import DocumentStore
from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.store import MongoDocumentStore
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.limits.rates import Policy, Rates
from lading.service.models.clock import SystemClock
from tests.support.servers.mongod import replica_set

RATE: Final = 100
BURST: Final = 1000
WARM: Final = 4.0
"""Seconds until all is steady."""
LOADS: Final = {"twice": 2.0, "80 %": 0.8}
PATTERNS: Final = ("steady", "bursty", "skewed")


def demand(pattern: str, total: float, process: int, processes: int) -> float:
    """Requests a second that come to a process."""
    if pattern != "skewed" or processes == 1:
        return total / processes
    return 0.9 * total if process == 0 else 0.1 * total / (processes - 1)


def moments(pattern: str, rate: float, seconds: float, phase: float) -> Iterator[tuple[float, int]]:
    """When requests come, and how many at once."""
    if pattern == "bursty":
        step, count = 2.0, round(2 * rate)
    else:
        step, count = 1 / rate, 1
    at = phase * step
    while at < seconds:
        yield at, count
        at += step


def counted(store: DocumentStore) -> list[float]:
    """The moments of all operations on records from now on."""
    calls: list[float] = []

    def wrapped(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counting(*arguments: Any) -> Any:
            calls.append(time.monotonic())
            return await call(*arguments)

        return counting

    for name in ("add", "get", "replace"):
        setattr(store.records, name, wrapped(getattr(store.records, name)))
    return calls


async def drive(options: argparse.Namespace) -> dict[str, list[float]]:
    """Be one process; the moments of served and refused requests, and of operations."""
    store: DocumentStore = (
        MongoDocumentStore(MongoOptions(options.uri, options.database), SystemClock())
        if options.uri
        else SqliteDocumentStore(Path(options.database), SystemClock())
    )
    await store.open()
    calls = counted(store)
    policy = Policy("issuer", BURST, BURST // RATE)
    rates = Rates(store.records, store.clock, policy, Policy("organization", 0, 60))
    found: dict[str, list[float]] = {"served": [], "refused": []}

    async def ask() -> None:
        decision = await rates.admit("issuer", "o")
        found["served" if decision.retry_after is None else "refused"].append(time.monotonic())

    pending: set[asyncio.Task[None]] = set()
    phase = options.process / options.count
    print("ready", flush=True)
    start = float(await asyncio.to_thread(sys.stdin.readline))
    await asyncio.sleep(start - time.monotonic())
    await asyncio.gather(*(ask() for _ in range(0 if options.process else BURST)))
    for at, count in moments(options.pattern, options.rate, WARM + options.seconds, phase):
        await asyncio.sleep(start + at - time.monotonic())
        for _ in range(count):
            pending.add(task := asyncio.create_task(ask()))
            task.add_done_callback(pending.discard)
    if pending:
        await asyncio.wait(pending)
    await rates.close()
    await store.close()
    return {**found, "calls": calls}


def excess(served: Sequence[float]) -> float:
    """By how many requests the worst span of time is over the limit."""
    level, worst, before = 0.0, 0.0, 0.0
    for moment in sorted(served):
        level = max(0.0, level - RATE * (moment - before)) + 1
        worst, before = max(worst, level), moment
    return max(0.0, worst - BURST)


def measured(command: Sequence[str], pattern: str, load: float, processes: int, seconds: float) -> str:
    """The columns of a row."""
    children = []
    for process in range(processes):
        rate = demand(pattern, load * RATE, process, processes)
        arguments = {"process": process, "count": processes, "rate": rate, "seconds": seconds}
        more = [f"--{name}={value}" for name, value in arguments.items()]
        line = [sys.executable, "-m", "bench.limits", *command, f"--pattern={pattern}", *more]
        pipe = subprocess.PIPE
        children.append(subprocess.Popen(line, text=True, stdin=pipe, stdout=pipe))  # noqa: S603  # our own
    for child in children:
        if child.stdout is None or child.stdout.readline() != "ready\n":
            raise RuntimeError("a process did not start")
    start = time.monotonic() + 0.5
    found: dict[str, list[float]] = {"served": [], "refused": [], "calls": []}
    for child in children:
        if child.stdin is not None:
            child.stdin.write(f"{start}\n")
            child.stdin.flush()
    for child in children:
        said, _ = child.communicate(timeout=120)
        for name, times in json.loads(said).items():
            found[name] += times
    steady = {name: sum(at >= start + WARM for at in times) for name, times in found.items()}
    came = steady["served"] + steady["refused"]
    expected = min(came, RATE * seconds)
    operations = steady["calls"]
    return (
        f"{steady['served'] / expected:10.1%}{excess(found['served']):10.0f}"
        f"{operations / processes / seconds:12.2f}{operations / came:12.3f}"
    )


@contextlib.contextmanager
def database(backend: str) -> Iterator[Callable[[int], list[str]]]:
    """Gives the arguments of a new database."""
    if backend == "mongo":
        with replica_set() as server:
            yield lambda number: [f"--uri={server.uri}", f"--database=bench_limits_{number}"]
        return
    with tempfile.TemporaryDirectory() as folder:
        yield lambda number: [f"--database={folder}/{number}.sqlite3"]


def main() -> None:
    """Measure, and print the rows."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", default="1,2,4,8")
    parser.add_argument("--backends", default="sqlite,mongo")
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    hidden = {"uri": str, "database": str, "pattern": str, "process": int, "count": int, "rate": float}
    for name, kind in hidden.items():
        parser.add_argument(f"--{name}", type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()

    if options.pattern:
        print(json.dumps(asyncio.run(drive(options))))
        return
    print(f"{'':32}{'':10}{'excess':>10}{'operations':>12}{'operations':>12}")
    print(f"{'':8}{'load':8}{'pattern':8}{'N':>8}{'served':>10}{'requests':>10}{'a second':>12}{'a request':>12}")
    for backend in options.backends.split(","):
        with database(backend) as made:
            number = 0
            for load, factor in LOADS.items():
                for pattern in PATTERNS:
                    for processes in map(int, options.processes.split(",")):
                        number += 1
                        columns = measured(made(number), pattern, factor, processes, options.seconds)
                        print(f"{backend:8}{load:8}{pattern:8}{processes:8}{columns}", flush=True)


if __name__ == "__main__":
    main()
