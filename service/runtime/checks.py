"""``lading check``: does everything that the service needs, once, and reports each failure. It leaves nothing behind:
neither objects nor folders, however it ends.
"""

import asyncio
import hashlib
import itertools
import os
import secrets
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from ...backends.guard.capabilities import files_of
from ...backends.guard.storage import GuardedStorage
from ...plugins.contracts import ObjectMetadata, StorageBackend
from ...plugins.errors import PluginError
from ..config import Components, Settings, SettingsError
from ..config.contradictions import refusals
from ..documents import StoreError
from ..documents.dispatch import BrokerUnavailable
from ..models.clock import SystemClock
from ..observe.telemetry import opening as telemetry
from ..storages.copies import are_one_place, once
from ..storages.free_space import existing_folder, free_bytes_in
from .dispatching import make_broker
from .plugins import guarded_plugins, storages_for
from .wiring import make_spools, opened_store

PROBE_TIMEOUT = 30.0
CLEANUP_TIMEOUT: Final = 10.0


class ProbeFailed(Exception):
    """A part answers, but does not do its work."""


async def probe(settings: Settings, components: Components) -> list[str]:
    """Probe the database, the storages and the service's own folders by writing, reading and deleting.

    Returns:
        the failures, one sentence each; empty if the service would start, and everything works.
    """
    with _without_new_folders(_folders(settings, components)):
        faults = [
            *map(str, (*refusals(settings), *telemetry.refusals(settings, os.environ))),
            await _fault(f"[documents] {settings.documents.backend}", lambda: _probe_store(settings)),
            *([await _fault("[nats]", lambda: _probe_broker(settings))] if settings.worker.dispatch == "nats" else ()),
            *await _probe_storages(settings, components),
            *await _probe_the_others(settings, components),
            *[
                await _fault(f"[{section}] directory", partial(asyncio.to_thread, _probe_folder, folder))
                for section, folder in _own_folders(settings).items()
            ],
            await _fault("[audit] file", partial(asyncio.to_thread, _probe_audit_file, settings.audit.file)),
        ]
    return [fault for fault in faults if fault is not None]


async def _fault(name: str, attempt: Callable[[], Awaitable[None]]) -> str | None:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            await attempt()
    except TimeoutError:
        return f"{name}: no answer within {PROBE_TIMEOUT:.0f} s"
    except SettingsError as error:
        return str(error)
    except (ProbeFailed, StoreError, PluginError, OSError) as error:
        return f"{name}: {error}"
    return None


@contextmanager
def _without_new_folders(folders: Iterable[Path]) -> Iterator[None]:
    """Remove the folders that the block creates on the way to ``folders``, and below them, if they are empty."""
    missing = {_first_missing(folder) for folder in folders if not folder.exists()}
    try:
        yield
    finally:
        for folder in missing:
            below = sorted(folder.rglob("*"), key=lambda path: len(path.parts), reverse=True)
            for path in (*below, folder):
                with suppress(OSError):  # it is a file, or has one: a service has started meanwhile
                    path.rmdir()


def _first_missing(folder: Path) -> Path:
    """The highest folder that would be created with a folder."""
    existing = existing_folder(folder)
    return existing / folder.relative_to(existing).parts[0]


def _folders(settings: Settings, components: Components) -> list[Path]:
    """The folders that the parts create."""
    options = (
        getattr(component.options, name)
        for component in components.storages.values()
        for name in type(component.options).model_fields
    )
    return [path.absolute() for path in (*_own_folders(settings).values(), *options) if isinstance(path, Path)]


def _own_folders(settings: Settings) -> Mapping[str, Path]:
    """The service's own folders, by the section that names them."""
    folders = {"uploads": settings.uploads.directory}
    return {**folders, "thumbnails": settings.thumbnails.directory} if settings.thumbnails.enabled else folders


