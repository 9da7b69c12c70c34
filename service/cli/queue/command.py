"""``lading queue``: what is in the queue, and the commands on it."""

import asyncio
import contextlib
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Final

import click

from ...imports.bulk import Bulk
from ...imports.overview import Overview, overview
from ...models.clock import SystemClock, moment_before
from ..common import config_option
from ..loading import InOrder
from ..output.tables import table
from .acting import cancel_command, retry_command
from .failures import failures_command
from .pausing import pause_command, resume_command
from .scope import age, moment, name, on_queue, since_option

WATCH_SECONDS: Final = 2.0
ROWS: Final = 20
"""Groups in the table, at most."""


@click.group("queue", cls=InOrder, invoke_without_command=True)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with every group.")
@click.option("--watch", is_flag=True, help=f"Print again every {WATCH_SECONDS:.0f} seconds, until Ctrl-C.")
@since_option("Count imports that failed since then: 90s, 15m, 4h, 30d.", "1d")
@click.pass_context
def queue_group(context: click.Context, config: Path | None, as_json: bool, watch: bool, within: timedelta) -> None:
    """Show the queue, and act on it.

    Without a command: the pauses, and the imports that are queued, running, waiting for bytes or failed, by issuer,
    host, error code and age. An import is as old as its failure, its attempt if it runs, or else its creation or its
    last retry. The error code of an import that has not failed for good is that of its last attempt.
    """
    if context.invoked_subcommand is not None:
        return
    show = _show_json if as_json else _show

    async def look(bulk: Bulk) -> None:
        while True:
            clock = SystemClock()
            found = await overview(bulk.store, clock, moment_before(clock.now(), within))
            if watch and not as_json and sys.stdout.isatty():
                click.clear()
            show(found)
            if not watch:
                return
            await asyncio.sleep(WATCH_SECONDS)

    with contextlib.suppress(KeyboardInterrupt):
        on_queue(config, look)


for _command in (failures_command, retry_command, cancel_command, pause_command, resume_command):
    queue_group.add_command(_command)


def _show_json(found: Overview) -> None:
    click.echo(json.dumps(found.as_json()))


def _show(found: Overview) -> None:
    paused = [f"{name(str(one))} since {moment(one.since)}" for one in found.pauses]
    click.echo(f"paused: {'; '.join(paused) or 'nothing'}")
    click.echo()
    rows = [("STATE", "IMPORTS", "OLDEST")]
    for status, state in found.states.items():
        count = str(state.count) if state.is_whole else f"{state.count} or more"
        rows.append((status.value, count, age(state.oldest, found.at)))
    for line in table(rows):
        click.echo(line)
    if not found.groups:
        return
    click.echo()
    groups = [("STATE", "ISSUER", "HOST", "CODE", "IMPORTS", "OLDEST")]
    for status, one in found.groups[:ROWS]:
        facts = (name(one.issuer_id), name(one.host), name(one.code), str(one.count), age(one.oldest, found.at))
        groups.append((status.value, *facts))
    for line in table(groups):
        click.echo(line)
    if len(found.groups) > ROWS:
        click.echo(f"and {len(found.groups) - ROWS} more groups; --json has all of them")
