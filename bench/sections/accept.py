"""Accepted POSTs a second, and what one takes, against a bare handler that keeps nothing (``bench.bare``)."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from bench.lading import ACCEPTING, lading, mongo
from bench.processes import listening
from bench.rig import Rig, say
from bench.rows import Goal, Measure, Row, Table
from bench.wrk import Load, load, script
from tests.support.servers.mongod import replica_set
from tests.support.servers.programs.ports import free_port

BARE = "bare handler"
GOALS = {"Lading, SQLite": 0.75, "Lading, MongoDB": 0.70}
JUDGED_CONNECTIONS = 32


def measure(rig: Rig) -> Sequence[Table]:
    """See ``bench.sections``."""
    connections = rig.choose((1, 32, 256), (32, 256), (32,))
    seconds = rig.choose(2, 1, 1)
    samples: dict[int, dict[str, list[Load]]] = {}
    with ExitStack() as stack:
        ports = _servers(rig, stack)
        lua = script(rig.directory)
        for number, count in enumerate(connections):
            samples[count] = {name: [] for name in ports}
            for port in ports.values():
                load(port, lua, count, 1)  # warm-up
            for name in rig.turns(list(ports), share=1 / (len(connections) - number)):
                samples[count][name].append(load(ports[name], lua, count, seconds))
            say(
                f"{count} connections: "
                + ", ".join(f"{name} {runs[-1].rate:,.0f}/s" for name, runs in samples[count].items())
            )
    return [_table(samples, seconds)]


def _servers(rig: Rig, stack: ExitStack) -> dict[str, int]:
    """All of them, idle but for the one that is asked; their ports."""
    bare = free_port()
    stack.enter_context(listening(["bench.bare", str(bare)], bare, log=rig.directory / "bare.log"))
    sqlite = stack.enter_context(lading(rig.fresh("accept-sqlite"), ACCEPTING))
    database = mongo(stack.enter_context(replica_set()).uri, "lading_accept")
    on_mongo = stack.enter_context(lading(rig.fresh("accept-mongo"), {**ACCEPTING, **database}))
    return {BARE: bare, "Lading, SQLite": sqlite.port, "Lading, MongoDB": on_mongo.port}


def _table(samples: Mapping[int, Mapping[str, Sequence[Load]]], seconds: int) -> Table:
    rows = []
    for count, found in samples.items():
        for attribute, unit in (("rate", "POST/s"), ("p50", "ms"), ("p99", "ms")):
            for name, runs in found.items():
                is_rate = attribute == "rate"
                is_judged = is_rate and count == JUDGED_CONNECTIONS and name in GOALS
                what = "" if is_rate else f", {attribute}"
                row = Row(
                    name=f"{name}, {count} connections{what}" if count > 1 else f"{name}, 1 connection{what}",
                    unit=unit,
                    values=tuple(getattr(run, attribute) for run in runs),
                    reference=f"{BARE}, {count} connections{what}" if count > 1 else f"{BARE}, 1 connection{what}",
                    reference_values=tuple(getattr(run, attribute) for run in found[BARE]),
                    higher_is_better=is_rate,
                    goal=Goal(Measure.RATIO, GOALS[name]) if is_judged else None,
                    tried=sum(run.answers for run in runs),
                    succeeded=sum(run.answers - min(run.errors, run.answers) for run in runs),
                )
                rows.append(row)
    return Table("accept", TEXT.format(seconds=seconds), tuple(rows))


TEXT = (
    "What was measured: POST /api/v1/imports with a form and a token that is verified, answered with the document;"
    " wrk on loopback with one thread, {seconds} s a round and server, after one second of warm-up. One service"
    " process without its worker, with default settings otherwise; SQLite with synchronous=FULL, MongoDB as a replica"
    " set of one with w:majority: every answered import is durable. The reference is a Tornado handler on uvloop, as"
    " the service, in one process as well: it parses the same form, verifies the same token with PyJWT and answers the"
    " same bytes, and keeps nothing. Succeeded are answers of status 200."
)
