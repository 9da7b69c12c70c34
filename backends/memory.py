"""Storage in this process's memory: the reference, for tests and trials. The objects are lost when the process ends."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import ClassVar, Final

from pydantic import Field

from ..plugins.capabilities import ListedObject, SupportsListing
from ..plugins.contracts import ObjectMetadata, StorageBackend, StoredObject
from ..plugins.errors import ContentMismatch, ObjectExists, ObjectNotFound, StorageFull, StorageUnavailable
from ..plugins.options import PluginOptions

PIECE: Final = 1024 * 1024


class MemoryStorageOptions(PluginOptions):
    """Options of ``MemoryStorage``."""

    max_total_bytes: int = Field(
        default=256 * 1024 * 1024,
        ge=1,
        description="Total size of all images in bytes, including images that are being saved.",
    )


class MemoryStorage(StorageBackend, SupportsListing):
    """Keeps objects in a dictionary. See ``StorageBackend``."""

    contract_version = 1
    Options: ClassVar[type[PluginOptions]] = MemoryStorageOptions

    def __init__(self, options: PluginOptions) -> None:
        if not isinstance(options, MemoryStorageOptions):
            raise TypeError(f"MemoryStorageOptions expected, not {type(options).__name__}")
        self._limit = options.max_total_bytes
        self._used = 0
        self._objects: dict[str, bytearray] = {}
        self._saved_at: dict[str, datetime] = {}
        self._closed = False

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        """See ``StorageBackend.save``."""
        self._check_free(key)
        body = bytearray()
        try:
            await self._fill(body, key, chunks, metadata)
        except BaseException:
            self._used -= len(body)
            raise
        self._objects[key] = body
        self._saved_at[key] = datetime.now(UTC)

    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        """See ``StorageBackend.open``. A reader can read a deleted object to its end."""
        self._check_open()
        body = self._objects.get(key)
        if body is None:
            raise ObjectNotFound
        end = len(body) if length is None else min(len(body), offset + length)
        async with aclosing(self._pieces(body, offset, end)) as chunks:
            yield StoredObject(len(body), chunks)

    async def delete(self, key: str) -> None:
        """See ``StorageBackend.delete``."""
        self._check_open()
        self._used -= len(self._objects.pop(key, b""))
        self._saved_at.pop(key, None)

    async def exists(self, key: str) -> bool:
        """See ``StorageBackend.exists``."""
        self._check_open()
        return key in self._objects

    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        """See ``SupportsListing.list_objects``."""
        self._check_open()
        for key in tuple(self._objects):
            self._check_open()
            if key.startswith(prefix) and key in self._objects:
                yield ListedObject(key, len(self._objects[key]), self._saved_at[key])

    async def ping(self) -> None:
        """See ``StorageBackend.ping``."""
        self._check_open()
        if self._used >= self._limit:
            raise StorageFull(f"{self._used} bytes of {self._limit} are used")

    async def close(self) -> None:
        """See ``StorageBackend.close``."""
        self._closed = True
        self._objects.clear()

    async def _fill(self, body: bytearray, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        async for chunk in chunks:
            body += chunk
            self._used += len(chunk)
            self._check_free(key)
            if self._used > self._limit:
                raise StorageFull(f"more than {self._limit} bytes")
            if len(body) > metadata.byte_size:
                break
        self._check_free(key)
        if len(body) != metadata.byte_size:
            raise ContentMismatch(f"{len(body)} bytes instead of {metadata.byte_size}")

    async def _pieces(self, body: bytearray, offset: int, end: int) -> AsyncGenerator[bytes, None]:
        for start in range(offset, end, PIECE):
            self._check_open()
            yield bytes(body[start : min(start + PIECE, end)])

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("the storage is closed")

    def _check_free(self, key: str) -> None:
        self._check_open()
        if key in self._objects:
            raise ObjectExists
