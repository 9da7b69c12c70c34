"""Open files of ``lading.backends.local.storage``: plain functions that block; call them in a thread."""

import ctypes
import errno
import fcntl
import io
import os
import re
import stat
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from ...plugins.errors import ContentMismatch
from .tree import SUFFIX, Tree

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

FILE_MODE: Final = 0o640

_NEW_FILE_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# By number: a system without this flag has no such files.
_UNNAMED_FILE_FLAGS: Final = os.O_RDWR | os.O_CLOEXEC | getattr(os, "O_TMPFILE", os.O_CREAT)
_NO_UNNAMED_FILES: Final = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT})
_BODY_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC
_CREATE_ATTEMPTS: Final = 10
_COPIED_AT_ONCE: Final = 1024 * 1024
_OWN_DESCRIPTOR: Final = re.compile(r"/proc/([0-9]{1,9})/fd/([0-9]{1,9})")
NO_HARD_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})

_AT_FDCWD: Final = -100
_RENAME_NOREPLACE: Final = 1


Identity = tuple[int, int, int]
"""Identifies a file while somebody has it open, and distinguishes it from a later file with the same inode: device,
inode, and nanoseconds of the last write.
"""


def identity_of(path: Path) -> Identity:
    """The identity of the file at a path. Does not wait for a disk if the file is open.

    Raises:
        OSError: the path names no file.
    """
    own = _OWN_DESCRIPTOR.fullmatch(str(path))
    if own is not None and int(own[1]) == os.getpid():
        return _identity(os.fstat(int(own[2])))  # a lookup of the name takes ten times as long
    return _identity(path.stat())


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino, found.st_mtime_ns


class LockedFile(io.FileIO):
    """A file whose ``close`` waits for a running ``read`` in another thread.

    A file operation cannot be stopped when the task that waits for it is cancelled. If the file were closed under it,
    the descriptor could belong to another file by the time the thread uses it.
    """

    def __init__(self, descriptor: int, mode: str) -> None:
        self._lock = threading.Lock()
        super().__init__(descriptor, mode)

    def read(self, size: int | None = -1, /) -> bytes:
        """See ``io.FileIO.read``."""
        with self._lock:
            return super().read(size)

    def close(self) -> None:
        """Close the file once no thread uses it. May be called again."""
        with self._lock:
            super().close()


class NewFile(LockedFile):
    """A file that counts the written bytes."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb")
        self.byte_size = 0

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write all of ``data``, unlike ``io.FileIO.write``, which may write a part.

        Raises:
            OSError: not all of it could be written.
        """
        view = memoryview(data)
        rest = view
        with self._lock:
            while rest:
                rest = rest[os.write(self.fileno(), rest) :]
        self.byte_size += len(view)
        return len(view)

    def place(self, name: str, folder: int) -> None:
        """Give the file its final name in the opened folder.

        Raises:
            FileExistsError: the name is taken.
            OSError: it cannot be done.
        """
        raise NotImplementedError

    def forget(self) -> None:
        """Remove the file's temporary name, if it had one."""


class UnnamedFile(NewFile):
    """A file without a name until it is placed (O_TMPFILE of open(2)): a killed process leaves nothing behind."""

    @staticmethod
    def descriptor(path: Path, folder: int | None = None) -> int:
        """The descriptor of a new file on the filesystem of the folder at ``path``, relative to the opened ``folder``.

        Raises:
            OSError: it cannot be created.
        """
        return os.open(path, _UNNAMED_FILE_FLAGS, FILE_MODE, dir_fd=folder)

    @classmethod
    def create(cls, folder: int) -> Self | None:
        """Create a file on the filesystem of the opened folder; None if the filesystem has no files without names.

        Raises:
            OSError: it cannot be created.
        """
        try:
            return cls(cls.descriptor(Path(), folder))
        except OSError as error:
            if error.errno in _NO_UNNAMED_FILES:
                return None
            raise

    def place(self, name: str, folder: int) -> None:
        """See ``NewFile.place``, by the method of open(2) for processes without special rights."""
        os.link(f"/proc/self/fd/{self.fileno()}", name, dst_dir_fd=folder, follow_symlinks=True)


