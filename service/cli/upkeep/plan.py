"""``lading documents plan``."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from ...config import Settings
from ...documents.planning import DatabasePlan, Plan, Reach
from ...models.clock import SystemClock
from ...runtime.opening import make_store
from ..common import check_kept, config_option, documents_place, interrupted_by_sigterm, run_on_parts, settings_from
from ..loading import InOrder
from ..output.tables import print_table

GROWTH: Final = 1.5
"""The disk has half as much again, for growth and compaction."""
DAY: Final = 86_400
YEAR: Final = 365
MOST: Final = 10**12
UNITS: Final = (("PB", 10**15), ("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3), ("B", 1))
SHARD_KEY: Final = {"_id": "hashed"}


@click.group("documents", cls=InOrder)
def documents_group() -> None:
    """Look at the database of imports."""


@documents_group.command("plan")
@config_option
@click.option("--imports", type=click.IntRange(1, MOST), help="Imports to plan for. Without it, those that exist.")
@click.option(
    "--per-day",
    type=click.IntRange(1, MOST),
    help="Imports a day: adds the growth, and plans for those that [retention] done keeps, or a year's.",
)
@click.option("--json", "as_object", is_flag=True, help="Print one JSON object.")
def plan_command(config: Path | None, imports: int | None, per_day: int | None, as_object: bool) -> None:
    """Show indexes, sizes and the plan of each query.

    Explains each statement that Lading sends to the database. Runs none of them, and changes nothing. Services may run.
    Prints what each index serves. On MongoDB, prints which shards each method asks if imports is sharded by hashed _id.

    The sizes are those of this database where it has 10,000 imports, else those of Lading's own measurements. The exit
    status is 1 if a query reads all imports or all records.
    """
    settings = settings_from(config, os.environ)
    check_kept(settings)
    planning = make_store(settings, SystemClock()).planning
    if planning is None:
        raise click.ClickException("this store has no plans")
    with interrupted_by_sigterm():
        found = run_on_parts(planning.plan())
    size = sized(found, settings, imports, per_day)
    if as_object:
        click.echo(json.dumps({"documents": documents_place(settings), **_as_json(found), "size": size}))
    else:
        click.echo(f"documents in {documents_place(settings)}: {found.usage.imports} imports")
        _show_indexes(found)
        _show_queries(found)
        _show_size(found, size)
    if large_scans(found):
        sys.exit(1)


def large_scans(found: DatabasePlan) -> Mapping[str, Sequence[str]]:
    """The methods that read tables whole which grow with the imports."""
    large = {
        method: [one for one in tables if one in {"imports", "import_metadata", "records"}]
        for method, tables in found.scans.items()
    }
    return {method: tables for method, tables in large.items() if tables}


def sized(found: DatabasePlan, settings: Settings, imports: int | None, per_day: int | None) -> Mapping[str, Any]:
    """What a number of imports takes, in bytes."""
    kept = settings.retention.done
    if imports is None and per_day is not None:
        imports = per_day * (YEAR if kept is None else -(-kept // DAY))
    number, usage = found.usage.imports if imports is None else imports, found.usage
    each = usage.documents + usage.indexes
    size = {
        "imports": number,
        "is_measured": usage.is_measured,
        "documents": round(number * usage.documents),
        "indexes": round(number * usage.indexes),
        "disk": round(number * each * GROWTH),
        "memory": round(number * usage.random),
    }
    return size if per_day is None else {**size, "per_day": per_day, "growth_per_day": round(per_day * each)}


def _as_json(found: DatabasePlan) -> Mapping[str, Any]:
    queries = {method: [asdict(plan) for plan in plans] for method, plans in found.plans.items()}
    shards = {} if found.is_sharded is None else {"is_sharded": found.is_sharded, "shard_key": SHARD_KEY}
    indexes = [{**asdict(index), "serves": found.served_by(index.name)} for index in found.indexes]
    return {"indexes": indexes, "queries": queries, "scans": found.scans, **shards}


def _show_indexes(found: DatabasePlan) -> None:
    rows = [("INDEX", "KEYS", "BYTES", "SERVES")]
    for index in found.indexes:
        size = "-" if index.byte_size is None else bytes_of(index.byte_size)
        serves = [*(["uniqueness"] if index.is_unique else []), *found.served_by(index.name)]
        rows.append((f"{index.table}: {index.name}", ", ".join(index.keys), size, ", ".join(serves) or "-"))
    click.echo()
    print_table(rows)


def _show_queries(found: DatabasePlan) -> None:
    rows = [("METHOD", "INDEXES", *(() if found.is_sharded is None else ("SHARDS",)))]
    for method, plans in found.plans.items():
        rows.append((method, ", ".join(_used(plans)) or "-", *_reaches(plans)))
    click.echo()
    print_table(rows)
    click.echo()
    if found.is_sharded is not None:
        click.echo(
            f"shard key of imports: {json.dumps(SHARD_KEY)}. Ids are random, so writes spread over all shards, and"
        )
        click.echo("what names an id asks the shard of that id alone. A list, a claim or a count asks all shards.")
    scans = large_scans(found)
    click.echo(f"whole tables of imports or records read by: {', '.join(scans) or 'nothing'}")


def _used(plans: Sequence[Plan]) -> Iterator[str]:
    """The indexes of some plans, those that are walked from one end with a mark, and what is read without any."""
    walked = {name for plan in plans for name in plan.walked}
    for name in dict.fromkeys(name for plan in plans for name in plan.indexes):
        yield f"{name} (from its end)" if name in walked else name
    for table in dict.fromkeys(table for plan in plans for table in plan.scanned):
        yield f"none: all of {table}"


def _reaches(plans: Sequence[Plan]) -> tuple[str, ...]:
    found = {plan.reach for plan in plans} - {None}
    return (" and ".join(one.value for one in Reach if one in found),) if found else ()


def _show_size(found: DatabasePlan, size: Mapping[str, Any]) -> None:
    usage = found.usage
    source = (
        "as this database has them" if usage.is_measured else "by Lading's own measurements, since this one is small"
    )
    click.echo()
    click.echo(f"{size['imports']} imports take, {source}:")
    click.echo(f"  documents: {bytes_of(size['documents'])} ({usage.documents:.0f} bytes each)")
    click.echo(f"  indexes: {bytes_of(size['indexes'])} ({usage.indexes:.0f} bytes each)")
    click.echo(f"  disk: {bytes_of(size['disk'])}, with half as much again for growth and compaction")
    click.echo(f"  memory: {bytes_of(size['memory'])}, for the indexes whose keys are random")
    if "per_day" in size:
        rate = f"{size['per_day'] / DAY:.3g}/s on average"
        click.echo(f"  a day: {bytes_of(size['growth_per_day'])} for {size['per_day']} imports, {rate}")


def bytes_of(number: float) -> str:
    """A number of bytes in its largest unit, with three digits."""
    unit, size = next((one for one in UNITS if number >= one[1]), UNITS[-1])
    return f"{number / size:.3g} {unit}"
