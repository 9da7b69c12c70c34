"""The simulation: workers that claim, run and finish imports on one database, event by event (simpy).

A worker is an event loop that does one thing at a time, 64 slots, and a writer that puts the results that have come
meanwhile into one write. MongoDB is a server with cores: a claim reads the queue and then writes, and loses what
another worker was quicker to write. A broker gives each import to one worker, and each worker looks into the queue once
in a while besides. SQLite is a lock: who finds it taken sleeps, ever longer, as SQLite's busy handler does. What is
left out: memory that does not suffice.
"""

import random
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import simpy

from bench.fleet.costs import Costs, Operation
from bench.fleet.queues import Job, Place, Places, Queue

CONCURRENCY: Final = 64
ROUNDS: Final = 10
"""See ``service.documents.mongo.claiming.claims``."""
POLL_SECONDS: Final = 1.0
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


@dataclass(slots=True)
class Outcome:
    """What a simulation counted.

    Attributes:
        operations: commands or transactions of the database.
        busy: seconds of the database's cores, or of its lock.
        lost: imports that a claim chose, and another worker was quicker to take.
        again: imports that ran twice, since their worker died.
    """

    jobs: Sequence[Job]
    operations: int = 0
    busy: float = 0.0
    again: int = 0
    lost: int = 0
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
        # In MongoDB each worker has a place of its own; elsewhere all of them go through the tenants together.
        self.place = Place(self.rng) if costs.is_exclusive or costs.broker is not None else None
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
        self._place = simulation.place or Place(simulation.rng)
        self._sweep_at = simulation.rng.uniform(0.0, POLL_SECONDS)
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
                lost_all = [self._env.timeout(POLL_SECONDS)] if free > 0 and self._all.queue else []
                yield self._env.any_of([self._wake, *lost_all])

    def _claim(self, free: int) -> Generator[Any, Any, list[Job]]:
        if not self._all.queue:
            return []
        if self._all.costs.is_exclusive or self._all.costs.broker is not None:
            return (yield from self._claim_alone(free))
        claimed: list[Job] = []
        for _ in range(ROUNDS):
            chosen, won = yield from self._claim_among_others(free - len(claimed))
            claimed += won
            if len(won) == len(chosen) or len(claimed) == free:
                break
        return claimed

    def _claim_alone(self, free: int) -> Generator[Any, Any, list[Job]]:
        """Claim what nobody else can: in a transaction, or by messages."""
        costs, shards = self._all.costs, self._all.fleet.shards
        jobs = self._all.queue.take(self._all.queue.choose(free, self._held, self._place))
        if not jobs:
            return []
        self._hold(jobs)
        claim, of_broker = costs.claim, 0.0
        if costs.broker is not None:
            claim, of_broker = costs.broker.claim, len(jobs) * costs.broker.message.worker.each
            if self._env.now >= self._sweep_at:
                self._sweep_at = self._env.now + POLL_SECONDS
                yield from self._think(costs.look.worker.of(0))
                yield from self._all.ask(costs.look, 0, shards)
            if self._all.cores is not None:
                self._env.process(self._all.compute(len(jobs) * costs.broker.message.server.each))
        yield from self._think(claim.worker.of(len(jobs)) + of_broker)
        yield from self._all.ask(claim, len(jobs), shards)
        self._begin(jobs)
        return jobs

    def _claim_among_others(self, free: int) -> Generator[Any, Any, tuple[list[Job], list[Job]]]:
        """Read the queue, and write what nobody else was quicker to take: what was chosen, and what was won."""
        costs, shards = self._all.costs, self._all.fleet.shards
        look, write = costs.look, costs.claim.without(costs.look)
        yield from self._think(look.worker.of(free))
        yield from self._all.ask(look, free, shards)
        chosen = self._all.queue.choose(free, self._held, self._place)
        if not chosen:
            return [], []
        yield from self._think(write.worker.of(len(chosen)))
        yield from self._all.ask(write, len(chosen))
        won = self._all.queue.take(chosen)
        lost = len(chosen) - len(won)
        self._all.outcome.lost += lost
        self._place.adapt(len(chosen), lost)
        if lost:  # it reads which of them it has
            yield from self._think(look.worker.call)
            yield from self._all.ask(look, 0)
        self._hold(won)
        self._begin(won)
        return chosen, won

    def _hold(self, jobs: Sequence[Job]) -> None:
        self.claimed.update(jobs)
        for job in jobs:
            self._held[job.tenant] = self._held.get(job.tenant, 0) + 1

    def _begin(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._env.process(self._import(job))

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
