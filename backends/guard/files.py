"""The saving of files made safe to call, with the care of the guard around the same backend."""

from pathlib import Path

from ...plugins.capabilities import SupportsFiles
from ...plugins.contracts import ObjectMetadata
from .storage import GuardedStorage


class GuardedFiles(SupportsFiles):
    """See ``SupportsFiles``; calls raise what those of ``GuardedStorage`` do.

    Args:
        guard: around the backend.
        files: the backend itself.
    """

    def __init__(self, guard: GuardedStorage, files: SupportsFiles) -> None:
        self._guard = guard
        self._files = files

    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        """See ``SupportsFiles.save_file``."""
        await self._guard.call("save", key, lambda: self._files.save_file(key, path, metadata))

    def make_file(self) -> int | None:
        """See ``SupportsFiles.make_file``; None too where the backend raises."""
        try:
            return self._files.make_file()
        except Exception:  # noqa: BLE001 - there are other places for a body
            return None


def files_of(guard: GuardedStorage) -> GuardedFiles | None:
    """What saves files in the guarded backend, or None where it cannot."""
    backend = guard.backend
    return GuardedFiles(guard, backend) if isinstance(backend, SupportsFiles) else None
