"""Saves the content of a spool in a storage: as a file, if the storage takes files."""

from dataclasses import dataclass

from ...plugins.capabilities import SupportsFiles
from ...plugins.contracts import ObjectMetadata, StorageBackend
from .spool import Spool


@dataclass(frozen=True, slots=True)
class Saving:
    """Where spools are saved.

    Attributes:
        storage: the place, behind its guard.
        files: saves files there; None where it cannot.
    """

    storage: StorageBackend
    files: SupportsFiles | None = None

    async def save(self, key: str, spool: Spool, metadata: ObjectMetadata) -> None:
        """Save what the spool holds, which is complete.

        Raises:
            StorageError: see ``StorageBackend.save``.
            OSError: the spool cannot be read, or was changed.
        """
        if self.files is None:
            await self.storage.save(key, spool.chunks(), metadata)
        else:
            spool.check_unchanged()  # a guard, which hashes what it is given, sees nothing of a file
            await self.files.save_file(key, spool.path, metadata)
