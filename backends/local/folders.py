"""Remembers which folders of ``lading.backends.local.storage`` are durable, so that each is synced once."""

from typing import Final

MAX_FOLDERS: Final = 10_000
"""Number of remembered folders; beyond it all are forgotten, which costs a sync each. The service's keys use 256."""


class DurableFolders:
    """A set of folders, by their path below the root. Several threads may use it."""

    def __init__(self) -> None:
        self._paths: set[str] = set()

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def add(self, path: str) -> None:
        """Remember a folder."""
        if len(self._paths) >= MAX_FOLDERS:
            self._paths.clear()
        self._paths.add(path)
