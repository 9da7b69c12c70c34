"""Which folders of ``lading.backends.local.storage`` are known to be durable, so that each is made durable once."""

from typing import Final

MAX_FOLDERS: Final = 10_000
"""Folders that are remembered; beyond them all are forgotten, which costs a sync each. The service's keys have 256."""


class DurableFolders:
    """A set of folders, by their path below the root. May be used by several threads."""

    def __init__(self) -> None:
        self._paths: set[str] = set()

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def add(self, path: str) -> None:
        """Remember a folder."""
        if len(self._paths) >= MAX_FOLDERS:
            self._paths.clear()
        self._paths.add(path)
