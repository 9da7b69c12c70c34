"""The simulation: workers that claim, run and finish imports on one database, event by event (simpy).

A worker is an event loop that does one thing at a time, 64 slots, and a writer that puts the results that have come
meanwhile into one write. MongoDB is a server with cores. SQLite is a lock: who finds it taken sleeps, ever longer, as
SQLite's busy handler does. What is left out: imports that two workers choose at once, and memory that does not suffice.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import simpy

from bench.fleet.costs import Costs, Operation

CONCURRENCY: Final = 64
PER_ISSUER: Final = 8
CLAIM_SECONDS: Final = 0.02
"""See ``service.work.worker``."""
LEASE: Final = 30.0
BUSY: Final = (0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.025, 0.025, 0.05, 0.05, 0.1)
"""Sleeps of SQLite's busy handler: sqliteDefaultBusyCallback in its main.c."""

Steps = Generator[Any, Any, None]


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is simulated.

    Attributes:
        workers: processes.
        cores: that the workers and the database share; None where each has machines of its own.
        database_cores: of each shard.
        shards: a claim asks each of them, any other write one.
        seconds: how long the host of an import takes.
        lost: the part of the workers that dies, and when.
    """

    workers: int
    cores: int | None = None
    database_cores: int = 8
    shards: int = 1
    seconds: Callable[[random.Random], float] = lambda _: 0.0
    lost: tuple[float, float] = (0.0, 0.0)


@dataclass(slots=True, eq=False)
class Job:
    """An import: its tenant, when it is accepted (in order; 0 for a backlog), and when it is done."""

    tenant: int
    accepted: float = 0.0
    done: float = -1.0


class Places:
    """Places that are taken in the order of asking, each for a time that is known then: one event for each use."""

    def __init__(self, count: int) -> None:
        self._free_at = [0.0] * count

    def until(self, now: float, seconds: float) -> float:
        """When a use ends that asks now."""
        ends = max(now, self._free_at[0]) + seconds
        heapq.heapreplace(self._free_at, ends)
        return ends


class Queue:
    """Queued imports by tenant, which a claim takes in turn, as ``DocumentStore.claim`` does."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._of: dict[int, deque[Job]] = {}
        for job in jobs:
            self.add(job)

    def add(self, job: Job) -> None:
        self._of.setdefault(job.tenant, deque()).append(job)

    def take(self, limit: int, held: dict[int, int]) -> list[Job]:
        """Up to ``limit`` imports, one of each tenant that is not full, then another of each."""
        taken: list[Job] = []
        for tenant in list(self._of):
            if len(taken) == limit:
                break
            if held.get(tenant, 0) >= PER_ISSUER:
                continue
            jobs = self._of.pop(tenant)
            taken.append(jobs.popleft())
            held[tenant] = held.get(tenant, 0) + 1
            if jobs:
                self._of[tenant] = jobs  # its turn comes again after all others
        if taken and len(taken) < limit:
            taken += self.take(limit - len(taken), held)
        return taken


@dataclass(slots=True)
class Outcome:
    """What a simulation counted.

    Attributes:
        operations: commands or transactions of the database.
        busy: seconds of the database's cores, or of its lock.
        again: imports that ran twice, since their worker died.
    """

    jobs: Sequence[Job]
    operations: int = 0
    busy: float = 0.0
    again: int = 0
    served: list[Job] = field(default_factory=list)


