"""``lading bulk``."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..connecting import SOME_FAILED, Service, run_with_client, service_options
from ..parameters import parameter_options
from ..send.lists import ListFault
from ..send.sources import STDIN
from .journal import Identity, Journal, JournalFault
from .reading import opened, parts
from .rows import FORMATS, Columns, List

if TYPE_CHECKING:
    from .....client import AsyncClient


@click.command("bulk")
@click.argument("source", metavar="LIST", type=click.Path(dir_okay=False, exists=True, allow_dash=True))
@parameter_options
@click.option("--format", "form", type=click.Choice(FORMATS), help="Format of LIST, instead of what its name tells.")
@click.option("--url-column", metavar="NAME", help="Column with the URLs. Default: url.")
@click.option("--metadata-column", metavar="NAME", multiple=True, help="Column that is kept with each image.")
@click.option("--ignore-columns", is_flag=True, help="Leave out columns that are no parameters of an import.")
@click.option(
    "--journal",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that says what was sent, to go on after a stop. Default: LIST with .journal added.",
)
@click.option(
    "--failures", type=click.Path(dir_okay=False, path_type=Path), help="File for the rows that failed, as NDJSON."
)
@click.option("--batch-size", type=click.IntRange(1, 1000), default=500, show_default=True, help="Rows of a request.")
@click.option("--concurrency", type=click.IntRange(1, 64), default=4, show_default=True, help="Requests at once.")
@click.option(
    "--backlog", type=click.IntRange(1), default=20_000, show_default=True, help="Imports that may be under way."
)
@click.option(
    "--patience",
    metavar="SECONDS",
    type=click.FloatRange(0),
    default=3600,
    show_default=True,
    help="How long to wait for a service that is away, or takes no more.",
)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until each image has been fetched.")
@click.option("--json", "is_json", is_flag=True, help="Print lines of JSON.")
@service_options
def bulk_command(
    service: Service,
    source: str,
    common: Mapping[str, Any],
    form: str | None,
    url_column: str | None,
    metadata_column: tuple[str, ...],
    journal: Path | None,
    failures: Path | None,
    *,
    ignore_columns: bool,
    wait: bool,
    is_json: bool,
    **limits: Any,
) -> None:
    """Import a list of millions of URLs.

    LIST is text with a URL in each line, CSV, NDJSON, or Parquet, or '-' for standard input. The command reads it as a
    stream, and keeps a journal of what it has sent. After a stop, run the same command again: it goes on. A row with a
    fault is told and counted, and the others go on.

    Exit status: 0 all done, 1 some failed, 2 wrong usage, 3 the service is not reachable or refuses the token.
    """
    path = None if source == STDIN else Path(source)
    if path is None and journal is None:
        raise click.UsageError("A list from standard input needs --journal, which says what was sent.")
    listed = List(path, form, common, Columns(url_column, metadata_column, ignore_columns))
    found = journal or Path(f"{source}.journal")
    try:
        with Journal(found, _identity(listed, limits["batch_size"])) as opened:
            _send(service, listed, opened, failures, is_awaited=wait, is_json=is_json, **limits)
            sums = opened.sums
    except (JournalFault, ListFault) as fault:
        raise click.UsageError(str(fault)) from None
    except OSError as error:
        raise click.ClickException(str(error)) from None
    if sums.failures:
        sys.exit(SOME_FAILED)


def _identity(listed: List, part_rows: int) -> Identity:
    """What the journal must belong to: the same rows must come in the same parts, with the same parameters."""
    source = "standard input"
    if listed.path is not None:
        found = listed.path.stat()
        source = f"{listed.path.absolute()}, {found.st_size} bytes, changed at {found.st_mtime_ns}"
    columns = listed.columns
    options = {**listed.common, "format": listed.form, "columns": [columns.url, *columns.metadata]}
    return Identity(source, json.dumps(options, sort_keys=True), part_rows)


def _send(
    service: Service,
    listed: List,
    journal: Journal,
    failures: Path | None,
    *,
    is_json: bool,
    is_awaited: bool,
    batch_size: int,
    concurrency: int,
    backlog: int,
    patience: float,
) -> None:
    first = journal.parts_in_a_row
    skipped = first * batch_size

    async def send(client: "AsyncClient") -> None:
        from .failures import Failures  # noqa: PLC0415
        from .report import Report  # noqa: PLC0415  # rich and httpx take a while to import, and are an extra
        from .sending import Bulk  # noqa: PLC0415

        with opened(listed, skipped) as rows, _concluded(journal, is_json=is_json, is_awaited=is_awaited):
            written = Failures(failures, journal.written)
            with written, Report(journal.sums, lambda: rows.total, is_json=is_json, is_awaited=is_awaited) as report:
                bulk = Bulk(
                    client=client,
                    journal=journal,
                    failures=written,
                    report=report,
                    part_rows=batch_size,
                    concurrency=concurrency,
                    backlog=backlog,
                    patience=patience,
                    is_awaited=is_awaited,
                    known=journal.parts_from(first),
                )
                await bulk.run(parts(iter(rows), first, batch_size))

    run_with_client(service, send)


@contextmanager
def _concluded(journal: Journal, *, is_json: bool, is_awaited: bool) -> Iterator[None]:
    """Print the sums, whatever ends the run, and what to do after a stop."""
    from .report import conclude  # noqa: PLC0415  # see _send

    try:
        yield
    except ListFault:
        raise
    except BaseException:
        conclude(journal.sums, is_json=is_json, is_awaited=is_awaited)
        click.echo("Stopped. Run the same command again to go on.", err=True)
        raise
    conclude(journal.sums, is_json=is_json, is_awaited=is_awaited)
