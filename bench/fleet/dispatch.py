"""Who hands out imports: the documents or a broker, side by side, with imports that cost nothing.

    python -m bench.fleet.dispatch [--processes 4] [--imports 8000] [--rounds 3] [--backend mongo] [--before DIRECTORY]

Each round measures all of them, one after another, each on an empty database of one server. ``--before`` names a
checkout of an earlier commit, whose workers claim from the documents too. Prints the median of the rounds, and the
first and the last of them in order: imports a second, commands of the database an import, and milliseconds of CPU an
import of the workers, of the database's server and of the broker.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.fleet.real import Database, Measured, databases, measure
from lading.service.observe import logs
from tests.support.servers.programs.nats_server import nats_server


def show(name: str, found: Sequence[Measured]) -> None:
    """Print the medians."""

    def median(figure: Callable[[Measured], float]) -> float:
        return statistics.median(figure(one) for one in found)

    rates = f"{min(one.rate for one in found):.0f} to {max(one.rate for one in found):.0f}"
    workers, server = 1000 * median(lambda one: one.worker_cpu), 1000 * median(lambda one: one.server_cpu)
    broker, cores = 1000 * median(lambda one: one.broker_cpu), median(lambda one: one.cores)
    times = f"{workers:>10.3f} {server:>10.3f} {broker:>9.3f} {cores:>6.2f}"
    operations = median(lambda one: one.operations)
    print(f"{name:<18} {median(lambda one: one.rate):>9.0f} {rates:>14} {operations:>10.3f} {times}", flush=True)
    if found[-1].events:
        print("  an import:", ", ".join(f"{event} {number:.3f}" for event, number in found[-1].events.items()))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--imports", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backend", choices=("mongo", "sqlite"), default="mongo")
    parser.add_argument("--before", type=Path, help="a checkout of an earlier commit")
    parser.add_argument("--only", choices=("documents", "nats"))
    arguments = parser.parse_args()
    logs.configure("error", "json")
    found: dict[str, list[Measured]] = {}
    with databases([arguments.backend]) as (database,), nats_server() as broker:
        kinds: list[tuple[str, Callable[[], Database], Path | None]] = [
            ("documents", database.another, None),
            ("nats", lambda: database.another().by(broker), None),
        ]
        kinds = [kind for kind in kinds if arguments.only in (None, kind[0])]
        if arguments.before is not None:
            kinds.insert(0, ("documents, before", database.another, arguments.before))
        for _ in range(arguments.rounds):
            for name, make, code in kinds:
                found.setdefault(name, []).append(measure(make(), arguments.processes, arguments.imports, code))
    of = f"{arguments.imports} imports, {arguments.processes} workers, {arguments.rounds} rounds"
    print(f"{of}\n{'':<18} {'imports/s':>9} {'':>14} {'op/import':>10} {'workers ms':>10}", end=" ")
    print(f"{arguments.backend + ' ms':>10} {'broker ms':>9} {'cores':>6}")
    for name, measured in found.items():
        show(name, measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
