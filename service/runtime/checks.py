"""``lading check``: does everything that the service needs, once, and reports each failure."""

import asyncio
import hashlib
import itertools
import secrets
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from ...backends.guard.storage import GuardedStorage
from ...plugins.contracts import ObjectMetadata, StorageBackend
from ...plugins.errors import PluginError
from ..config import Components, Settings
from ..documents import StoreError
from ..models.clock import SystemClock
from ..storages.copies import are_one_place, once
from .plugins import detectors_for, fetchers_for, storages_for
from .wiring import make_store

PROBE_TIMEOUT = 30.0


class ProbeFailed(Exception):
    """A part answers, but does not do its work."""


async def probe(settings: Settings, components: Components) -> list[str]:
    """Probe the database, the storages and the folders for spools and uploads by writing, reading and deleting.

    Returns:
        the failures, one sentence each; empty if everything works.
    """
    faults = [
        await _fault(f"[documents] {settings.documents.backend}", lambda: _probe_store(settings)),
        *await _probe_storages(settings, components),
        await _fault("[fetch] or [detect]", lambda: _construct_the_others(settings, components)),
        await _fault("[worker] spool_directory", lambda: asyncio.to_thread(_probe_spool, settings)),
        await _fault("[uploads] directory", lambda: asyncio.to_thread(_probe_uploads, settings)),
    ]
    return [fault for fault in faults if fault is not None]


async def _fault(name: str, attempt: Callable[[], Awaitable[None]]) -> str | None:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            await attempt()
    except TimeoutError:
        return f"{name}: no answer within {PROBE_TIMEOUT:.0f} s"
    except (ProbeFailed, StoreError, PluginError, OSError) as error:
        return f"{name}: {error}"
    return None


async def _probe_store(settings: Settings) -> None:
    store = make_store(settings, SystemClock())
    try:
        await store.open()
        await store.ping()
    finally:
        await store.close()


async def _probe_storages(settings: Settings, components: Components) -> list[str | None]:
    try:
        storages = storages_for(settings, components)
    except PluginError as error:
        return [f"[storage] {error}"]
    faults = [
        await _fault(f"[storage] {name}", partial(_probe_storage, storage))
        for name, storage in storages.by_name.items()
    ]
    for one, other in itertools.combinations(storages.by_name.values(), 2):
        faults.append(await _fault(f"[storage] {other.name}", partial(_probe_distinct, one, other)))
    return [*faults, await _fault("[storage]", storages.close)]


async def _probe_distinct(one: GuardedStorage, other: GuardedStorage) -> None:
    """Refuse a mirror in the same place as the main storage."""
    if await are_one_place(one, other):
        raise ProbeFailed(f"is the same place as {one.name} under another name")


async def _construct_the_others(settings: Settings, components: Components) -> None:
    async with AsyncExitStack() as stack:
        fetchers_for(settings, components, stack)
        detectors_for(settings, components, stack)


async def _probe_storage(storage: StorageBackend) -> None:
    await storage.ping()
    await _save_and_delete(storage)


async def _save_and_delete(storage: StorageBackend) -> None:
    content = secrets.token_bytes(64)
    key = f"lading-check-{uuid.uuid4()}"
    metadata = ObjectMetadata(len(content), hashlib.sha256(content).hexdigest(), "application/octet-stream")
    await storage.save(key, once(content), metadata)
    try:
        async with storage.open(key) as stored:
            read = b"".join([chunk async for chunk in stored.chunks])
    finally:
        await storage.delete(key)
    if read != content:
        raise ProbeFailed("the bytes read back differ from the bytes saved")
    if await storage.exists(key):
        raise ProbeFailed("an object still exists after its deletion")


def _probe_spool(settings: Settings) -> None:
    _probe_folder(settings.worker.spool_directory)


def _probe_uploads(settings: Settings) -> None:
    folder = settings.uploads.directory.absolute()
    folder.mkdir(parents=True, exist_ok=True)  # as the first upload does
    _probe_folder(folder)


def _probe_folder(folder: Path | None) -> None:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"lading check")