async def _probe_store(settings: Settings) -> None:
    sqlite = settings.documents_sqlite
    if settings.documents.backend != "sqlite" or sqlite.path.exists():
        await _probe_opened(settings)
        return
    # The folder in which the file would be created gets another one, for a moment.
    with tempfile.TemporaryDirectory(prefix="lading-check-", dir=existing_folder(sqlite.path)) as folder:
        path = Path(folder, sqlite.path.name)
        await _probe_opened(replace(settings, documents_sqlite=sqlite.model_copy(update={"path": path})))


async def _probe_opened(settings: Settings) -> None:
    async with opened_store(settings, SystemClock()) as store:
        await store.ping()


async def _probe_broker(settings: Settings) -> None:
    try:
        await make_broker(settings).probe()
    except BrokerUnavailable as error:
        raise ProbeFailed(str(error)) from error


async def _probe_storages(settings: Settings, components: Components) -> list[str | None]:
    try:
        storages = storages_for(settings, components)
    except PluginError as error:
        return [f"[storage] {error}"]
    faults = [
        await _fault(f"[storage] {name}", partial(_probe_storage, storage))
        for name, storage in storages.by_name.items()
    ]
    spool = partial(_probe_spool, settings, storages.backend)
    faults.append(await _fault("[worker] spool_directory", spool))
    for one, other in itertools.combinations(storages.by_name.values(), 2):
        faults.append(await _fault(f"[storage] {other.name}", partial(_probe_distinct, one, other)))
    return [*faults, await _fault("[storage]", storages.close)]


async def _probe_distinct(one: GuardedStorage, other: GuardedStorage) -> None:
    """Refuse a mirror in the same place as the main storage."""
    if await are_one_place(one, other):
        raise ProbeFailed(f"is the same place as {one.name} under another name")


async def _probe_the_others(settings: Settings, components: Components) -> list[str | None]:
    """Construct the fetchers, detectors and processors, ask those that can say whether they work, and close them."""
    faults: list[str | None] = []

    async def ask_all() -> None:
        async with AsyncExitStack() as stack:
            plugins = guarded_plugins(settings, components, stack)
            pings = {**plugins.fetcher_pings, **plugins.pings}
            faults.extend(await asyncio.gather(*(_fault(name, ping) for name, ping in pings.items())))

    return [await _fault("[fetch], [detect] or [process]", ask_all), *faults]


async def _probe_storage(storage: StorageBackend) -> None:
    await storage.ping()
    await _save_and_delete(storage)


async def _save_and_delete(storage: StorageBackend) -> None:
    content = secrets.token_bytes(64)
    key = f"lading-check-{uuid.uuid4()}"
    metadata = ObjectMetadata(len(content), hashlib.sha256(content).hexdigest(), "application/octet-stream")
    async with _removed_at_last(storage, key):
        await storage.save(key, once(content), metadata)
        async with storage.open(key) as stored:
            read = b"".join([chunk async for chunk in stored.chunks])
        await storage.delete(key)
    if read != content:
        raise ProbeFailed("the bytes read back differ from the bytes saved")
    if await storage.exists(key):
        raise ProbeFailed("an object still exists after its deletion")


@asynccontextmanager
async def _removed_at_last(storage: StorageBackend, key: str) -> AsyncIterator[None]:
    """Delete the object if the block fails or is cancelled, also in the midst of a save."""
    try:
        yield
    except BaseException:
        with suppress(PluginError, TimeoutError):
            async with asyncio.timeout(CLEANUP_TIMEOUT):
                await storage.delete(key)
        raise


async def _probe_spool(settings: Settings, storage: GuardedStorage) -> None:
    with ThreadPoolExecutor(1, thread_name_prefix="spool") as executor:
        await make_spools(settings, files_of(storage), executor).ping()


def _probe_audit_file(path: Path | None) -> None:
    """Make sure that the file, or a new one in its folder, can be written; nothing is."""
    if path is None:
        return
    try:
        if path.exists():
            with path.open("ab"):
                return
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ProbeFailed(f"{path.absolute()} cannot be written: {error.strerror}") from error


def _probe_folder(directory: Path) -> None:
    folder = directory.absolute()
    try:
        free_bytes_in(folder)
    except OSError as error:
        raise ProbeFailed(f"{folder}: {error}") from error
