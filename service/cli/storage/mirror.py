"""``lading storage mirror``."""

import random
from collections.abc import Collection
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path

import click

from ....plugins.errors import PluginError
from ...documents import DocumentStore
from ...models import Held
from ...models.clock import SystemClock
from ...storages.backfill import Copyist
from ...storages.copies import are_one_place
from ...storages.routes import Storages
from ...storages.sweep import Transfers, images_in
from ..common import config_option
from ..output.progress import shown
from .scope import loaded, on_storages


@click.command("mirror")
@config_option
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Images to copy at once.",
)
def mirror_command(config: Path | None, concurrency: int) -> None:
    """Make missing second copies in the mirror.

    Services copy new images by themselves, also after an outage of the mirror. This command copies images from before
    you set or changed [storage] mirror. It removes the copy in an earlier mirror if [storage] still names that storage;
    "lading storage audit --delete-orphans" removes the other copies.

    Services may run meanwhile. You can stop the command at any time and run it again. Names each image that it could
    not copy; then the exit status is 1.
    """
    settings, components = loaded(config)
    mirror = settings.storage.mirror
    if mirror is None:
        raise click.ClickException("[storage] mirror names no storage")
    names = [name for name in settings.storage.names if name != mirror]

    async def run(store: DocumentStore, storages: Storages) -> None:
        transfers = Transfers(store, random.SystemRandom())
        for name in (mirror, *names):
            await storages.by_name[name].ping()
        copyist = Copyist(store, storages, SystemClock(), await _apart(storages, names))
        finished = True
        with shown(sum([await store.count_images_in(name) for name in names]), "mirroring") as progress:
            for name in names:
                async with aclosing(images_in(store, name, Held.MAIN)) as documents:
                    work = partial(copyist.mirror, mirror)
                    finished &= await transfers.run(documents, work, concurrency, progress.report)
        progress.end(f"second copies in {mirror}", finished=finished)

    on_storages(settings, components, run)


async def _apart(storages: Storages, names: Collection[str]) -> Collection[str]:
    """The names without those whose place another storage has too, as far as Lading can tell."""
    apart = []
    for name in names:
        one = storages.by_name[name]
        with suppress(PluginError):  # a storage that cannot be written is left as it is
            if not any([await are_one_place(one, other) for other in storages.by_name.values() if other is not one]):
                apart.append(name)
    return apart
