"""Temporary files without a name on disk: in memory (memfd_create(2)) or in a folder (O_TMPFILE).

A path opens them all the same, in this process or a child of the same user.
"""

import fcntl
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import IO, Final

_WRITTEN_AT_ONCE: Final = 1024
"""The largest number of pieces of one call: IOV_MAX of Linux, see writev(2)."""
MakesFile = Callable[[], int | None]
_HAS_UNNAMED_FILES: Final = hasattr(os, "memfd_create")
_SEALS: Final = (
    fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL if _HAS_UNNAMED_FILES else 0
)
"""See memfd_create(2)."""


class MemoryFile:
    """An unnamed file in memory, by its descriptor alone: ``open`` would ask the system for facts that nobody needs."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("lading-spool", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)

    @property
    def name(self) -> str:
        return ""

    def fileno(self) -> int:
        return self._descriptor

    def seal(self) -> None:
        """Seal the file: nobody can write into it any more."""
        fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, _SEALS)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def path_of(file: "IO[bytes] | MemoryFile") -> Path:
    """A path that opens a temporary file, in this process or a child of the same user."""
    return Path(f"/proc/{os.getpid()}/fd/{file.fileno()}" if _HAS_UNNAMED_FILES else file.name)


def memory_file(directory: Path | None) -> "IO[bytes] | MemoryFile":
    """An empty file in memory, where the system has such files, else in the folder."""
    return MemoryFile() if _HAS_UNNAMED_FILES else disk_file(directory)


def disk_file(directory: Path | None, make_file: MakesFile | None = None) -> IO[bytes]:
    """An empty file in the folder, or in the system's; in the place of ``make_file``, if it makes one. Blocks.

    Raises:
        OSError: the folder cannot be written.
    """
    descriptor = None if make_file is None else make_file()
    if descriptor is not None:
        return open(descriptor, "r+b", buffering=0)  # noqa: PTH123 - a descriptor has no path
    if _HAS_UNNAMED_FILES:
        return tempfile.TemporaryFile(dir=directory, buffering=0)
    return tempfile.NamedTemporaryFile(dir=directory, buffering=0)


def write(file: "IO[bytes] | MemoryFile", pieces: Iterable[bytes | bytearray]) -> None:
    """Write all of the pieces at the position of the file, without joining them. Blocks.

    Raises:
        OSError: the file cannot be written.
    """
    rest = deque(memoryview(piece) for piece in pieces if piece)
    while rest:
        written = os.writev(file.fileno(), list(islice(rest, _WRITTEN_AT_ONCE)))
        while rest and written >= len(rest[0]):
            written -= len(rest.popleft())
        if written:
            rest[0] = rest[0][written:]
