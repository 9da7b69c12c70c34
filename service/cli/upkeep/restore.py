"""``lading restore``."""

import os
import random
import shutil
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import click

from ....plugins.errors import PluginError
from ...config import Components, Settings
from ...documents.upkeep import Copying
from ...models.clock import SystemClock
from ...observe.audit.actions import Action
from ...runtime.plugins import storage_in
from ...runtime.wiring import open_storages
from ...storages.backup import archive, folders
from ...storages.backup.archive import Facts, State
from ...storages.backup.folders import BackupRefused
from ...storages.backup.restoring import Restoring
from ..common import audited_command, config_option, run_on_parts
from ..output.progress import bar
from ..storage.audit import audited
from ..storage.scope import loaded
from .backup import MAX_FAULTS
from .scope import copying_of, in_place, told

_BESIDE = ("", "-wal", "-shm", "-journal")
"""Ends of the names of the files that belong to a SQLite database."""


@click.command("restore")
@config_option
@click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the audit as one JSON object per line.")
def restore_command(config: Path | None, directory: Path, as_json: bool) -> None:
    """Restore a backup into empty places.

    Restores the documents and the images to where the configuration keeps them. There must be no database yet, and the
    storages must be empty. Checks every file of the backup before it puts
    anything in place. Saves the images first, and the database last: you can stop the command, and run it again.
    Nothing is ever overwritten.

    Ends with "lading storage audit". The exit status is 1 if that finds anything, such as an image that the backup does
    not have.
    """
    settings, components = loaded(config)
    copying = copying_of(settings)
    path = settings.documents_sqlite.path.absolute()
    directory = directory.absolute()
    with told(), audited_command(settings, Action.BACKUP_RESTORED, directory=str(directory)) as event:
        for suffix in _BESIDE:
            if os.path.lexists(f"{path}{suffix}"):
                raise BackupRefused(f"{path}{suffix} exists already: a restore overwrites nothing")
        facts = archive.read_facts(directory)
        archive.check_file(directory / archive.MANIFEST, facts.manifest)
        with folders.partial(path) as folder:
            database = folder / archive.DATABASE
            _copy(directory / archive.DATABASE, database, facts)
            run_on_parts(_put(settings, components, copying, database, directory, facts))
            folders.check_alone(database)
            folders.publish_file(database, path)
        copied = facts.objects.get(State.COPIED, 0)
        event.facts = {"images": copied}
        click.echo(f"restored from {directory}: the database of {facts.created_at}, {copied} images", err=as_json)
    with told():
        remaining = run_on_parts(_audit(settings, components, as_json=as_json))
    if remaining:
        sys.exit(1)


def _copy(source: Path, target: Path, facts: Facts) -> None:
    """Copy the database to the disk where it is to be, and compare what has been copied.

    Raises:
        BackupRefused: there is no room, or it is damaged.
        OSError: it cannot be copied.
    """
    folders.check_space(target.parent, facts.database.byte_size)
    with folders.open_new(target) as descriptor, source.open("rb") as file, os.fdopen(os.dup(descriptor), "wb") as copy:
        shutil.copyfileobj(file, copy, 1024 * 1024)
        copy.flush()
        os.fsync(descriptor)
    archive.check_file(target, facts.database)


async def _put(
    settings: Settings, components: Components, copying: Copying, database: Path, directory: Path, facts: Facts
) -> None:
    """Check everything, then put the images in place."""
    known = (await copying.version()).known
    if facts.schema_version > known:
        raise BackupRefused(
            f"the database of the backup has schema version {facts.schema_version}, newer than {known}, the newest "
            f"that this version of Lading knows: restore it with Lading {facts.lading}"
        )
    if faults := await copying.faults(database, MAX_FAULTS):
        raise BackupRefused(f"the database of the backup is damaged: {'; '.join(faults)}")
    async with AsyncExitStack() as stack:
        moved = in_place(settings, database)
        store, storages = await stack.enter_async_context(open_storages(moved, components, SystemClock()))
        source = storage_in(directory / archive.IMAGES, settings)
        stack.push_async_callback(source.close)
        if facts.objects.get(State.COPIED):
            with suppress(PluginError):  # it prepares itself; a folder that cannot be written is read as it is
                await source.ping()
        rng = random.SystemRandom()
        total = 2 * facts.objects.get(State.COPIED, 0)
        done = 0
        with bar("restoring the images") as report:

            def tell() -> None:
                nonlocal done
                done += 1
                report(done, total)

            restoring = Restoring(store, source, directory, storages, tell, rng)
            await restoring.check()
            await restoring.put()


async def _audit(settings: Settings, components: Components, *, as_json: bool) -> int:
    async with open_storages(settings, components, SystemClock()) as (store, storages):
        return await audited(store, storages, settings.storage.names, as_json=as_json)
