"""``lading migrate``."""

import os
import sys
from pathlib import Path

import click

from ...config import Settings
from ...documents.upkeep import Copying
from ...models.clock import SystemClock
from ...observe.audit.actions import Action
from ...runtime.opening import make_store
from ...runtime.wiring import opened_store
from ...storages.backup import archive, folders
from ..common import audited_command, check_kept, config_option, documents_place, run_on_parts, settings_from
from ..output.progress import bar
from .scope import told, upgrading

NEEDED = 3
"""The exit status of ``--check`` if the database needs an upgrade."""


@click.command("migrate")
@config_option
@click.option("--check", is_flag=True, help="Say what would be done, and change nothing; exit status 3 if anything.")
@click.option("--no-backup", is_flag=True, help="Do not copy a SQLite database first.")
def migrate_command(config: Path | None, check: bool, no_backup: bool) -> None:
    """Upgrade the database to this version of Lading.

    Stop services and workers of earlier versions first. Copies a SQLite database to a file beside it before the
    upgrade, and prints its name. Every other command that opens the database, but for "lading backup", upgrades it too,
    without a copy, unless [documents] upgrade is manual. Refuses the database of a newer Lading, and names both
    versions: exit status 1.

    With --check the exit status is 0 if there is nothing to do.
    """
    settings = settings_from(config, os.environ)
    check_kept(settings)
    store = make_store(settings, SystemClock())
    place = documents_place(settings)
    pending = () if store.upgrading is None else run_on_parts(store.upgrading.pending())
    for change in pending:
        click.echo(f"{place}: {change}")
    if not pending:
        click.echo(f"{place}: nothing to do")
        return
    if check:
        sys.exit(NEEDED)
    with told():
        if store.copying is not None and not no_backup:
            click.echo(f"copied to {_copied(settings, store.copying)}")
        with audited_command(settings, Action.DATABASE_UPGRADED):
            run_on_parts(_open(upgrading(settings)))
    click.echo("upgraded")


def _copied(settings: Settings, copying: Copying) -> Path:
    """Copy the database to a new file beside it.

    Raises:
        BackupRefused, OSError: there is no whole copy.
    """
    path = settings.documents_sqlite.path.absolute()
    target = path.with_name(f"{path.name}.before-{SystemClock().now():%Y%m%dT%H%M%SZ}")

    async def copy(file: Path) -> None:
        folders.check_space(path.parent, await copying.byte_size())
        with bar("copying the database") as report:
            await copying.copy_to(file, report)

    with folders.partial(target) as folder:
        run_on_parts(copy(folder / archive.DATABASE))
        folders.publish_file(folder / archive.DATABASE, target)
    return target


async def _open(settings: Settings) -> None:
    async with opened_store(settings, SystemClock()):
        pass
