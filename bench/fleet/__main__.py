"""A model of a fleet of workers, fed with costs of this run, and checked against real processes.

    python -m bench.fleet [--backends sqlite,mongo,nats] [--processes 1,2,4,8] [--imports 8000] [--no-check]

Prints the costs, then the check: worker processes whose imports cost nothing, measured and simulated side by side, and
then fleets that are only simulated. The exit status is 1 where a simulated rate is further than 25 % from the measured.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

import uvloop

from bench.fleet.costs import Costs, measured
from bench.fleet.model import Fleet, Simulation
from bench.fleet.queues import Job
from bench.fleet.real import ISSUERS, Database, databases, measure
from bench.fleet.scenarios import Row, hog, sizes, steady_rate, zone
from lading.service.observe import logs

CORES: Final = os.cpu_count() or 1
TOLERANCE: Final = 0.25
TOTALS: Final = (10**6, 10**9)


def check(database: Database, costs: Costs, processes: Sequence[int], imports: int) -> bool:
    """Print measured and simulated figures; whether they are alike."""
    print(f"\n{database.name}: coordination alone, {imports} imports")
    print(f"{'processes':>9} {'measured/s':>11} {'model/s':>9} {'off':>6} {'cores':>6} {'op/import':>10} {'model':>6}")
    are_alike = True
    for number in processes:
        real = measure(database.another(), number, imports)
        fleet = Fleet(number, cores=CORES, database_cores=CORES)
        outcome = Simulation(fleet, costs, [Job(one % ISSUERS) for one in range(imports)]).run()
        rate = steady_rate(outcome)
        off = rate / real.rate - 1
        are_alike = are_alike and abs(off) <= TOLERANCE
        figures = f"{number:>9} {real.rate:>11.0f} {rate:>9.0f} {off:>6.0%} {real.cores:>6.2f}"
        print(f"{figures} {real.operations:>10.2f} {outcome.operations / imports:>6.2f}", flush=True)
    return are_alike


def rows(costs: Costs) -> Iterator[Row]:
    """The fleets that are simulated."""
    yield from sizes(costs, TOTALS)
    yield hog(costs)
    yield zone(costs)


def show(costs: Costs) -> None:
    """Print the simulated fleets."""
    print(f"\n{'fleet':<42} {'imports/s':>9} {'p50 s':>6} {'p99 s':>6} {'Jain':>5} {'op/import':>9} {'database':>8}")
    for row in rows(costs):
        times = f"{row.rate:>9,.0f} {row.p50:>6.2f} {row.p99:>6.1f}"
        figures = f"{times} {row.jain:>5.2f} {row.operations:>9.2f} {row.load:>8.0%}"
        print(f"{row.name:<42} {figures}  {row.note}", flush=True)


def main() -> int:
    """Measure, simulate and print; whether the model holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", default="sqlite,mongo,nats")
    parser.add_argument("--processes", default="1,2,4,8")
    parser.add_argument("--imports", type=int, default=8000)
    parser.add_argument("--no-check", action="store_true", help="Simulate fleets alone.")
    arguments = parser.parse_args()
    logs.configure("error", "json")
    began, are_alike = time.monotonic(), True
    if os.getloadavg()[0] > CORES / 2:
        print(f"other work runs on this machine (load {os.getloadavg()[0]:.0f}): the check means little")
    with databases(arguments.backends.split(",")) as found:
        for database in found:
            costs = uvloop.run(measured(database))
            print(database.name, *costs.lines(), sep="\n  ", flush=True)
            if not arguments.no_check:
                processes = [int(number) for number in arguments.processes.split(",")]
                are_alike = check(database, costs, processes, arguments.imports) and are_alike
            if not costs.is_exclusive:
                show(costs)
    print(f"\n{time.monotonic() - began:.0f} s; measured on {CORES} cores that all processes share")
    return 0 if are_alike else 1


if __name__ == "__main__":
    sys.exit(main())
