"""The folder of the objects of ``lading.backends.local.storage``: plain functions that block; call them in a thread.

An object lies under the root at its own key. Files that are being written lie in ``<root>/.incoming``, which no key can
name, since no segment of a key begins with a dot. Folders are opened one segment at a time, each relative to the one
before and never through a symbolic link, so no name leads out of the root. The root itself may be a symbolic link.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ...plugins.errors import KeyInvalid, ObjectNotFound, StorageDenied, StorageError, StorageFull, StorageUnavailable
from .folders import DurableFolders

INCOMING: Final = ".incoming"
SUFFIX: Final = ".part"
FOLDER_MODE: Final = 0o750

_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OBJECT_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LEFTOVER_FLAGS: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Not EROFS: the system makes a failing disk read-only, which is an outage.
_DENIED: Final = frozenset({errno.EACCES, errno.EPERM})


def storage_error(error: OSError) -> StorageError:
    """The storage error for an error of the operating system."""
    if error.errno in _FULL:
        return StorageFull(str(error))
    if error.errno in _DENIED:
        return StorageDenied(str(error))
    return StorageUnavailable(str(error))


def split(key: str) -> tuple[Sequence[str], str]:
    """The folders of a key, and the file name in the last folder.

    The guard has checked the key already; this check protects every other caller.

    Raises:
        KeyInvalid: it has a segment that is empty, begins with a dot or contains a NUL.
    """
    *folders, name = key.split("/")
    if any(not part or part.startswith(".") or "\0" in part for part in (*folders, name)):
        raise KeyInvalid(f"not a path below the root: {key!r}")
    return folders, name


def is_object(name: str, folder: int) -> bool:
    """Whether ``name`` in the opened ``folder`` is an object: a regular file, and no symbolic link.

    Raises:
        OSError: the system does not say.
    """
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


class Tree:
    """The root folder and the objects in it. Several threads may call its methods.

    Args:
        root: absolute path of the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / INCOMING
        self._durable = DurableFolders()

    def prepare(self) -> None:
        """Create the root and ``.incoming`` if they are missing, and remove the leftovers of dead writers.

        Raises:
            OSError: that is not possible.
        """
        missing = [folder for folder in (self.incoming, self.root, *self.root.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            _fsync_folder(folder.parent)
        self._sweep()

    def exists(self, key: str) -> bool:
        """Whether the key has an object: a regular file.

        Raises:
            OSError: the system does not say.
            KeyInvalid: see ``split``.
        """
        folders, name = split(key)
        try:
            with self.folder(folders) as folder:
                return is_object(name, folder)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def delete(self, key: str) -> None:
        """Remove the object, durably; a key without an object is no error.

        Raises:
            OSError: the object may still be there.
            KeyInvalid: see ``split``.
        """
        folders, name = split(key)
        with suppress(FileNotFoundError, NotADirectoryError), self.folder(folders) as folder:
            if is_object(name, folder):
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)

    def open(self, key: str) -> int:
        """Open the object for reading: a file descriptor, which the caller closes.

        Raises:
            ObjectNotFound: there is none.
            OSError: it cannot be opened.
            KeyInvalid: see ``split``.
        """
        folders, name = split(key)
        try:
            with self.folder(folders) as folder:
                if not is_object(name, folder):
                    raise ObjectNotFound(f"no regular file at {key}")
                return os.open(name, _OBJECT_FLAGS, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectNotFound(str(error)) from error

    @contextmanager
    def folder(self, names: Sequence[str], *, create: bool = False) -> Iterator[int]:
        """Open a folder below the root: yields its file descriptor, closed on exit.

        Args:
            names: the names from the root to the folder.
            create: create missing folders, and make every folder on the way durable.

        Raises:
            StorageUnavailable: the root was never prepared, or is gone (a volume that is not mounted).
            FileNotFoundError, NotADirectoryError: there is no such folder; a symbolic link is none.
            OSError: it cannot be opened.
        """
        if create and len(names) == 1 and names[0] in self._durable:
            # The usual case: a folder that exists and is known to be durable needs one call instead of four.
            found: int | None = None
            with suppress(FileNotFoundError):
                found = os.open(f"{self.root}/{names[0]}", _FOLDER_FLAGS | os.O_NOFOLLOW)
            if found is not None:
                try:
                    yield found
                finally:
                    os.close(found)
                return
        current = self._open_root()
        try:
            for depth, name in enumerate(names, start=1):
                child = self._open_child(current, "/".join(names[:depth]), name, create=create)
                os.close(current)
                current = child
            yield current
        finally:
            os.close(current)

    def _open_root(self) -> int:
        """Open the root; without its ``.incoming`` it is not the folder that ``prepare`` saw."""
        try:
            self.incoming.lstat()
            return os.open(self.root, _FOLDER_FLAGS)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StorageUnavailable(f"not prepared, or not mounted: {error}") from error

    def _open_child(self, parent: int, path: str, name: str, *, create: bool) -> int:
        if create and path not in self._durable:
            self._make(parent, path, name)
        try:
            return os.open(name, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=parent)
        except FileNotFoundError:
            if not create:
                raise
        self._make(parent, path, name)  # it was durable, but has been removed since
        return os.open(name, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=parent)

    def _make(self, parent: int, path: str, name: str) -> None:
        with suppress(FileExistsError):
            os.mkdir(name, FOLDER_MODE, dir_fd=parent)
        # Even if the folder existed: another thread or process may have made it a moment ago.
        os.fsync(parent)
        self._durable.add(path)

    def _sweep(self) -> None:
        with os.scandir(self.incoming) as entries:
            leftovers = [Path(entry.path) for entry in entries if entry.name.endswith(SUFFIX)]
        for path in leftovers:
            with suppress(FileNotFoundError):
                _remove_if_dead(path)


def _fsync_folder(path: Path) -> None:
    descriptor = os.open(path, _FOLDER_FLAGS)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_dead(path: Path) -> None:
    descriptor = os.open(path, _LEFTOVER_FLAGS)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except BlockingIOError:
        return  # its writer lives
    finally:
        os.close(descriptor)
