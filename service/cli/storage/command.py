"""``lading storage``: commands for stored images, which work while services run."""

import random
from contextlib import aclosing
from pathlib import Path

import click

from ....backends.guard.storage import GuardedStorage
from ....plugins.errors import PluginError
from ...config import Settings
from ...config.sections.storage import ROUTE
from ...documents import DocumentStore
from ...models import Held
from ...models.clock import SystemClock
from ...storages.copies import are_one_place
from ...storages.migration import Mover
from ...storages.routes import Storages
from ...storages.sweep import BATCH, images_in
from ..common import config_option
from ..loading import InOrder
from ..output.progress import shown
from .audit import audit_command
from .mirror import mirror_command
from .scope import check_configured, loaded, on_storages


@click.group("storage", cls=InOrder)
def storage_group() -> None:
    """Move, mirror and audit stored images."""


@storage_group.command("copy")
@config_option
@click.option("--from", "source", required=True, metavar="NAME", help="Storage that has the images.")
@click.option("--to", "target", required=True, metavar="NAME", help="Storage that the images move to.")
@click.option("--organization", metavar="ID", help="Move only the images of this organisation.")
@click.option("--verify", is_flag=True, help="Read each copy back and compare it before changing the document.")
@click.option("--delete-source", is_flag=True, help="Delete each moved image from the source.")
@click.option("--dry-run", is_flag=True, help="Print how many images would move, and change nothing.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Images to copy at once.",
)
def copy_command(
    config: Path | None,
    source: str,
    target: str,
    organization: str | None,
    verify: bool,
    delete_source: bool,
    dry_run: bool,
    concurrency: int,
) -> None:
    """Move images from one storage to another.

    Services may run meanwhile. They read from both storages when [storage] names both: the new storage as backend, the
    old storage among others. Lading copies each image, compares its size and SHA-256, and then changes its document to
    name the new storage. The old storage keeps the image, unless you give --delete-source. Do not run two copies in
    opposite directions at once.

    With --organization, only the images of one organisation move. A rule of [storage.route], such as
    organization:ID=NAME, sends its new images to the new storage.

    You can stop the command at any time and run it again: it continues where it stopped. Names each image that could
    not move; then the exit status is 1.
    """
    settings, components = loaded(config)
    for name in (source, target):
        check_configured(settings, name)
    if source == target:
        raise click.UsageError("--from and --to name the same storage")

    async def run(store: DocumentStore, storages: Storages) -> None:
        one, other = storages.by_name[source], storages.by_name[target]
        if dry_run:
            click.echo(await _told(store, source, target, organization))
            return
        await _prepare(one, other, delete_source)
        mover = Mover(store, one, other, SystemClock(), random.SystemRandom(), verify, delete_source, organization)
        with shown(await store.count_images_in(source, organization), "moving") as progress:
            finished = await mover.run(concurrency, progress.report)
        progress.end(f"moved to {target}", finished=finished)
        rest = await store.images_in(source, Held.MAIN, "", BATCH, organization)
        if any(document.image_deleted_at is None for document in rest):
            click.echo(f"Services imported images into {source} meanwhile; run the command again to move them.")

    if not dry_run and (note := _still_saved(settings, source, organization)):
        click.echo(note, err=True)
    on_storages(settings, components, run)


storage_group.add_command(mirror_command)
storage_group.add_command(audit_command)


def _still_saved(settings: Settings, source: str, organization: str | None) -> str:
    """A note if new images of the organisation, or any new images, may still come into the source; or the empty
    string.
    """
    for rule in settings.storage_route.parsed:
        if organization is not None and rule.organization not in (None, organization):
            continue
        if rule.storage == source:
            return f"Note: services still save new images in {source}, as a rule of [{ROUTE}] says."
        if organization is not None and rule.organization and not (rule.issuer or rule.album):
            return ""  # it fits every import of the organisation
    if source == settings.storage.backend:
        return f"Note: services still save new images in {source}, which is [storage] backend."
    return ""


async def _told(store: DocumentStore, source: str, target: str, organization: str | None) -> str:
    number = byte_size = 0
    async with aclosing(images_in(store, source, Held.MAIN, organization_id=organization)) as documents:
        async for document in documents:
            if document.image is not None and document.image_deleted_at is None:
                number += 1
                byte_size += document.image.byte_size
    return f"would move from {source} to {target}: {number} ({byte_size} bytes)"


async def _prepare(source: GuardedStorage, target: GuardedStorage, delete_source: bool) -> None:
    """Let both storages prepare themselves, and check that they are different, if images are to be deleted.

    A source that does not work stops nothing: an image that the target has already, as the mirror, moves nevertheless.
    """
    await target.ping()
    try:
        await source.ping()
    except PluginError as error:
        if delete_source:
            raise
        click.echo(f"Note: only images that {target.name} already has can move: {error}", err=True)
    if delete_source and await are_one_place(source, target):
        raise click.ClickException(f"{source.name} and {target.name} are the same place under two names")
