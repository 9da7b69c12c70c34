"""Saves the content of a spool in a storage: as a file, if the storage takes files."""

from dataclasses import dataclass

from ...plugins.capabilities import SupportsFiles
from ...plugins.contracts import ObjectMetadata, StorageBackend
from .spool import Spool


@dataclass(frozen=True, slots=True)
class Saving:
    """A storage for the content of spools.

    Attributes:
        storage: the storage, behind its guard.
        files: saves files there; None if the storage takes no files.
    """

    storage: StorageBackend
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
