"""The common part of the commands of ``lading storage``: the configuration, the documents and the storages."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from ....plugins.errors import PluginError
from ...config import Components, Settings, SettingsError
from ...documents import DocumentStore, StoreError
from ...models.clock import SystemClock
from ...runtime.wiring import open_storages
from ...storages.routes import Storages
from ..common import everything_from, keeps_documents, refused


def loaded(config: Path | None) -> tuple[Settings, Components]:
    """Load the settings and the plugins.

    Raises:
        ClickException: with every fault; or the documents are in memory, where no other process sees them.
    """
    settings, components = everything_from(config, os.environ)
    if not keeps_documents(settings):
        raise click.ClickException("this command cannot see the documents of [documents] backend = memory")
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

    try:
        asyncio.run(call())
    except SettingsError as error:
        raise refused(error) from error
    except (StoreError, PluginError) as error:
        raise click.ClickException(str(error)) from error
