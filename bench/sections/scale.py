"""Several processes that share the work through one database of MongoDB."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from bench.images import make_small
from bench.importing import Sample, import_all
from bench.lading import ACCEPTING, WIDE, Lading, lading, mongo
from bench.origin import origin
from bench.rig import Rig, say
from bench.rows import Row, Table
from bench.wrk import Load, load, script
from tests.support.servers.mongod import ReplicaSet, replica_set

CONNECTIONS = 32


def measure(rig: Rig) -> Sequence[Table]:
    """See ``bench.sections``."""
    count = rig.choose(1000, 300, 50)
    seconds = rig.choose(2, 1, 1)
    numbers = [number for number in (1, 2, 4) if number <= max(2, os.cpu_count() or 1)]
    root = rig.fresh("scale-root")
    paths = make_small(root, count)
    accepts: dict[str, list[Load]] = {_name(number): [] for number in numbers}
    imports: dict[str, list[Sample]] = {_name(number): [] for number in numbers}
    with replica_set() as running, origin(rig.fresh("scale-nginx"), root) as url:
        urls = [url + path for path in paths]
        with ExitStack() as stack:
            services = {_name(number): _service(rig, stack, running, number, accepting=True) for number in numbers}
            lua = script(rig.directory)
            for service in services.values():
                load(service.port, lua, CONNECTIONS, 1)
            for name in rig.turns(list(services), share=0.4):
                accepts[name].append(load(services[name].port, lua, CONNECTIONS, seconds))
        with ExitStack() as stack:
            services = {_name(number): _service(rig, stack, running, number, accepting=False) for number in numbers}
            for service in services.values():
                import_all(service.port, urls[: count // 10], rig.directory)
            for name in rig.turns(list(services)):
                imports[name].append(import_all(services[name].port, urls, rig.directory))
                services[name].empty_images()
                say(f"{name}: {accepts[name][-1].rate:,.0f} accepts/s, {imports[name][-1].rate:,.0f} imports/s")
    return [Table("scale", TEXT.format(count=count, seconds=seconds), _rows(accepts, imports))]


def _name(number: int) -> str:
    return f"{number} process{'es' if number > 1 else ''}"


def _service(rig: Rig, stack: ExitStack, running: ReplicaSet, number: int, *, accepting: bool) -> Lading:
    name = f"scale-{'accept' if accepting else 'import'}-{number}"
    overrides = {**(ACCEPTING if accepting else WIDE), **mongo(running.uri, f"lading_{name}")}
    return stack.enter_context(lading(rig.fresh(name), overrides, processes=number))


def _rows(accepts: Mapping[str, Sequence[Load]], imports: Mapping[str, Sequence[Sample]]) -> tuple[Row, ...]:
    first = next(iter(accepts))
    rows = []
    for name, loads in accepts.items():
        row = Row(
            name=f"accepts, {name}",
            unit="POST/s",
            values=tuple(one.rate for one in loads),
            reference=f"accepts, {first}",
            reference_values=tuple(one.rate for one in accepts[first]),
            tried=sum(one.answers for one in loads),
            succeeded=sum(one.answers - min(one.errors, one.answers) for one in loads),
        )
        rows.append(row)
    for name, samples in imports.items():
        row = Row(
            name=f"imports, {name}",
            unit="images/s",
            values=tuple(one.rate for one in samples),
            reference=f"imports, {first}",
            reference_values=tuple(one.rate for one in imports[first]),
            tried=sum(one.tried for one in samples),
            succeeded=sum(one.succeeded for one in samples),
        )
        rows.append(row)
    return tuple(rows)


TEXT = (
    "What was measured: services of one, two and, where there are as many cores, four processes, each service with"
    " its own database on one MongoDB (a replica set of one, w:majority), all waiting while one is measured. Accepts"
    " as in accept (32 connections, {seconds} s a round), imports as in pipeline ({count:,} images of 45 KB, every"
    " frame decoded). The client, the origin and MongoDB share the same cores, so that the last ones are never a"
    " process's own."
)
