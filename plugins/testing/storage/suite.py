"""The suite of storage backends: what ``lading.plugins.contracts.StorageBackend`` says, as hostile cases.

An author subclasses it and gives a factory and two helpers that go around the backend::

    class TestMyStorage(StorageBackendSuite):
        def make_backend(self) -> StorageBackend:
            return MyStorage(MyStorageOptions(path=self.place))

        async def read_raw(self, key: str) -> bytes | None: ...

        async def write_raw(self, key: str, body: bytes) -> None: ...

and, where the backend can leave something behind, ``leftovers``. See ``lading.plugins.testing.suite`` for what holds
for every case.
"""

from .files import FilesCases
from .listing import ListingCases
from .reading import ReadingCases
from .saving import SavingCases


class StorageBackendSuite(SavingCases, ReadingCases, ListingCases, FilesCases):
    """The cases that every storage backend passes; those of a capability, where its class has it."""
