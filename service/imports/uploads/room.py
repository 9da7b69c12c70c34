"""The disk that unfinished resumable uploads may take up, shared by the processes that have the same folder.

A journal in the folder has a line for each upload that begins, with its issuer and its announced length, and a line for
each that ends. Whoever looks or writes holds the journal's lock (flock(2)) and has read what others have written, so no
two processes give the same bytes away. A line that a killed process has not written to its end does not count. A line
that a loss of power took is written again by ``Uploads.sweep``.

All methods block; callers run them in the executor of the spools.
"""

import contextlib
import errno
import fcntl
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PATIENCE: Final = 5.0
"""Seconds to wait for a lock that another process holds, which takes it for microseconds unless the process stands
still.
"""
PAUSE: Final = 0.005
COMPACTED: Final = 1000
"""Lines from which on the journal is written anew, without the uploads that have ended, if those are most of it."""
_PIECE: Final = 1024 * 1024
_HEAD: Final = 41
"""Length of the first line: a random id tells the journal from an earlier one, which may have had the same inode."""


class UploadRoom:
    """How many bytes of unfinished uploads each issuer has announced, and whether there is room for more.

    An issuer may have as many bytes as it leaves free: half of them at most, so that others find room (P7).

    Args:
        path: of the journal; its folder exists when an upload begins.
        limit: bytes of all uploads.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._turn = threading.Lock()
        self._uploads: dict[str, tuple[str, int]] = {}
        self._bytes_of: Counter[str] = Counter()
        self._lines = 0
        self._head = b""
        self._end = 0

    def take(self, upload_id: str, issuer_id: str, length: int) -> bool:
        """Enter an upload that begins, if there is room for its announced length; whether there is.

        Raises:
            OSError: the journal cannot be read or written, or another process does not let go of it.
        """
        with self._locked() as descriptor:
            if upload_id not in self._uploads:
                if self._bytes_of[issuer_id] + length > self._limit - self._bytes_of.total() - length:
                    return False
                self._write(descriptor, [upload_id, issuer_id, length])
            return True

    def keep(self, upload_id: str, issuer_id: str, length: int) -> None:
        """Enter an upload that was begun before, whatever room there is, unless it is entered.

        Raises:
            OSError: see ``take``.
        """
        with self._locked() as descriptor:
            if upload_id not in self._uploads:
                self._write(descriptor, [upload_id, issuer_id, length])

    def free(self, upload_id: str) -> None:
        """Give back the room of an upload whose bytes are gone, if it has any.

        Raises:
            OSError: see ``take``.
        """
        if not self._path.exists():
            return
        with self._locked() as descriptor:
            if upload_id in self._uploads:
                self._write(descriptor, [upload_id])

    def ids(self) -> set[str]:
        """The ids of the uploads that are entered.

        Raises:
            OSError: see ``take``.
        """
        if not self._path.exists():
            return set()
        with self._locked():
            return set(self._uploads)

    # --- the journal --------------------------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The journal's descriptor, locked against all others; it is read to its end then."""
        with self._turn:
            descriptor = self._open(time.monotonic() + PATIENCE)
            try:
                self._read(descriptor)
                yield descriptor
            finally:
                os.close(descriptor)

    def _open(self, until: float) -> int:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _identity(self._path.stat()) == _identity(os.fstat(descriptor)):
                    return descriptor
            except (BlockingIOError, FileNotFoundError):
                pass  # held by another, or replaced since it was opened
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
            if time.monotonic() > until:
                raise OSError(errno.EAGAIN, "another process holds the journal of uploads", str(self._path))
            time.sleep(PAUSE)

    def _read(self, descriptor: int) -> None:
        """Learn what others have written since this was last called."""
        head, size = os.pread(descriptor, _HEAD, 0), os.fstat(descriptor).st_size
        if head != self._head or size < self._end:
            self._uploads, self._bytes_of = {}, Counter()
            self._head, self._end, self._lines = head, 0, 0
        while self._end < size:
            data = os.pread(descriptor, _PIECE, self._end)
            whole = data.rfind(b"\n") + 1
            if not whole:
                # Whoever wrote this was killed meanwhile: the lock is ours.
                os.ftruncate(descriptor, self._end)
                return
            for line in data[:whole].splitlines():
                self._enter(line)
            self._end += whole

    def _enter(self, line: bytes) -> None:
        self._lines += 1
        try:
            upload_id, *begun = json.loads(line)
            issuer_id, length = begun or ("", 0)
        except (ValueError, TypeError):
            return  # the disk lost it with the machine's power
        if upload_id in self._uploads:
            former_id, former = self._uploads.pop(upload_id)
            self._bytes_of[former_id] -= former
            if not self._bytes_of[former_id]:
                del self._bytes_of[former_id]
        if begun:
            self._uploads[upload_id] = issuer_id, length
            self._bytes_of[issuer_id] += length

    def _write(self, descriptor: int, entry: Sequence[object]) -> None:
        lines = _lines([entry] if self._end else [_head(), entry])
        try:
            _write_at(descriptor, lines, self._end)
        except OSError:
            os.ftruncate(descriptor, self._end)
            raise
        self._read(descriptor)
        if self._lines > COMPACTED and self._lines > 4 * len(self._uploads):
            with contextlib.suppress(OSError):  # it may stay as long as it is
                self._compact()

    def _compact(self) -> None:
        """Put a journal of the uploads that have not ended in the place of this one, whose lock is held."""
        lines = _lines([_head(), *([upload_id, *begun] for upload_id, begun in self._uploads.items())])
        another = self._path.with_suffix(".new")
        descriptor = os.open(another, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _write_at(descriptor, lines, 0)
            os.fsync(descriptor)
            another.rename(self._path)
        finally:
            os.close(descriptor)


def _head() -> Sequence[str]:
    return [os.urandom(18).hex()]


def _lines(entries: Iterable[Sequence[object]]) -> bytes:
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        offset += written
        rest = rest[written:]


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
