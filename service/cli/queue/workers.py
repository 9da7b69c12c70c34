"""``lading workers``: who is alive, what each holds, and drains."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from ...imports.bulk import Bulk
from ...imports.fleet import Fleet, fleet
from ...models.clock import SystemClock, parse_duration, truncate_to_milliseconds
from ...observe.audit.actions import Action
from ...work.orders.crew import Crew, Member, State, UnknownWorker, is_worker_id
from ..common import checked, config_option
from ..loading import InOrder
from ..output.tables import print_table
from .scope import age, audited_queue, moment, name, on_queue

Result = TypeVar("Result")

ROWS: Final = 20
"""Held imports in the table, at most."""
ASK_SECONDS: Final = 0.5


def parse_worker_id(text: str) -> str:
    """The id of a worker.

    Raises:
        ValueError: no worker can have it.
    """
    if not is_worker_id(text):
        raise ValueError("this is not the id of a worker; see 'lading workers'")
    return text


@click.group("workers", cls=InOrder, invoke_without_command=True)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with every import that a worker holds.")
@click.pass_context
def workers_group(context: click.Context, config: Path | None, as_json: bool) -> None:
    """Show the workers, and drain them.

    Without a command: every worker that is alive, and the imports that it holds. Each process of "lading serve" has a
    worker, and each "lading worker" is one. SEEN is how long ago the worker has renewed its leases; a worker that is
    not seen for [worker] lease seconds is dead, and others take its imports.
    """
    if context.invoked_subcommand is not None:
        return
    found = on_queue(config, lambda bulk: fleet(bulk.store, SystemClock()))
    if as_json:
        click.echo(json.dumps(found.as_json()))
    else:
        _show(found)


def _show(found: Fleet) -> None:
    if not found.posts:
        click.echo("no worker is alive")
    else:
        rows = [("ID", "HOST", "PID", "PROCESS", "VERSION", "STARTED", "SEEN", "STATE", "IMPORTS", "OLDEST")]
        for post in found.posts:
            one = post.member.identity
            times = (moment(one.started_at), f"{post.seen_seconds:.0f}s")
            held = (str(len(post.held)), age(post.held[0].since if post.held else None, found.at))
            whose = (one.id, name(one.host), str(one.pid), name(one.process), name(one.version))
            rows.append((*whose, *times, post.member.state.value, *held))
        print_table(rows)
    _show_imports(found)
    if found.others:
        click.echo()
        click.echo(f"running imports of no worker above: {found.others}")
    if not found.is_whole:
        click.echo("Note: more imports run than were counted.", err=True)


def _show_imports(found: Fleet) -> None:
    held = sorted(
        ((entry, post.member.identity.id) for post in found.posts for entry in post.held),
        key=lambda one: (one[0].since, one[0].id),
    )
    if not held:
        return
    click.echo()
    rows = [("WORKER", "IMPORT", "ISSUER", "HOST", "AGE")]
    for entry, worker_id in held[:ROWS]:
        rows.append((worker_id, entry.id, name(entry.issuer_id), name(entry.host), age(entry.since, found.at)))
    print_table(rows)
    if len(held) > ROWS:
        click.echo(f"and {len(held) - ROWS} more imports; --json has all of them")


@workers_group.command("drain")
@config_option
@click.option(
    "--wait",
    "patience",
    metavar="DURATION",
    callback=checked(parse_duration),
    help="Wait until the worker holds no import, so long at most: 90s, 15m, 4h. Exit status 1 if it still does then.",
)
@click.argument("worker_id", metavar="ID", callback=checked(parse_worker_id))
def drain_command(config: Path | None, worker_id: str, patience: timedelta | None) -> None:
    """Let a worker begin no more imports.

    The worker obeys within 3 seconds. It ends the imports that it runs, and other workers take the rest. It stays
    drained until it is restarted or resumed.
    """

    async def drain(bulk: Bulk) -> tuple[Member, int]:
        crew = Crew(bulk.store)
        before = await crew.get(worker_id)
        await crew.drain(worker_id, truncate_to_milliseconds(SystemClock().now()))
        posts = (await fleet(bulk.store, SystemClock())).posts
        return before, sum(len(post.held) for post in posts if post.member.identity.id == worker_id)

    with audited_queue(config, Action.WORKER_DRAINED, worker_id=worker_id):
        before, held = _on_workers(config, drain)
    already = "" if before.state is State.WORKING else " already"
    click.echo(
        f"{'drained' if before.state is State.DRAINED else 'draining'}{already}: {_named(before)}; imports: {held}"
    )
    if patience is not None:
        _await_idle(config, worker_id, patience)


@workers_group.command("resume")
@config_option
@click.argument("worker_id", metavar="ID", callback=checked(parse_worker_id))
def resume_command(config: Path | None, worker_id: str) -> None:
    """Let a drained worker begin imports again."""

    async def resume(bulk: Bulk) -> Member:
        crew = Crew(bulk.store)
        before = await crew.get(worker_id)
        await crew.resume(worker_id)
        return before

    with audited_queue(config, Action.WORKER_RESUMED, worker_id=worker_id):
        before = _on_workers(config, resume)
    click.echo(f"{'not drained' if before.state is State.WORKING else 'resumed'}: {_named(before)}")


def _await_idle(config: Path | None, worker_id: str, patience: timedelta) -> None:
    async def wait(bulk: Bulk) -> bool:
        end = time.monotonic() + patience.total_seconds()
        while True:
            state = (await Crew(bulk.store).get(worker_id)).state
            if state is not State.DRAINING or time.monotonic() >= end:
                return state is State.DRAINED
            await asyncio.sleep(ASK_SECONDS)

    if not _on_workers(config, wait):
        click.echo(f"{worker_id} is not drained", err=True)
        sys.exit(1)
    click.echo(f"drained: {worker_id} holds no import")


def _on_workers(config: Path | None, use: Callable[[Bulk], Coroutine[Any, Any, Result]]) -> Result:
    """``on_queue`` for what names a worker."""
    try:
        return on_queue(config, use)
    except UnknownWorker as error:
        raise click.ClickException(f"{error}; see 'lading workers'") from error


def _named(member: Member) -> str:
    one = member.identity
    return f"{one.id} on {name(one.host)}, pid {one.pid}"
