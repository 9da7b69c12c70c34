"""``lading import``."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from ..connecting import SOME_FAILED, Service, run_with_client, service_options
from ..parameters import parameter_options
from .lists import FORMATS
from .sources import STDIN, LocalFile, SourceFault, Sources
from .trying import try_all

if TYPE_CHECKING:
    from .....client import AsyncClient

LONGEST_WAIT: Final = 3600.0


@click.command("import")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@parameter_options
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until each image has been fetched.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 32),
    default=4,
    show_default=True,
    help="How many files, or batches of URLs, are sent at once.",
)
@click.option(
    "--failures",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the items that failed, as NDJSON. Give it as SOURCE to try again.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), help="Format of lists, instead of what their names tell.")
@click.option("--again", is_flag=True, help="Import again what an earlier run has imported.")
@click.option("--dry-run", is_flag=True, help="Import nothing; say how each URL would end.")
@click.option("--json", "is_json", is_flag=True, help="Print a line of JSON for each image, and one with the sums.")
@service_options
def import_command(
    service: Service,
    sources: tuple[str, ...],
    common: Mapping[str, Any],
    form: str | None,
    failures: Path | None,
    *,
    concurrency: int,
    wait: bool,
    again: bool,
    dry_run: bool,
    is_json: bool,
) -> None:
    """Import images into a service.

    A SOURCE is a URL, a file, a folder, '-' for standard input, or a list: .txt and .md are any text, in which links
    are found, or have a URL in each line; .csv has a header with the names of parameters, or the columns
    album_id;url;tags;metadata; .ndjson has an object in each line. '-' takes each of these.

    After an interruption, run the same command again: it goes on, and imports nothing twice.

    Exit status: 0 all done, 1 some failed, 2 wrong usage, 3 the service is not reachable or refuses the token.
    """
    with _stdin_of(sources) as stdin:
        found = Sources(sources, common, form, stdin)
        total, total_bytes = _counted(replace(found, tell=lambda text: click.echo(text, err=True)))
        found = replace(found, is_checked=True)
        if dry_run:
            try_all(service, found, is_json=is_json)
            return
        _send(
            service,
            found,
            (total, total_bytes),
            failures,
            concurrency=concurrency,
            timeout=LONGEST_WAIT if wait else 0.0,
            is_anew=again,
            is_json=is_json,
        )


def _send(
    service: Service,
    sources: Sources,
    totals: tuple[int, int],
    failures: Path | None,
    *,
    is_json: bool,
    **options: Any,
) -> None:
    failed = 0

    async def send(client: "AsyncClient") -> None:
        from .report import Report  # noqa: PLC0415  # rich and httpx take a while to import, and are an extra
        from .sending import Sending  # noqa: PLC0415

        nonlocal failed
        interrupted = False
        with (
            _replaced(failures) as file,
            Report(*totals, is_json=is_json, failures=file) as report,
        ):
            try:
                await Sending(client, report, **options).run(sources)
            except asyncio.CancelledError:
                interrupted = True
                raise
            finally:
                report.close()
                failed = report.counts.failed
                if interrupted:
                    click.echo("Interrupted. Run the same command again to go on.", err=True)

    try:
        run_with_client(service, send)
    except OSError as error:
        raise click.ClickException(str(error)) from None
    if failed:
        sys.exit(SOME_FAILED)


def _counted(sources: Sources) -> tuple[int, int]:
    """Read everything once, before anything is sent; items, and bytes of the files.

    Raises:
        ClickException: with exit status 2, a source is not there or has a fault.
    """
    total = total_bytes = 0
    try:
        for item in sources:
            total += 1
            total_bytes += item.size if isinstance(item, LocalFile) else 0
    except (SourceFault, OSError) as error:
        raise click.UsageError(str(error)) from None
    if not total:
        raise click.UsageError("There is nothing to import: the sources are empty.")
    return total, total_bytes


@contextmanager
def _stdin_of(names: tuple[str, ...]) -> Iterator[Path | None]:
    """A copy of standard input, if a source is ``-``: it is read several times."""
    if STDIN not in names:
        yield None
        return
    with tempfile.NamedTemporaryFile(prefix="lading-") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)


@contextmanager
def _replaced(path: Path | None) -> Iterator[IO[str] | None]:
    """A new file in the place of another, once everything has ended: the other may be the list that is read."""
    if path is None:
        yield None
        return
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with new.open("w", encoding="utf-8") as file:
            yield file
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
