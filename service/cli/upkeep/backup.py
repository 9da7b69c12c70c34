"""``lading backup``."""

import json
import random
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import click

from ...config import Components, Settings
from ...documents.upkeep import Copying
from ...models.clock import SystemClock
from ...runtime.plugins import storage_in
from ...runtime.wiring import open_storages, opened_store
from ...storages.backup import archive, folders
from ...storages.backup.archive import Entry, Facts, State
from ...storages.backup.folders import BackupRefused
from ...storages.backup.taking import Taking
from ...storages.sweep import Failed
from ..common import config_option, run_on_parts
from ..output.progress import bar
from ..storage.scope import loaded
from .scope import copying_of, in_place, told

MAX_FAULTS = 5
"""Faults of a damaged database that a message names."""


@click.command("backup")
@config_option
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--images", "with_images", is_flag=True, help="Also copy the images of storages on local disks.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def backup_command(config: Path | None, directory: Path, with_images: bool, as_json: bool) -> None:
    """Back up the database and the images of a running service.

    DIR is a new folder, or an empty one. It appears only when the backup is whole. Only this user can read it, since it
    holds the secrets of issuers. Until then its parts are in DIR.lading-partial, which the next backup to DIR removes.

    DIR has the SQLite database as of one moment, and a list of the stored images with their sizes and SHA-256. With
    --images it also has the images of storages that keep files on this machine, each compared with its document. It
    lists the images of S3 and Google Cloud Storage, and does not copy them.

    Names each image that was deleted meanwhile. Names each image whose storage does not have the imported bytes: the
    backup then has everything else, and the exit status is 1.
    """
    settings, components = loaded(config)
    copying = copying_of(settings)
    directory = directory.absolute()
    with told(), folders.private():
        folders.check_absent(directory)
        with folders.partial(directory) as folder:
            facts = run_on_parts(_Work(settings, components, copying, folder, as_json).run(with_images=with_images))
            folders.publish(folder, directory)
    if as_json:
        click.echo(json.dumps({"backup": str(directory), **asdict(facts)}))
    else:
        click.echo(f"backed up to {directory}: {facts.database.byte_size} bytes of database; {_counted(facts.objects)}")
    if facts.objects.get(State.FAILED):
        sys.exit(1)


@dataclass(frozen=True, slots=True)
class _Work:
    """Fills the folder of a backup."""

    settings: Settings
    components: Components
    copying: Copying
    folder: Path
    as_json: bool

    async def run(self, *, with_images: bool) -> Facts:
        """Fill it.

        Raises:
            BackupRefused, OSError, StoreError, PluginError: the backup is not whole.
        """
        schema_version = await self._schema_version()
        now = SystemClock().now()
        database, manifest = self.folder / archive.DATABASE, self.folder / archive.MANIFEST
        folders.check_space(self.folder, await self.copying.byte_size())
        with bar("copying the database") as report:
            await self.copying.copy_to(database, report)
        if faults := await self.copying.faults(database, MAX_FAULTS):
            raise BackupRefused(f"the database is damaged, and was not backed up: {'; '.join(faults)}")
        objects = await self._images(database, manifest, with_images=with_images)
        folders.check_alone(database)
        facts = Facts(
            format=archive.FORMAT,
            lading=version("lading"),
            created_at=now.isoformat(timespec="milliseconds"),
            schema_version=schema_version,
            database=archive.facts_of(database),
            manifest=archive.facts_of(manifest),
            objects=dict(objects),
        )
        facts.write(self.folder)
        return facts

    async def _schema_version(self) -> int:
        found = await self.copying.version()
        if found.found is None:
            raise BackupRefused(f"there is no database at {self.settings.documents_sqlite.path.absolute()}")
        if found.found < found.known:
            raise BackupRefused(
                f"the database has schema version {found.found}, and this version of Lading works with {found.known}: "
                "make the backup with the version of Lading whose services run, or upgrade the database first"
            )
        return found.found

    async def _images(self, database: Path, manifest: Path, *, with_images: bool) -> Mapping[str, int]:
        clock = SystemClock()
        async with AsyncExitStack() as stack:
            live, storages = await stack.enter_async_context(open_storages(self.settings, self.components, clock))
            copied = await stack.enter_async_context(opened_store(in_place(self.settings, database), clock))
            target = None
            if with_images:
                target = storage_in(self.folder / archive.IMAGES, self.settings)
                stack.push_async_callback(target.close)
                await target.ping()  # it prepares itself
            lines = stack.enter_context(folders.new_text(manifest))
            report = stack.enter_context(bar("reading the images"))
            total = sum([await copied.count_images_in(name) for name in storages.by_name])
            taking = Taking(live, copied, storages, target, lines, self._teller(report, total), random.SystemRandom())
            if with_images:
                folders.check_space(self.folder, await taking.byte_size())
            await taking.run()
            return taking.objects

    def _teller(self, report: Callable[[int, int], None], total: int) -> Callable[[Entry, Failed | None], None]:
        done = 0

        def tell(entry: Entry, failure: Failed | None) -> None:
            nonlocal done
            done += 1
            report(done, max(done, total))
            if entry.state not in (State.DELETED, State.FAILED):
                return
            if self.as_json:
                click.echo(json.dumps({**asdict(entry), "detail": str(failure or "")}))
            elif failure is None:
                click.echo(f"deleted meanwhile: {entry.key}, image of import {entry.import_id}")
            else:
                click.echo(f"failed: {entry.key}, image of import {entry.import_id}: {failure}", err=True)

        return tell


def _counted(objects: Mapping[str, int]) -> str:
    states = {
        State.COPIED: "copied",
        State.LISTED: "listed",
        State.DELETED: "deleted meanwhile",
        State.FAILED: "failed",
    }
    return "images: " + (", ".join(f"{objects[one]} {name}" for one, name in states.items() if objects.get(one)) or "0")
