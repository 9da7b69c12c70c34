"""Backends that misbehave as a test says, and what the tests of the guard share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

from lading.backends.guard.storage import GuardedStorage
from lading.backends.memory import MemoryStorage, MemoryStorageOptions
from lading.plugins.contracts import ObjectMetadata, StorageBackend, StoredObject
from lading.plugins.host.record import PluginCall
from lading.plugins.testing.bodies import Body
from lading.plugins.testing.storage.support import KEY, every_call

BODY = Body(1000)
Save = Callable[[AsyncIterator[bytes]], Awaitable[None]]


class Scripted(MemoryStorage):
    """A backend that does what a test says, where it says so."""

    def __init__(self) -> None:
        super().__init__(MemoryStorageOptions())
        self.on_save: Save | None = None
        self.on_open: Callable[[], Awaitable[None]] | None = None
        self.on_read: Callable[[], AsyncIterator[bytes]] | None = None
        self.on_release: Callable[[], Awaitable[None]] | None = None
        self.on_call: Callable[[], Awaitable[None]] | None = None

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        if self.on_save is None:
            await super().save(key, chunks, metadata)
        else:
            await self.on_save(chunks)

    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        if self.on_open is not None:
            await self.on_open()
        try:
            if self.on_read is not None:
                yield StoredObject(BODY.size, self.on_read())
            else:
                async with super().open(key, offset=offset, length=length) as stored:
                    yield stored
        finally:
            if self.on_release is not None:
                await self.on_release()

    async def exists(self, key: str) -> bool:
        if self.on_call is not None:
            await self.on_call()
        return await super().exists(key)

    async def delete(self, key: str) -> None:
        if self.on_call is not None:
            await self.on_call()

    async def ping(self) -> None:
        if self.on_call is not None:
            await self.on_call()

    async def close(self) -> None:
        if self.on_call is not None:
            await self.on_call()


class Recorder:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []

    def __call__(self, call: PluginCall) -> None:
        assert 0 <= call.seconds < 60
        assert call.kind == "storage"
        self.seen.append((call.plugin, call.operation, call.outcome))


def guarded(backend: StorageBackend, **options: Any) -> GuardedStorage:
    return GuardedStorage(backend, name="scripted", **options)


async def save(storage: StorageBackend, body: Body = BODY, key: str = KEY) -> None:
    await storage.save(key, body.chunks(100), body.metadata)


async def hang() -> None:
    await asyncio.Event().wait()


def raising(error: BaseException) -> Callable[..., Awaitable[None]]:
    async def call(*_arguments: object) -> None:
        raise error

    return call


def calls(storage: StorageBackend) -> Iterator[Coroutine[Any, Any, object]]:
    yield from every_call(storage, KEY)
    yield storage.ping()
    yield storage.close()
