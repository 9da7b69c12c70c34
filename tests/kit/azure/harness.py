"""What the kit asks of the author of the Azure storage."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import cache
from typing import ClassVar

import pytest

from lading.plugins import StorageBackend
from lading.plugins.testing import Trouble
from lading.plugins.testing.storage.support import StorageHarness
from tests.kit.azure.emulator import ACCOUNT, KEY, PAGE, Emulator
from tests.kit.azure.storage import AzureOptions, AzureStorage


@cache
def emulator() -> Emulator:
    """One for the process, since each case has a container of its own."""
    return Emulator()


class AzureHarness(StorageHarness):
    storage: ClassVar[type[AzureStorage]] = AzureStorage
    troubles: Collection[Trouble] = tuple(Trouble)
    secrets: Collection[str] = (KEY,)
    many = 2 * PAGE + 5
    container: str

    @pytest.fixture(autouse=True)
    def _server(self) -> None:
        emulator()  # it outlives the cases

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.container = emulator().new_container()
        yield
        del emulator().containers[self.container]

    def make_backend(self) -> StorageBackend:
        return self.storage(self.options(timeout=15.0))

    def make_impatient(self) -> StorageBackend:
        return self.storage(self.options(timeout=1.0))

    def options(self, timeout: float) -> AzureOptions:
        return AzureOptions(url=f"{emulator().url}/{self.container}", account=ACCOUNT, key=KEY, timeout=timeout)

    async def read_raw(self, key: str) -> bytes | None:
        blob = emulator().containers[self.container].get(key)
        return None if blob is None else await asyncio.to_thread(blob.path.read_bytes)

    async def write_raw(self, key: str, body: bytes) -> None:
        path = emulator().new_file()
        await asyncio.to_thread(path.write_bytes, body)
        emulator().put(self.container, key, path, "image/png", {})

    async def stored_type(self, key: str) -> str | None:
        return emulator().containers[self.container][key].content_type

    @asynccontextmanager
    async def troubled(self, trouble: Trouble) -> AsyncIterator[None]:
        emulator().troubles.told(f"bucket={self.container}&kind={trouble}")
        try:
            yield
        finally:
            emulator().troubles.told(f"bucket={self.container}&kind=")
