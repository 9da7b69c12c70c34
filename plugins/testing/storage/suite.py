"""The suite of storage backends: the contract ``lading.plugins.contracts.StorageBackend`` as hostile cases.

Subclass it with a factory and two helpers that bypass the backend::

    class TestMyStorage(StorageBackendSuite):
        def make_backend(self) -> StorageBackend:
            return MyStorage(MyStorageOptions(path=self.place))

        async def read_raw(self, key: str) -> bytes | None: ...

        async def write_raw(self, key: str, body: bytes) -> None: ...

and ``leftovers``, if the backend can leave anything behind. ``troubled`` gives the place a trouble, such as an outage.
``lading.plugins.testing.suite`` has the rules for every case.
"""

from ..common.importing import ImportCases
from .files import FilesCases
from .listing import ListingCases
from .reading import ReadingCases
from .saving import SavingCases
from .troubles import TroubleCases


class StorageBackendSuite(SavingCases, ReadingCases, TroubleCases, ListingCases, FilesCases, ImportCases):
    """The cases that every storage backend must pass, with those of each capability that its class has."""
