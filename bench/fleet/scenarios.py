"""Fleets too large for one machine: their throughput, time to done, fairness, and operations of the database."""

import random
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.fleet.costs import Costs
from bench.fleet.model import Fleet, Outcome, Simulation
from bench.fleet.queues import Job

SIMULATED: Final = 64_000
"""Imports that the simulation of a lost zone has at most."""
ROUNDS: Final = 4
"""How often each slot is filled."""
DATABASE_CORES: Final = 8
"""Of the primary of each shard."""
TENANTS: Final = 10_000
LOAD: Final = 0.8
"""Part of the capacity that comes in, where time to done is told."""
SLOWEST: Final = 60.0
DAY: Final = 86_400


def heavy_tailed(rng: random.Random) -> float:
    """Seconds of a host: half a second mostly, and a Pareto tail that ends where the fetch gives up."""
    return min(SLOWEST, 0.3 * rng.paretovariate(1.3))


@dataclass(frozen=True, slots=True)
class Row:
    """What a scenario gives.

    Attributes:
        rate: imports a second.
        p50, p99: seconds from accepted to done.
        jain: Jain's index of what tenants got while all of them waited: 1 where all got the same.
        operations: of the database, for each import.
        load: how much of its cores the database needs.
        note: what else is to be said.
    """

    name: str
    rate: float
    p50: float
    p99: float
    jain: float
    operations: float
    load: float
    note: str = ""


def jain(shares: Sequence[float]) -> float:
    """Jain's index: 1 where all shares are equal, 1/n where one has all (R. Jain et al., DEC-TR-301, 1984)."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def steady_rate(outcome: Outcome) -> float:
    """Imports a second, without the first and the last tenth."""
    moments = sorted(job.done for job in outcome.served)
    tenth = max(1, len(moments) // 10)
    return (len(moments) - 2 * tenth) / (moments[-tenth] - moments[tenth])


def row_of(name: str, fleet: Fleet, costs: Costs, outcome: Outcome, note: str = "") -> Row:
    """The figures of one simulation."""
    waits = sorted(job.done - job.accepted for job in outcome.served)
    places = 1 if costs.is_exclusive else fleet.database_cores * fleet.shards
    rate = steady_rate(outcome)
    return Row(
        name,
        rate,
        statistics.median(waits),
        waits[int(0.99 * (len(waits) - 1))],
        jain(list(Counter(job.tenant for job in outcome.served[: len(outcome.served) // 2]).values())),
        outcome.operations / len(outcome.served),
        outcome.busy / len(outcome.served) * rate / places,
        note,
    )


def sizes(costs: Costs, totals: Sequence[int]) -> Iterator[Row]:
    """Fleets of 10 to 1,000 workers, hosts with heavy tails, one database and 8 shards. Of the largest ones, a quarter
    is simulated: a quarter of the workers on a quarter of each shard's cores.
    """
    for workers, shards, part in ((10, 1, 1), (100, 1, 1), (1000, 1, 4), (1000, 8, 4)):
        fleet = Fleet(workers // part, shards=shards, seconds=heavy_tailed, database_cores=DATABASE_CORES // part)
        count = max(5000, ROUNDS * 64 * fleet.workers)
        backlog = Simulation(fleet, costs, [Job(number % TENANTS) for number in range(count)]).run()
        rate = steady_rate(backlog)
        gap = 1 / (LOAD * rate)
        coming = [Job(number % TENANTS, (number + 1) * gap) for number in range(count)]
        outcome = Simulation(fleet, costs, coming).run()
        row = row_of(f"{workers} workers, {shards} shard{'s' * (shards > 1)}", fleet, costs, outcome)
        rate *= part
        hours = ", ".join(f"10^{len(str(total)) - 1} in {total / rate / 3600:,.2f} h" for total in totals)
        note = f"{hours}, extrapolated from {count:,}{' of a quarter' * (part > 1)}"
        yield Row(
            row.name,
            rate,
            row.p50,
            row.p99,
            1.0,
            row.operations,
            min(1.0, row.load / LOAD),
            note,
        )


def hog(costs: Costs) -> Row:
    """One tenant has half of all imports, 10,000 others have the rest."""
    fleet, small = Fleet(100, seconds=heavy_tailed, database_cores=DATABASE_CORES), 4
    jobs = [Job(0) for _ in range(TENANTS * small)] + [Job(1 + number % TENANTS) for number in range(TENANTS * small)]
    outcome = Simulation(fleet, costs, jobs).run()
    others = [job for job in outcome.served if job.tenant]
    window = outcome.served[: next(i for i, job in enumerate(outcome.served) if job is others[len(others) // 2])]
    shares = Counter(job.tenant for job in window)
    row = row_of("100 workers, a hog among 10,000 tenants", fleet, costs, outcome)
    last = max(job.done for job in others)
    note = f"the 10,000 are done after {last:.1f} s, the hog after {max(job.done for job in jobs):.1f} s"
    index = jain([shares[tenant] for tenant in range(TENANTS + 1)])
    return Row(row.name, row.rate, row.p50, row.p99, index, row.operations, row.load, note)


def zone(costs: Costs) -> Row:
    """A third of the workers dies."""
    moment = 20.0
    fleet = Fleet(99, seconds=heavy_tailed, lost=(1 / 3, moment))
    healthy = Fleet(99, seconds=heavy_tailed)
    rate = steady_rate(Simulation(healthy, costs, [Job(number % TENANTS) for number in range(30_000)]).run())
    gap = 1 / (0.6 * rate)
    jobs = [Job(number % TENANTS, (number + 1) * gap) for number in range(min(SIMULATED, int(0.6 * rate * 90)))]
    outcome = Simulation(fleet, costs, jobs).run()
    row = row_of("99 workers at 60 % load, a zone of 33 lost", fleet, costs, outcome)
    late = max(job.done for job in jobs) - jobs[-1].accepted
    note = f"{outcome.again} imports ran again; all were done {late:.1f} s after the last one came"
    return Row(row.name, row.rate, row.p50, row.p99, row.jain, row.operations, row.load, note)
