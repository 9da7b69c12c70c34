"""``lading storage audit``."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from ....backends.guard.capabilities import lister_of
from ...documents import DocumentStore
from ...models.clock import SystemClock, parse_duration
from ...observe.audit.actions import Action
from ...observe.audit.recording import operator, recorded
from ...storages.audit.compare import Auditor, TooManyUnknown
from ...storages.audit.inventory import InventoryFailed
from ...storages.audit.report import Finding, Totals
from ...storages.routes import Storages
from ..common import audit_file_of, checked, config_option, interrupted_by_sigterm
from .scope import check_configured, loaded, on_storages


@click.command("audit")
@config_option
@click.option("--storage", "name", metavar="NAME", help="Audit only this storage.  [default: every configured storage]")
@click.option("--verify", is_flag=True, help="Read every image and compare its SHA-256 with its document.")
@click.option("--delete-orphans", is_flag=True, help="Delete objects that no document needs.")
@click.option(
    "--grace",
    metavar="DURATION",
    callback=checked(parse_duration),
    default="1d",
    show_default=True,
    help="Ignore objects younger than this: 90s, 15m, 4h, 30d.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def audit_command(
    config: Path | None, name: str | None, verify: bool, delete_orphans: bool, grace: timedelta, as_json: bool
) -> None:
    """Compare the objects in storages with the documents.

    Finds objects that no document needs (orphans), and documents whose object is missing or differs. Services may run
    meanwhile; the audit ignores unfinished work. Prints each finding. The exit status is 1 if any finding remains.

    Kinds of orphans: "unknown", no document has the key; "unused", the import failed; "purged", the image was deleted;
    "copy", the image has moved to another storage; "foreign", Lading does not make such keys, and never deletes the
    object. Lading deletes a copy only if the other storage has the image. Do not use --delete-orphans on a storage that
    "lading storage copy" is moving images to.

    Also finds uploads in parts that began before the grace and have not ended ("unfinished"), as a killed process
    leaves them; --delete-orphans ends them.
    """
    settings, components = loaded(config)
    if name is not None:
        check_configured(settings, name)
    names = settings.storage.names if name is None else (name,)
    remaining = 0

    async def run(store: DocumentStore, storages: Storages) -> None:
        nonlocal remaining
        remaining = await audited(
            store, storages, names, as_json=as_json, verify=verify, delete=delete_orphans, grace=grace
        )

    try:
        with interrupted_by_sigterm(), audit_file_of(settings) if delete_orphans else nullcontext():
            on_storages(settings, components, run)
    except (InventoryFailed, TooManyUnknown) as error:
        raise click.ClickException(str(error)) from error
    if remaining:
        sys.exit(1)


async def audited(
    store: DocumentStore, storages: Storages, names: Iterable[str], *, as_json: bool, **options: Any
) -> int:
    """Audit storages, and print what is found.

    Args:
        store: opened.
        storages: all configured storages.
        names: of the storages.
        as_json: print JSON.
        options: of ``Auditor``.

    Returns:
        the number of findings that remain.

    Raises:
        PluginError, StoreUnavailable, InventoryFailed, TooManyUnknown: see ``Auditor.run``.
    """
    show = _show_json if as_json else _show
    remaining = 0
    for name in names:
        if lister_of(storages.by_name[name]) is None:
            click.echo(f"Note: {name} cannot list its objects, so the audit finds no orphans there.", err=True)
        await storages.by_name[name].ping()
        auditor = Auditor(store, storages, name, SystemClock(), show, **options)
        with _recorded(auditor, name):
            totals = await auditor.run()
        if auditor.unlisted:
            click.echo(f"Note: {name} does not list its unfinished saves: {auditor.unlisted}", err=True)
        remaining += totals.remaining
        _sum_up(name, totals, as_json)
    return remaining


@contextmanager
def _recorded(auditor: Auditor, name: str) -> Iterator[None]:
    """Record what the block deletes, if anything."""
    with recorded(Action.ORPHANS_DELETED, operator(), storage=name) as event:
        try:
            yield
        finally:
            event.facts = {"objects": auditor.deleted}
            event.is_void = not auditor.deleted


def _show(finding: Finding) -> None:
    facts = [f"{finding.byte_size} bytes"] if finding.byte_size is not None else []
    if finding.last_modified is not None:
        facts.append(f"of {finding.last_modified.isoformat(timespec='seconds')}")
    facts += [f"image {finding.image_id}"] if finding.image_id else []
    facts += [finding.detail] if finding.detail else []
    facts += ["deleted"] if finding.deleted else []
    click.echo(f"{finding.storage}: {finding.kind:<10} {finding.key}  {', '.join(facts)}".rstrip())


def _show_json(finding: Finding) -> None:
    click.echo(json.dumps(asdict(finding), default=_to_json))


def _to_json(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _sum_up(name: str, totals: Totals, as_json: bool) -> None:
    if as_json:
        facts = {"storage": name, "summary": {**asdict(totals), "remaining": totals.remaining}}
        click.echo(json.dumps(facts))
        return
    found = ", ".join(f"{number} {kind}" for kind, number in totals.findings.items()) or "nothing wrong"
    gone = f"; {totals.deleted} deleted" if totals.deleted else ""
    click.echo(f"{name}: {totals.objects} objects, {totals.images} images by the documents; {found}{gone}")