class Simulation:
    """A fleet at work on some imports."""

    def __init__(self, fleet: Fleet, costs: Costs, jobs: Sequence[Job], seed: int = 1) -> None:
        self.fleet, self.costs = fleet, costs
        self.outcome = Outcome(jobs)
        self.rng = random.Random(seed)  # noqa: S311 - a simulation
        self.env = simpy.Environment()
        self.queue = Queue([job for job in jobs if not job.accepted])
        self.cores = None if fleet.cores is None else simpy.Resource(self.env, fleet.cores)
        self.lock = simpy.Resource(self.env, 1)
        self.database = Places(fleet.database_cores * fleet.shards)
        self.workers = [Worker(self) for _ in range(fleet.workers)]
        self.left = len(jobs)
        self.idle: deque[Any] = deque()
        self.ended = self.env.event()

    def run(self) -> Outcome:
        """Simulate until every import is done."""
        for worker in self.workers:
            self.env.process(worker.run())
        self.env.process(self._accept([job for job in self.outcome.jobs if job.accepted]))
        part, moment = self.fleet.lost
        if part:
            self.env.process(self._lose(self.workers[: round(part * len(self.workers))], moment))
        self.env.run(until=self.ended)
        return self.outcome

    def _accept(self, jobs: Sequence[Job]) -> Steps:
        """Accept imports when they come."""
        for job in jobs:
            if job.accepted > self.env.now:
                yield self.env.timeout(job.accepted - self.env.now)
            self.queue.add(job)
            self.wake()
            self.outcome.busy += self.costs.accept.server.each

    def _lose(self, workers: Sequence["Worker"], moment: float) -> Steps:
        yield self.env.timeout(moment)
        for worker in workers:
            worker.is_dead = True
        yield self.env.timeout(LEASE)  # the leases end, and others recover what was claimed
        for worker in workers:
            for job in worker.claimed:
                if job.done < 0:
                    self.outcome.again += 1
                    self.queue.add(job)
                    self.wake()

    def wake(self) -> None:
        """Let a worker look that has found nothing."""
        while self.idle:
            event = self.idle.popleft()
            if not event.triggered:
                event.succeed()
                break

    def finish(self, jobs: Sequence[Job]) -> None:
        """Note that imports are done."""
        for job in jobs:
            job.done = self.env.now
        self.outcome.served += jobs
        self.left -= len(jobs)
        if self.left <= 0 and not self.ended.triggered:
            self.ended.succeed()

    def compute(self, seconds: float) -> Steps:
        """Use a core of those that all share."""
        if self.cores is None:
            yield self.env.timeout(seconds)
            return
        with self.cores.request() as core:
            yield core
            yield self.env.timeout(seconds)

    def ask(self, operation: Operation, count: int, shards: int = 1) -> Steps:
        """Let the database carry out an operation on so many imports."""
        self.outcome.operations += operation.commands
        seconds, wait = operation.server.of(count, shards), operation.wait.of(count)
        self.outcome.busy += seconds
        if self.costs.is_exclusive:
            tries = 0
            while self.lock.count:
                yield self.env.timeout(BUSY[min(tries, len(BUSY) - 1)])
                tries += 1
            with self.lock.request() as turn:
                yield turn
                yield from self.compute(seconds)
                yield self.env.timeout(wait)
            return
        if self.cores is not None:
            yield from self.compute(seconds)
            seconds = 0.0
        yield self.env.timeout(self.database.until(self.env.now, seconds) - self.env.now + wait)


class Worker:
    """A process with a worker."""

    def __init__(self, simulation: Simulation) -> None:
        self._all, self._env = simulation, simulation.env
        self._loop, self._turns = simpy.Resource(self._env, 1), Places(1)
        self._held: dict[int, int] = {}
        self._results: list[Job] = []
        self._is_writing = False
        self._wake = self._env.event()
        self.claimed: set[Job] = set()
        self.is_dead = False

    def run(self) -> Steps:
        """Claim, as long as there is room and work."""
        claimed_at = -CLAIM_SECONDS
        while not self.is_dead:
            free = CONCURRENCY - len(self.claimed)
            rest = claimed_at + CLAIM_SECONDS - self._env.now
            if rest > 0 and 0 < free < CONCURRENCY / 4:
                yield self._env.timeout(rest)
                free = CONCURRENCY - len(self.claimed)
            jobs = (yield from self._claim(free)) if free > 0 else []
            if jobs:
                claimed_at = self._env.now
            else:
                self._wake = self._env.event()
                if free > 0:
                    self._all.idle.append(self._wake)
                yield self._wake

    def _claim(self, free: int) -> Generator[Any, Any, list[Job]]:
        claim, shards = self._all.costs.claim, self._all.fleet.shards
        jobs = self._all.queue.take(free, self._held)
        if not jobs:
            return []
        self.claimed.update(jobs)
        yield from self._think(claim.worker.of(len(jobs)))
        yield from self._all.ask(claim, len(jobs), shards)
        for job in jobs:
            self._env.process(self._import(job))
        return jobs

    def _import(self, job: Job) -> Steps:
        seconds = self._all.fleet.seconds(self._all.rng)
        if seconds:
            yield self._env.timeout(seconds)
        yield from self._think(self._all.costs.run + self._all.costs.finish.worker.each)
        if self.is_dead:
            return
        self._results.append(job)
        if not self._is_writing:
            self._is_writing = True
            self._env.process(self._write())

    def _write(self) -> Steps:
        """Write results, those that come meanwhile together with the next."""
        finish = self._all.costs.finish
        while self._results and not self.is_dead:
            jobs, self._results = self._results, []
            if self._all.costs.is_exclusive:  # a thread of its own writes at once
                self._env.process(self._think(finish.worker.call))
            else:
                yield from self._think(finish.worker.call)
            yield from self._all.ask(finish, len(jobs))
            if self._dies():
                return
            self._all.finish(jobs)
            for job in jobs:
                self._held[job.tenant] -= 1
                self.claimed.discard(job)
            if not self._wake.triggered:
                self._wake.succeed()
        self._is_writing = False

    def _dies(self) -> bool:
        return self.is_dead

    def _think(self, seconds: float) -> Steps:
        """Use the event loop."""
        if self._all.cores is None:
            yield self._env.timeout(self._turns.until(self._env.now, seconds) - self._env.now)
            return
        with self._loop.request() as turn:
            yield turn
            yield from self._all.compute(seconds)
