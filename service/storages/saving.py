"""Saves the content of a spool in a storage, which a rule may choose: as a file, if the storage takes files."""

from collections.abc import Callable
from dataclasses import dataclass

from ...backends.guard.capabilities import files_of
from ...plugins.capabilities import SupportsFiles
from ...plugins.contracts import ObjectMetadata, StorageBackend
from ..models import Import
from .routes import Storages
from .spool import Spool


@dataclass(frozen=True, slots=True)
class Saving:
    """A storage for the content of spools.

    Attributes:
        storage: the storage, behind its guard.
        name: of the storage.
        files: saves files there; None if the storage takes no files.
    """

    storage: StorageBackend
    name: str
    files: SupportsFiles | None = None

    async def save(self, key: str, spool: Spool, metadata: ObjectMetadata) -> None:
        """Save the content of a complete spool.

        Raises:
            StorageError: see ``StorageBackend.save``.
            OSError: the spool cannot be read, or was changed.
        """
        if self.files is None:
            await self.storage.save(key, spool.chunks(), metadata)
        else:
            spool.check_unchanged()  # a guard hashes a stream, and never sees the bytes of a file
            await self.files.save_file(key, spool.path, metadata)


def by_rules(storages: Storages) -> Callable[[Import], Saving]:
    """Finds the storage for the image of an import."""
    savings = {
        name: Saving(storage, name, files_of(storage))
        for name, storage in storages.by_name.items()
        if name == storages.main or any(rule.storage == name for rule in storages.rules)
    }
    return lambda document: savings[storages.name_for(document)]
