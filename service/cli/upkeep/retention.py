"""``lading retention``: what ``[retention]`` would remove, and its removal."""

import json
import random
import sys
from pathlib import Path
from typing import Final

import click

from ....plugins.errors import PluginError
from ...config import Settings
from ...documents import DocumentStore
from ...images.retention.policy import Policy
from ...images.retention.removing import Removed, Retention
from ...images.retention.survey import Survey, as_json, survey
from ...models.clock import SystemClock
from ...observe.audit.recording import operator
from ...storages.routes import Storages
from ..common import audit_file_of, config_option, interrupted_by_sigterm
from ..loading import InOrder
from ..output.tables import print_table
from ..queue.scope import age, name, number_of
from ..storage.scope import loaded, on_storages

REPORT_EVERY: Final = 1000
"""Imports."""


@click.group("retention", cls=InOrder, invoke_without_command=True)
@config_option
@click.option("--dry-run", is_flag=True, help="Print how many imports would go, and remove nothing.")
@click.option("--json", "as_object", is_flag=True, help="Print one JSON object; only with --dry-run.")
@click.pass_context
def retention_group(context: click.Context, config: Path | None, dry_run: bool, as_object: bool) -> None:
    """Remove old imports, as [retention] says.

    Services do so by themselves; the commands show what would go, and do it at once.
    """
    if context.invoked_subcommand is not None:
        if dry_run or as_object:
            raise click.UsageError("--dry-run and --json do not go with a command")
        return
    if not dry_run:
        raise click.UsageError("give --dry-run, or the command 'run'")
    settings, components = loaded(config)
    policy = Policy.of(settings.retention)

    async def look(store: DocumentStore, _storages: Storages) -> None:
        found = await survey(store, policy, SystemClock().now())
        if as_object:
            click.echo(json.dumps(as_json(found, policy)))
        else:
            _show(found, policy)

    on_storages(settings, components, look)


@retention_group.command("run")
@config_option
def run_command(config: Path | None) -> None:
    """Remove old imports now.

    Removes them in small groups, with pauses that [retention] rest sets, so that services go on undisturbed. You can
    stop the command at any time and run it again. Exit status 1 if images could not be deleted, which services try
    again, or if another process removes old imports at present.
    """
    settings, components = loaded(config)
    _refuse_if_off(settings)

    async def run(store: DocumentStore, storages: Storages) -> None:
        clock = SystemClock()
        policy = Policy.of(settings.retention)
        retention = Retention(store, storages, clock, random.SystemRandom(), policy, actor=operator())
        told = 0

        def report(removed: Removed) -> None:
            nonlocal told
            if removed.imports - told >= REPORT_EVERY:
                told = removed.imports
                click.echo(f"{removed.imports} imports", err=True)

        await _prepare(storages)
        removed = await retention.sweep(report)
        if removed is None:
            raise click.ClickException("another process removes old imports at present; try again in a minute")
        click.echo(f"removed: {number_of(removed.imports)} ({removed.byte_size} bytes of images)")
        if removed.failure is not None:
            click.echo(f"the last failure: {removed.failure}", err=True)
            sys.exit(1)

    with interrupted_by_sigterm(), audit_file_of(settings):
        on_storages(settings, components, run)


async def _prepare(storages: Storages) -> None:
    """Let every storage prepare itself. The imports of other storages can go if one does not work."""
    for storage_name, storage in storages.by_name.items():
        try:
            await storage.ping()
        except PluginError as error:
            click.echo(f"Note: images in {storage_name} cannot be deleted: {error}", err=True)


def _refuse_if_off(settings: Settings) -> None:
    if not Policy.of(settings.retention).statuses:
        raise click.ClickException("[retention] keeps everything: set done, failed or cancelled")


def _show(found: Survey, policy: Policy) -> None:
    count, size = (sum(getattr(one, key) for one in found.values()) for key in ("count", "byte_size"))
    fate = "kept in their storage" if policy.keeps_images else "deleted too"
    click.echo(f"would remove: {number_of(count)}, whose images ({size} bytes) are {fate}")
    if not found:
        return
    click.echo()
    now = SystemClock().now()
    rows = [("STATE", "ISSUER", "IMPORTS", "BYTES", "OLDEST")]
    for (status, issuer_id), share in sorted(found.items()):
        rows.append((status.value, name(issuer_id), str(share.count), str(share.byte_size), age(share.oldest, now)))
    print_table(rows)
