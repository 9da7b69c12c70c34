"""Lists the objects of ``lading.backends.local.storage``: plain functions that block; call them in a thread."""

import os
from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from ...plugins.capabilities import ListedObject
from ...plugins.keys import MAX_KEY_LENGTH
from .tree import Tree, is_object

BATCH: Final = 1000
"""Objects that one call into a thread reads."""


class Listing:
    """The objects whose key begins with a prefix, read from the folders on demand.

    The listing keeps as many folders open as a key has segments, however many objects there are. It skips a folder or
    file that disappears meanwhile.

    Args:
        tree: the folder of the objects.
        prefix: a plain string.
    """

    def __init__(self, tree: Tree, prefix: str) -> None:
        self._tree = tree
        self._prefix = prefix
        self.file: Iterator[ListedObject] | None = None
        """Holds the folders open, as files do for uploads and reads."""
        self._objects = self._below(())

    def next_batch(self) -> Sequence[ListedObject]:
        """The next objects; none at the end.

        Raises:
            StorageUnavailable: the root does not exist.
            OSError: a folder cannot be read.
        """
        self.file = self._objects
        return list(islice(self._objects, BATCH))

    def release(self) -> None:
        """Close the folders. May be called again; raises nothing."""
        self.file = None
        self._objects.close()

    def _below(self, folders: Sequence[str]) -> Generator[ListedObject, None, None]:
        try:
            with self._tree.folder(folders) as folder, os.scandir(folder) as entries:
                for entry in entries:
                    key = "/".join((*folders, entry.name))
                    if entry.name.startswith(".") or len(key) > MAX_KEY_LENGTH:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if self._may_hold(f"{key}/"):
                            yield from self._below((*folders, entry.name))
                    elif key.startswith(self._prefix) and is_object(entry.name, folder):
                        yield from _listed(key, entry)
        except (FileNotFoundError, NotADirectoryError):
            return

    def _may_hold(self, beginning: str) -> bool:
        """Whether keys with this beginning can begin with the prefix."""
        return beginning.startswith(self._prefix) or self._prefix.startswith(beginning)


def _listed(key: str, entry: "os.DirEntry[str]") -> Iterator[ListedObject]:
    try:
        facts = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    yield ListedObject(key, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC))
