"""Several storages and a document store that fail on command, and images in them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from lading.backends.guard.storage import GuardedStorage
from lading.backends.memory import MemoryStorage, MemoryStorageOptions
from lading.plugins.contracts import ObjectMetadata, StoredObject
from lading.plugins.errors import StorageUnavailable
from lading.service.models import Import
from lading.service.storages.routes import Storages
from tests.support.clock import SettableClock
from tests.support.core import ScriptedStore
from tests.support.images import noise, store_image


class ScriptedStorage(MemoryStorage):
    """The reference storage; before each call it does what a test says, which may fail.

    Attributes:
        before: awaited before a call, with the method's name and the key.
        calls: methods and keys, in the order of the calls.
        metadata: of the last save of each key.
    """

    def __init__(self) -> None:
        super().__init__(MemoryStorageOptions())
        self.before: Callable[[str, str], Awaitable[None]] | None = None
        self.calls: list[tuple[str, str]] = []
        self.metadata: dict[str, ObjectMetadata] = {}

    @property
    def objects(self) -> dict[str, bytes]:
        return {key: bytes(body) for key, body in self._objects.items()}

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        await self._called("save", key)
        self.metadata[key] = metadata
        await super().save(key, chunks, metadata)

    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        await self._called("open", key)
        async with super().open(key, offset=offset, length=length) as stored:
            yield stored

    async def delete(self, key: str) -> None:
        await self._called("delete", key)
        await super().delete(key)

    async def exists(self, key: str) -> bool:
        await self._called("exists", key)
        return await super().exists(key)

    async def ping(self) -> None:
        await self._called("ping", "")
        await super().ping()

    async def _called(self, name: str, key: str) -> None:
        self.calls.append((name, key))
        if self.before is not None:
            await self.before(name, key)


class Warehouse:
    """Documents, and the storages ``a`` and ``b``; new images go to ``a``, and their second copies to ``mirror``."""

    def __init__(self, mirror: str | None = None) -> None:
        self.clock = SettableClock()
        self.store = ScriptedStore(self.clock)
        self.backends = {"a": ScriptedStorage(), "b": ScriptedStorage()}
        self.guards = {name: GuardedStorage(one, name=name, deadline=30.0) for name, one in self.backends.items()}
        self.storages = Storages(self.guards, "a", mirror)

    @property
    def a(self) -> ScriptedStorage:
        return self.backends["a"]

    @property
    def b(self) -> ScriptedStorage:
        return self.backends["b"]

    async def add(self, number: int, storage: str = "a", **changes: Any) -> list[Import]:
        """So many images in a storage; see ``done_import``."""
        found = []
        for seed in range(number):
            data = noise(100 + seed, seed)
            found.append(await store_image(self.store, self.guards[storage], storage, self.clock, data, **changes))
        return [one.document for one in found]

    async def current(self, document: Import) -> Import:
        found = await self.store.get(document.id)
        assert found is not None
        return found

    async def storage_of(self, document: Import) -> str:
        image = (await self.current(document)).image
        assert image is not None
        return image.storage


@asynccontextmanager
async def warehouse(mirror: str | None = None) -> AsyncIterator[Warehouse]:
    shop = Warehouse(mirror)
    await shop.store.open()
    try:
        yield shop
    finally:
        await shop.store.close()


def failing(error: Exception, *names: str, times: int = 1_000_000) -> Callable[[str, str], Awaitable[None]]:
    """What a storage does before a call: fail, for the first calls of those methods."""
    left = [times]

    async def before(name: str, _key: str) -> None:
        if name in names and left[0]:
            left[0] -= 1
            raise error

    return before


def deleting(shop: Warehouse, document: Import, failures: int) -> Callable[[str, str], Awaitable[None]]:
    """What a storage does before a call: at a save, the image is deleted and purged; so many deletions fail then."""
    fail = failing(StorageUnavailable("down"), "delete", times=failures)

    async def before(name: str, key: str) -> None:
        if name == "save":
            deleted = document.image_deleted(shop.clock.now())
            assert await shop.store.update(deleted)
            assert await shop.store.update(deleted.image_purged(shop.clock.now()))
        await fail(name, key)

    return before
