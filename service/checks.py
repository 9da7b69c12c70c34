"""``lading check``: does everything that the service needs, once, and says what does not work."""

import asyncio
import hashlib
import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

from plugins.contracts import ObjectMetadata, StorageBackend
from plugins.errors import PluginError
from service.clock import SystemClock
from service.documents import DocumentStore, StoreError
from service.settings import Components, Settings
from service.wiring import make_store, storage_for

PROBE_TIMEOUT = 30.0


async def probe(settings: Settings, components: Components) -> list[str]:
    """Probe the database and the storage by writing, reading and deleting.

    Returns:
        what does not work, one sentence each; empty where everything does.
    """
    store = make_store(settings, SystemClock())
    storage = storage_for(settings, components)
    try:
        faults = [
            await _fault(f"[documents] {settings.documents.backend}", lambda: _probe_store(store)),
            await _fault(f"[storage] {components.storage.plugin.name}", lambda: _probe_storage(storage)),
        ]
    finally:
        await storage.close()
        await store.close()
    return [fault for fault in faults if fault is not None]


async def _fault(name: str, attempt: Callable[[], Awaitable[None]]) -> str | None:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            await attempt()
    except TimeoutError:
        return f"{name}: no answer within {PROBE_TIMEOUT:.0f} s"
    except (StoreError, PluginError) as error:
        return f"{name}: {error}"
    return None


async def _probe_store(store: DocumentStore) -> None:
    await store.open()
    await store.ping()


async def _probe_storage(storage: StorageBackend) -> None:
    await storage.ping()
    content = secrets.token_bytes(64)
    key = f"lading-check/{uuid.uuid4()}"
    metadata = ObjectMetadata(len(content), hashlib.sha256(content).hexdigest(), "application/octet-stream")
    await storage.save(key, _once(content), metadata)
    try:
        async with storage.open(key) as stored:
            read = b"".join([chunk async for chunk in stored.chunks])
    finally:
        await storage.delete(key)
    if read != content:
        raise PluginError("what was read back is not what was saved")
    if await storage.exists(key):
        raise PluginError("an object is still there after it was deleted")


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
