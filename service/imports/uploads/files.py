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
from .room import UploadRoom

_NAME: Final = re.compile(r"[0-9a-f-]{36}")
_SUFFIX: Final = ".part"


class UploadLocked(Exception):
    """Another request writes the file."""


class NoUploadRoom(Exception):
    """Unfinished uploads leave no room for another of this length."""


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
        limit: bytes of all unfinished uploads in the folder.

    Attributes:
        longest: length of the longest upload that can have room, with no other upload beside it.
    """

    def __init__(self, directory: Path, limit: int) -> None:
        self._directory = directory
        self._room = UploadRoom(directory / "room.journal", limit)
        self.longest = limit // 2

    def path(self, upload_id: str) -> Path:
        """The path of the file of an upload."""
        if not _NAME.fullmatch(upload_id):
            raise ValueError("not the id of an upload")
        return self._directory / f"{upload_id}{_SUFFIX}"

    def begin(self, upload_id: str, issuer_id: str, length: int) -> UploadFile:
        """Take the room for a new upload, and create its file. Blocks; see ``UploadFile.open``.

        As long as the file is open, ``ended`` does not get it: the import of the upload is still to be added.

        Raises:
            NoUploadRoom: there is no room.
        """
        self._create()
        file = UploadFile.open(self.path(upload_id))
        has_room = False
        try:
            has_room = self._room.take(upload_id, issuer_id, length)
        finally:
            if not has_room:
                file.path.unlink(missing_ok=True)
                file.close()
        if not has_room:
            raise NoUploadRoom
        return file

    def resume(self, upload_id: str, issuer_id: str, length: int) -> UploadFile:
        """``open``, for bytes of an upload that was begun. It has its room, unless its import was cancelled and retried
        since, or an earlier version has begun it: then this takes the room. With bytes, it gets room in any case.

        Raises:
            NoUploadRoom: there is no room, and no bytes yet.
        """
        file = self.open(upload_id)
        has_room = bool(file.size)
        try:
            if has_room:
                self._room.keep(upload_id, issuer_id, length)
            else:
                has_room = self._room.take(upload_id, issuer_id, length)
        except BaseException:
            file.close()
            raise
        if not has_room:
            file.path.unlink(missing_ok=True)
            file.close()
            raise NoUploadRoom
        return file

    def keep(self, upload_id: str, issuer_id: str, length: int) -> None:
        """Make sure that an upload that was begun has its room. Blocks."""
        self._create()
        self._room.keep(upload_id, issuer_id, length)

    def ended(self, upload_id: str) -> UploadFile:
        """Open the file of an upload that seems to have ended, or whose file is gone; ``remove`` it then. Blocks.

        Raises:
            UploadLocked: a request has it open.
        """
        return UploadFile.open(self.path(upload_id))

    def _create(self) -> None:
        if not self._directory.is_dir():
            self._directory.mkdir(parents=True, exist_ok=True)
            _sync(self._directory.parent)

    def open(self, upload_id: str) -> UploadFile:
        """Open the file of an upload, or create it. Blocks; see ``UploadFile.open``.

        Its bytes and its name are durable when this returns: a process that died may have left them in the page cache.
        """
        self._create()
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
        """Remove the file, if there is one, and give back the room of the upload. Blocks."""
        self.path(upload_id).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the bytes are gone; ``ids`` tells of what has room
            self._room.free(upload_id)

    def check_room(self) -> None:
        """Check that the folder can take more bytes. Creates no folder. Blocks.

        Raises:
            OSError: its disk has no room, or it cannot be written.
        """
        free_bytes_in(self._directory)

    def discard(self, upload_id: str) -> None:
        """Remove the file, unless a request has it open. Blocks."""
        if not _NAME.fullmatch(upload_id) or not self.path(upload_id).exists():
            return  # no resumable upload, or already removed
        try:
            file = UploadFile.open(self.path(upload_id))
        except UploadLocked:
            return
        try:
            self.remove(upload_id)
        finally:
            file.close()

    def ids(self) -> tuple[set[str], set[str]]:
        """The ids of the uploads that have files, and of those that have room. Blocks."""
        return set(self._names()), self._room.ids()

    def _names(self) -> Iterator[str]:
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
