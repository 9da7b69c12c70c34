"""The folder in which thumbnails are kept: bounded, shared by the processes of a machine, and of no other value.

A file holds one thumbnail behind a digest of it, so that a file that a loss of power damaged is never served. Whoever
adds a file holds the lock of the folder (flock(2)). The file of the lock says how many bytes all files take up. The
holder of the lock first enters the bytes there, then writes ``new``, then renames it: a process that is killed in
between leaves a number that is too large, which the next removal corrects, and a ``new`` that the next file replaces.
If a file would exceed the bound, the files that were used longest ago go first. Reading takes no lock.

All methods of the folder block; callers run them in the executor of the spools.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

PATIENCE: Final = 2.0
"""Seconds to wait for the lock; a thumbnail that is not kept is made again."""
_PAUSE: Final = 0.005
_FILLED: Final = 0.9
"""The part of the bound that the files take up after a removal, so that removals are rare."""
_BLOCK: Final = 4096
_DIGEST_BYTES: Final = 32
_USED_AGAIN: Final = 60.0
"""Seconds after which another use of a file is noted."""
_NEW: Final = "new"
_LOCK: Final = "size"


class ThumbnailName(NamedTuple):
    """The name of a thumbnail in the folder, which tells nothing about its image.

    Attributes:
        object: of the stored object.
        variant: of the bytes, the size, the media type and the recipe.
    """

    object: str
    variant: str

    @classmethod
    def of(cls, key: str, *variant: str) -> "ThumbnailName":
        """The name of the thumbnail of an object, told from its other ones, and from those of its earlier bytes."""
        return cls(_digest(key), _digest("\n".join(variant)))

    @property
    def path(self) -> Path:
        """The path in the folder."""
        return Path(self.object[:2], f"{self.object}-{self.variant}")


class _Entry(NamedTuple):
    used_at: float
    made_at: float
    byte_size: int
    path: Path


@dataclass(frozen=True, slots=True)
class ThumbnailFolder:
    """The folder of a machine.

    Attributes:
        directory: created with the first thumbnail.
        limit: bytes of all files, in whole blocks.
        keep: seconds after which a thumbnail goes, however often it is used.
    """

    directory: Path
    limit: int
    keep: float

    def get(self, name: ThumbnailName) -> bytes | None:
        """The thumbnail; None if the folder does not have it.

        Raises:
            OSError: the folder cannot be read.
        """
        path = self.directory / name.path
        try:
            with path.open("rb", buffering=0) as file:
                facts = os.fstat(file.fileno())
                found = file.read()
        except FileNotFoundError:
            return None
        digest, content = found[:_DIGEST_BYTES], found[_DIGEST_BYTES:]
        if digest != hashlib.sha256(content).digest():
            path.unlink(missing_ok=True)
            return None
        now = time.time()
        if not 0 <= now - facts.st_atime <= _USED_AGAIN:
            with suppress(OSError):  # it has gone meanwhile
                os.utime(path, (now, facts.st_mtime))
        return content

    def put(self, name: ThumbnailName, content: bytes) -> None:
        """Keep a thumbnail. One that does not fit is not kept.

        Raises:
            OSError: the folder cannot be written, or another process does not release its lock.
        """
        data = hashlib.sha256(content).digest() + content
        path = self.directory / name.path
        size = _on_disk(len(data))
        if size > self.limit * (1 - _FILLED):
            return
        with self._locked() as descriptor:
            if path.exists():
                return
            total = _read(descriptor)
            if total is None or total + size > self.limit:
                total = self._make_room()
            _write(descriptor, total + size)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            new = self.directory / _NEW
            new.write_bytes(data)
            new.rename(path)

    def forget(self, key: str) -> None:
        """Remove all thumbnails of an object.

        Raises:
            OSError: the folder cannot be written.
        """
        prefix = f"{_digest(key)}-"
        for path in _files(self.directory / prefix[:2]):
            if path.name.startswith(prefix):
                path.unlink(missing_ok=True)

    def expire(self) -> None:
        """Remove the thumbnails that are too old, and correct the number of bytes.

        Raises:
            OSError: the folder cannot be written, or another process does not release its lock.
        """
        if self.directory.exists():
            with self._locked() as descriptor:
                _write(descriptor, self._make_room(filled=1))

    def _make_room(self, filled: float = _FILLED) -> int:
        """Remove the files that are too old, and those that were used longest ago; the bytes of the other ones."""
        expired = time.time() - self.keep
        left = []
        for entry in self._entries():
            if entry.made_at < expired:
                entry.path.unlink(missing_ok=True)
            else:
                left.append(entry)
        total = sum(entry.byte_size for entry in left)
        if total > self.limit * filled:
            for entry in sorted(left):
                if total <= self.limit * _FILLED:
                    break
                entry.path.unlink(missing_ok=True)
                total -= entry.byte_size
        return total

    def _entries(self) -> Iterator[_Entry]:
        for folder in _folders(self.directory):
            for path in _files(folder):
                with suppress(FileNotFoundError):
                    facts = path.stat()
                    yield _Entry(facts.st_atime, facts.st_mtime, _on_disk(facts.st_size), path)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The descriptor of the lock's file, locked against all others."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise
                    time.sleep(_PAUSE)
            yield descriptor
        finally:
            os.close(descriptor)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _read(descriptor: int) -> int | None:
    """The number in the file of the lock; None if there is none yet."""
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None


def _write(descriptor: int, total: int) -> None:
    os.pwrite(descriptor, b"%-31d\n" % total, 0)


def _folders(directory: Path) -> Iterator[Path]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)


def _files(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                yield Path(entry.path)
