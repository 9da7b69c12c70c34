"""The common part of the commands of ``lading storage``: the configuration, the documents and the storages."""

import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from ...config import Components, Settings
from ...documents import DocumentStore
from ...models.clock import SystemClock
from ...runtime.wiring import open_storages
from ...storages.routes import Storages
from ..common import check_kept, everything_from, run_on_parts


def loaded(config: Path | None) -> tuple[Settings, Components]:
    """Load the settings and the plugins.

    Raises:
        ClickException: with every fault; or the documents are in memory, where no other process sees them.
    """
    settings, components = everything_from(config, os.environ)
    check_kept(settings)
    return settings, components


def check_configured(settings: Settings, name: str) -> None:
    """Check that ``[storage]`` names the storage.

    Raises:
        ClickException: it does not.
    """
    if name not in settings.storage.names:
        names = ", ".join(settings.storage.names)
        raise click.ClickException(
            f"[storage] names no storage '{name}' (it names {names}); add it to others, also for running services"
        )


def on_storages(
    settings: Settings,
    components: Components,
    use: Callable[[DocumentStore, Storages], Coroutine[Any, Any, None]],
) -> None:
    """Open the documents and the storages for one use. Blocks.

    Raises:
        ClickException: they do not work.
    """

    async def call() -> None:
        async with open_storages(settings, components, SystemClock()) as (store, storages):
            await use(store, storages)

    run_on_parts(call())