class BodyFile(UnnamedFile):
    """A file with a body, opened for reading, which may become the object itself. Created by ``open``."""

    @classmethod
    def open(cls, path: str | Path, expected: Identity | None = None) -> Self:
        """Open the file; ``expected`` is its expected identity.

        Raises:
            ContentMismatch: the path names another file.
            OSError: it cannot be opened.
        """
        file = cls(os.open(path, _BODY_FLAGS))
        found = os.fstat(file.fileno())
        if expected is not None and _identity(found) != expected:
            file.close()
            raise ContentMismatch("the path names another file by now")
        file.byte_size = found.st_size
        return file

    def can_be_placed(self, folder: int) -> bool:
        """Whether the file can become an object in the opened folder: it has no name, and is on the same filesystem."""
        own = os.fstat(self.fileno())
        return not own.st_nlink and stat.S_ISREG(own.st_mode) and own.st_dev == os.fstat(folder).st_dev

    def copy_to(self, file: NewFile) -> None:
        """Copy all of its bytes into another file.

        Raises:
            OSError: they cannot be read or written.
        """
        offset = 0
        while piece := os.pread(self.fileno(), min(_COPIED_AT_ONCE, self.byte_size - offset), offset):
            file.write(piece)
            offset += len(piece)


class TemporaryFile(NewFile):
    """A file in ``.incoming``, locked with flock. Created by ``create``.

    ``discard`` waits for a running ``write`` in another thread.
    """

    def __init__(self, descriptor: int, path: Path) -> None:
        super().__init__(descriptor)
        self.path = path

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Create a file under a new name and lock it.

        Between creation and lock, a sweep may take the file for a leftover. Then the sweep holds the lock, or the file
        has no name any more, and this creates another file.

        Raises:
            OSError: it cannot be created.
        """
        for _ in range(_CREATE_ATTEMPTS):
            path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
            file = cls(os.open(path, _NEW_FILE_FLAGS, FILE_MODE), path)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file.fileno()).st_nlink:
                    return file
            except BlockingIOError:
                pass
            except BaseException:
                file.discard()
                raise
            file.discard()
        raise BlockingIOError(errno.EAGAIN, "temporary files are swept away as they are created", str(folder))

    def place(self, name: str, folder: int) -> None:
        """See ``NewFile.place``.

        Filesystems without hard links (FAT, some network and user-space ones) get a rename that does not replace
        (renameat2(2), Linux). If there is neither, the error of the link counts.
        """
        try:
            os.link(self.path, name, dst_dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno not in NO_HARD_LINKS:
                raise
            _rename_exclusively(self.path, name, folder, error)

    def forget(self) -> None:
        """See ``NewFile.forget``."""
        self.path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the temporary name, if it still exists, and close the file. Raises nothing.

        The next start sweeps a name that cannot be removed. The name goes first, while the lock is held.
        """
        with suppress(OSError):
            self.path.unlink()
        with suppress(OSError):
            self.close()


def probe(tree: Tree) -> None:
    """Write a byte and remove it again.

    Raises:
        OSError: the folder is missing, full or not writable.
    """
    file = TemporaryFile.create(tree.incoming)
    try:
        file.write(b"\0")
    finally:
        file.discard()


def _rename_exclusively(temporary: Path, name: str, folder: int, refusal: OSError) -> None:
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        raise refusal
    if rename(_AT_FDCWD, os.fsencode(temporary), folder, os.fsencode(name), _RENAME_NOREPLACE) == 0:
        return
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL):
        raise refusal
    raise OSError(code, os.strerror(code), name)  # FileExistsError for EEXIST
