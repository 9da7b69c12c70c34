"""``lading queue failures``."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from ...imports.bulk import Narrowing
from ...imports.overview import Failures, failures
from ...models import Status
from ...models.clock import SystemClock
from ..common import config_option
from ..output.tables import print_table
from .scope import age, code_option, host_option, issuer_option, moment, name, on_queue, since_option

ROWS = 50


@click.command("failures")
@config_option
@code_option
@host_option
@issuer_option
@since_option("Only imports that failed since then: 90s, 15m, 4h, 30d.", "1d")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line, for every group.")
def failures_command(
    config: Path | None, code: str | None, host: str | None, issuer_id: str | None, within: timedelta, as_json: bool
) -> None:
    """Show why imports fail.

    Groups the failed imports by error code and host, the most frequent first, each with the id of its latest import and
    a hint. "lading queue retry" takes the same options.
    """
    narrowing = Narrowing.of(issuer_id, host, code, within)
    found, is_whole = on_queue(config, lambda bulk: failures(bulk.store, narrowing.selection(Status.FAILED)))
    if as_json:
        for one in found:
            click.echo(json.dumps(one.as_json()))
    elif not found:
        click.echo(f"no import has failed since {moment(narrowing.since)}")
    else:
        _show(found)
    if not is_whole:
        click.echo("Note: there are more failures than were counted; choose a shorter --since.", err=True)


def _show(found: Sequence[Failures]) -> None:
    now = SystemClock().now()
    rows = [("CODE", "HOST", "IMPORTS", "ISSUERS", "LAST", "EXAMPLE")]
    for one in found[:ROWS]:
        facts = (str(one.count), str(one.issuers), age(one.newest, now), one.example)
        rows.append((name(one.code), name(one.host), *facts))
    print_table(rows)
    if len(found) > ROWS:
        click.echo(f"and {len(found) - ROWS} more groups; --json has all of them")
    click.echo()
    for code, hint in {one.code: one.hint for one in found[:ROWS]}.items():
        click.echo(f"{name(code)}: {hint or 'The code of a plugin: read the documentation of the plugin.'}")
