"""The files of resumable uploads. A file grows from request to request, and its length is the offset of the upload.

Blocking methods say so; callers run them in the executor of the spools.
"""

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from ...storages.free_space import free_bytes_in

_NAME: Final = re.compile(r"[0-9a-f-]{36}")
_SUFFIX: Final = ".part"


class UploadLocked(Exception):
    """Another request writes the file."""


class UploadFile:
    """A file that is open for writing and locked against all other requests (flock(2)).

    Attributes:
        size: its length in bytes.
    """

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self.path = path
        self.size = os.fstat(descriptor).st_size

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create the file. Blocks.

        Raises:
            UploadLocked: another request has it open.
            OSError: it cannot be opened.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(descriptor, path)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise UploadLocked from error
            raise

    def append(self, data: bytes) -> None:
        """Append to the file. Blocks.

        Raises:
            OSError: the disk does not accept the bytes.
        """
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._descriptor, rest, self.size)
            self.size += written
            rest = rest[written:]

    def sync(self) -> None:
        """Make the written bytes durable. Blocks.

        Raises:
            OSError: the disk does not work.
        """
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Unlock and close the file, and keep its bytes. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class UploadFolder:
    """The folder of the files.

    Args:
        directory: created if it is missing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, upload_id: str) -> Path:
        """The path of the file of an upload."""
        if not _NAME.fullmatch(upload_id):
            raise ValueError("not the id of an upload")
        return self._directory / f"{upload_id}{_SUFFIX}"

    def open(self, upload_id: str) -> UploadFile:
        """Open the file of an upload, or create it. Blocks; see ``UploadFile.open``.

        Its bytes and its name are durable when this returns: a process that died may have left them in the page cache.
        """
        if not self._directory.is_dir():
            self._directory.mkdir(parents=True, exist_ok=True)
            _sync(self._directory.parent)
        file = UploadFile.open(self.path(upload_id))
        try:
            file.sync()
            _sync(self._directory)
        except BaseException:
            file.close()
            raise
        return file

    def size(self, upload_id: str) -> int:
        """The number of durable bytes, 0 without a file. Blocks."""
        try:
            return _sync(self.path(upload_id))
        except FileNotFoundError:
            return 0

    def remove(self, upload_id: str) -> None:
        """Remove the file, if there is one. Blocks."""
        with contextlib.suppress(FileNotFoundError):
            self.path(upload_id).unlink()

    def check_room(self) -> None:
        """Check that the folder can take more bytes. Creates no folder. Blocks.

        Raises:
            OSError: its disk has no room, or it cannot be written.
        """
        free_bytes_in(self._directory)

    def discard(self, upload_id: str) -> None:
        """Remove the file, unless a request has it open. Blocks."""
        if not _NAME.fullmatch(upload_id) or not self.path(upload_id).exists():
            return
        try:
            file = UploadFile.open(self.path(upload_id))
        except UploadLocked:
            return
        try:
            self.remove(upload_id)
        finally:
            file.close()

    def ids(self) -> Iterator[str]:
        """The ids of the uploads that have files. Blocks while iterated."""
        try:
            with os.scandir(self._directory) as entries:
                for entry in entries:
                    name = entry.name.removesuffix(_SUFFIX)
                    if name != entry.name and _NAME.fullmatch(name):
                        yield name
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise


def _sync(path: Path) -> int:
    """Make a file or a folder durable; its size before."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        size = os.fstat(descriptor).st_size
        os.fsync(descriptor)
        return size
    finally:
        os.close(descriptor)
