"""``lading imports``: list, show, watch, retry, cancel and delete imports of a service."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click

from ..loading import InOrder
from ..output.tables import print_table
from .connecting import SOME_FAILED, Service, client_of, printable, readable, service_options, told

if TYPE_CHECKING:
    from ....client import Album, Client, Import

STATES: Final = ("waiting", "queued", "running", "done", "failed", "cancelled")

ids_argument = click.argument("ids", nargs=-1, required=True, metavar="ID...")
json_option = click.option("--json", "is_json", is_flag=True, help="Print the documents as JSON, one in each line.")
limit_option = click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")


@click.group("imports", cls=InOrder)
def imports_group() -> None:
    """See and change the imports of a service."""


@imports_group.command("list")
@click.option("--album", metavar="ALBUM", help="Only this album.")
@click.option("--status", type=click.Choice(STATES), help="Only in this state.")
@click.option("--since", type=click.DateTime(), help="Only those made after this moment, in local time.")
@limit_option
@json_option
@service_options
def list_command(
    service: Service, album: str | None, status: str | None, since: datetime | None, limit: int, *, is_json: bool
) -> None:
    """List imports, the newest first."""
    moment = None if since is None else since.astimezone()
    with client_of(service) as client, told():
        found = client.iter_imports(album_id=album, status=status, created_after=moment, page_size=min(limit, 200))
        documents = list(islice(found, limit))
    if is_json:
        _print_json(documents)
        return
    rows = [("ID", "STATUS", "CREATED", "SIZE", "SOURCE")]
    print_table([*rows, *(_row(document) for document in documents)])


@imports_group.command("albums")
@limit_option
@json_option
@service_options
def albums_command(service: Service, limit: int, *, is_json: bool) -> None:
    """List the albums that have imports, by their ids."""
    with client_of(service) as client, told():
        albums = list(islice(client.iter_albums(page_size=min(limit, 200)), limit))
    if is_json:
        _print_json(albums)
        return
    rows = [("ALBUM", "IMPORTS", "NEWEST")]
    for one in albums:
        count = f"{one.import_count}{'' if one.is_exact else ' or more'}"
        rows.append((printable(one.album_id), count, one.newest_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")))
    print_table(rows)


@imports_group.command("show")
@ids_argument
@json_option
@service_options
def show_command(service: Service, ids: tuple[str, ...], *, is_json: bool) -> None:
    """Show imports, with the reason of a failure."""
    with client_of(service) as client, told():
        for import_id in ids:
            document = client.get_import(import_id)
            if is_json:
                _print_json([document])
            else:
                _print(document)


@imports_group.command("watch")
@click.option("--album", metavar="ALBUM", help="Only this album.")
@click.argument("import_id", required=False, metavar="[ID]")
@json_option
@service_options
def watch_command(service: Service, album: str | None, import_id: str | None, *, is_json: bool) -> None:
    """Print the changes of imports as they happen.

    With an ID, until that import has ended; otherwise until Ctrl-C.
    """
    failed = False
    with client_of(service) as client, told():
        for event in client.events(import_id=import_id, album_id=album):
            document = event.document
            if document is None:
                continue
            if is_json:
                _print_json([document])
            else:
                click.echo(f"{document.status}\t{document.id}\t{_source(document)}{_reason(document)}")
            failed = document.status in ("failed", "cancelled")
    if import_id is not None and failed:
        sys.exit(SOME_FAILED)


@imports_group.command("retry")
@ids_argument
@service_options
def retry_command(service: Service, ids: tuple[str, ...]) -> None:
    """Queue failed or cancelled imports again."""
    each(service, ids, lambda client, one: client.retry_import(one), "queued again")


@imports_group.command("cancel")
@ids_argument
@service_options
def cancel_command(service: Service, ids: tuple[str, ...]) -> None:
    """Cancel imports that have not ended."""
    each(service, ids, lambda client, one: client.cancel_import(one), "cancelled")


@imports_group.command("delete")
@ids_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@service_options
def delete_command(service: Service, ids: tuple[str, ...], *, yes: bool) -> None:
    """Delete imports, with their images."""
    if not yes:
        click.confirm(f"Delete {len(ids)} imports and their images?", abort=True, err=True)
    each(service, ids, lambda client, one: client.delete_import(one), "deleted")


def each(service: Service, ids: tuple[str, ...], act: "Callable[[Client, str], Any]", done: str) -> None:
    """Do it to each; go on after a refusal.

    Raises:
        SystemExit: 1, if one was refused.
    """
    from ....client import Conflict, NotFound, PermissionDenied  # noqa: PLC0415  # httpx is an extra

    refused = False
    with client_of(service) as client, told():
        for one in ids:
            try:
                act(client, one)
            except (Conflict, NotFound, PermissionDenied) as error:
                refused = True
                click.echo(f"{one}: {error}", err=True)
            else:
                click.echo(f"{one}: {done}")
    if refused:
        sys.exit(SOME_FAILED)


def _print_json(documents: "Sequence[Album | Import]") -> None:
    for document in documents:
        click.echo(json.dumps(document.raw, ensure_ascii=False))


def _source(document: "Import") -> str:
    url = document.params.get("url") or document.params.get("filename") or ""
    return printable(str(url[0] if isinstance(url, list) and url else url))


def _reason(document: "Import") -> str:
    return "" if document.error is None else f"\t{document.error.code}: {printable(document.error.detail)}"


def _row(document: "Import") -> tuple[str, ...]:
    created = document.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    size = readable(document.image.byte_size) if document.image is not None else ""
    return document.id, str(document.status), created, size, _source(document)


def _print(document: "Import") -> None:
    image, error = document.image, document.error
    rows = [("import", document.id), ("status", str(document.status)), ("source", _source(document))]
    rows += [("album", printable(document.album_id))] if document.album_id else []
    rows += [("created", document.created_at.astimezone().isoformat(" ", "seconds"))]
    rows += [("attempts", str(document.attempts))]
    if image is not None:
        rows += [("image", str(document.image_id)), ("format", f"{image.format} {image.width}x{image.height}")]
        rows += [("size", readable(image.byte_size)), ("sha256", image.sha256)]
    if error is not None:
        rows += [("error", error.code), ("reason", printable(error.detail))]
    print_table(rows)
