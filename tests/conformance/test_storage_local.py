"""The local disk keeps the contract, alone and behind the guard."""

from collections.abc import Collection

from backends.guard import GuardedStorage
from backends.local import LocalStorage, LocalStorageOptions
from plugins.contracts import StorageBackend
from plugins.testing.storage import StorageBackendSuite
from plugins.testing.storage_support import StorageHarness
from tests.conformance.storage import GuardedStorageSuite


class LocalHarness(StorageHarness):
    def make_backend(self) -> StorageBackend:
        return LocalStorage(LocalStorageOptions(path=self.place, threads=4))

    async def read_raw(self, key: str) -> bytes | None:
        path = self.place / key
        return path.read_bytes() if path.is_file() else None

    async def write_raw(self, key: str, body: bytes) -> None:
        path = self.place / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    async def leftovers(self) -> Collection[str]:
        return [path.name for path in (self.place / ".incoming").iterdir()]


class TestLocalStorage(LocalHarness, StorageBackendSuite):
    pass


class TestGuardedLocalStorage(LocalHarness, GuardedStorageSuite):
    def make_backend(self) -> StorageBackend:
        return GuardedStorage(super().make_backend(), name="local")
