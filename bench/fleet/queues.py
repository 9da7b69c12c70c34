"""What is waited for in the simulation: imports, as a claim sees them, which reads first and takes then; and places."""

import heapq
import random
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

PER_ISSUER: Final = 8
MOST_SPREAD: Final = 16
"""See ``service.documents.mongo.claiming.turns``."""


@dataclass(slots=True, eq=False)
class Job:
    """An import: its tenant, when it is accepted (in order; 0 for a backlog), and when it is done."""

    tenant: int
    accepted: float = 0.0
    done: float = -1.0
    is_taken: bool = False


class Places:
    """Places that are taken in the order of asking, each for a time that is known then: one event for each use."""

    def __init__(self, count: int) -> None:
        self._free_at = [0.0] * count

    def until(self, now: float, seconds: float) -> float:
        """When a use ends that asks now."""
        ends = max(now, self._free_at[0]) + seconds
        heapq.heapreplace(self._free_at, ends)
        return ends


class Place:
    """Where a worker is in the order of tenants, and how far it spreads its choice among the imports of each."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.last = -1
        self.spread = 1

    def adapt(self, tried: int, lost: int) -> None:
        """See ``Turns.adapt``."""
        if 4 * lost > tried:
            self.spread = min(MOST_SPREAD, 2 * self.spread)
        elif 20 * lost <= tried:
            self.spread = max(1, self.spread // 2)


class Queue:
    """Queued imports, of which each claim has those of the tenants in turn, as ``DocumentStore.claim`` does."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._of: dict[int, deque[Job]] = {}
        self._order: list[int] = []  # the tenants, sorted
        for job in jobs:
            self.add(job)

    def __len__(self) -> int:
        return len(self._of)

    def add(self, job: Job) -> None:
        """Queue an import."""
        job.is_taken = False
        if job.tenant not in self._of:
            self._of[job.tenant] = deque()
            insort(self._order, job.tenant)
        self._of[job.tenant].append(job)

    def choose(self, limit: int, held: Mapping[int, int], place: Place) -> list[Job]:
        """Up to ``limit`` imports, which stay queued: those of the tenants in turn, from the worker's place on."""
        start = bisect_right(self._order, place.last)
        order = (self._order[(start + number) % len(self._order)] for number in range(len(self._order)))
        tenants = list(islice((one for one in order if held.get(one, 0) < PER_ISSUER), limit))
        share = place.spread * -(-limit // max(1, len(tenants)))
        windows = [self._window(one, PER_ISSUER - held.get(one, 0), share, place) for one in tenants]
        chosen = [jobs[turn] for turn in range(PER_ISSUER) for jobs in windows if turn < len(jobs)][:limit]
        if chosen:
            place.last = chosen[-1].tenant
        return chosen

    def take(self, chosen: Sequence[Job]) -> list[Job]:
        """Those of the chosen ones that nobody else was quicker to take; they are queued no longer."""
        taken = []
        for job in chosen:
            if job.is_taken:
                continue
            job.is_taken = True
            taken.append(job)
            jobs = self._of[job.tenant]
            while jobs and jobs[0].is_taken:
                jobs.popleft()
            if not jobs:
                del self._of[job.tenant]
                del self._order[bisect_right(self._order, job.tenant) - 1]
        return taken

    def _window(self, tenant: int, most: int, share: int, place: Place) -> list[Job]:
        """The first imports of a tenant; where others claim the same, those of the first ``share`` at random."""
        free: Iterator[Job] = (job for job in self._of[tenant] if not job.is_taken)
        window = list(islice(free, max(most, share)))
        if place.spread > 1:
            first = window[:share]
            place.rng.shuffle(first)
            window[:share] = first
        return window[:most]
