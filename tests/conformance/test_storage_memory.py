"""The reference backend keeps the contract, alone and behind the guard."""

from collections.abc import Mapping
from typing import ClassVar

from backends.guard import GuardedStorage
from backends.memory import MemoryStorage, MemoryStorageOptions
from plugins.contracts import StorageBackend
from plugins.testing.storage import StorageBackendSuite
from plugins.testing.storage_support import StorageHarness
from tests.conformance.storage import GuardedStorageSuite


class MemoryHarness(StorageHarness):
    unsupported: ClassVar[Mapping[str, str]] = {"bounded_memory": "memory is where it keeps objects"}
    memory: MemoryStorage

    def make_backend(self) -> StorageBackend:
        self.memory = MemoryStorage(MemoryStorageOptions())
        return self.memory

    async def read_raw(self, key: str) -> bytes | None:
        body = self.memory._objects.get(key)
        return None if body is None else bytes(body)

    async def write_raw(self, key: str, body: bytes) -> None:
        self.memory._objects[key] = bytearray(body)


class TestMemoryStorage(MemoryHarness, StorageBackendSuite):
    pass


class TestGuardedMemoryStorage(MemoryHarness, GuardedStorageSuite):
    def make_backend(self) -> StorageBackend:
        return GuardedStorage(super().make_backend(), name="memory")
