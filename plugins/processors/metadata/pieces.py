"""What a new file consists of: ranges of the original, and bytes of our own."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, Final

CHUNK: Final = 1024 * 1024
LONGEST_BLOCK: Final = 1024 * 1024
"""The largest block of metadata that is read and changed, in bytes; a longer one is left out."""


MOST_BLOCKS: Final = 1_000_000
"""More blocks would take seconds, in which nobody else computes."""
MOST_PIECES: Final = 50_000


class Unreadable(Exception):
    """The structure of the file is not what its format says."""


@dataclass(frozen=True, slots=True)
class Range:
    """A range of the original file that stays as it is."""

    start: int
    end: int


Piece = Range | bytes


@dataclass(slots=True)
class Original:
    """The original file, mapped into memory.

    Attributes:
        data: its bytes.
        orientation: as detected, see ``ImageInfo``.
        everything: whether all metadata goes, and not the location alone.
    """

    data: mmap
    orientation: int
    everything: bool
    _taken: int = 0

    def take(self, start: int, length: int) -> bytes:
        """So many bytes.

        Raises:
            Unreadable: the file has not so many, or consists of too many blocks.
        """
        self._taken += 1
        if self._taken > MOST_BLOCKS:
            raise Unreadable("it consists of too many blocks")
        found = self.data[start : start + length]
        if start < 0 or length < 0 or len(found) != length:
            raise Unreadable("it ends within a block")
        return found

    def check(self, start: int, length: int) -> None:
        """Check that the file has this range.

        Raises:
            Unreadable: it has not.
        """
        if start < 0 or length < 0 or start + length > len(self.data):
            raise Unreadable("it ends within a block")


def mapped(file: IO[bytes]) -> mmap:
    """The bytes of a file. Blocks."""
    return mmap(file.fileno(), 0, access=ACCESS_READ)


def joined(pieces: Iterable[Piece], original: Original) -> list[Piece]:
    """The pieces, with adjacent ranges as one. Bytes that the original has in their place are a range too.

    Raises:
        Unreadable: there are too many.
    """
    found: list[Piece] = []
    size = 0
    for one in pieces:
        piece = one
        if isinstance(piece, bytes) and original.data[size : size + len(piece)] == piece:
            piece = Range(size, size + len(piece))
        size += size_of([piece])
        last = found[-1] if found else None
        if isinstance(piece, Range) and isinstance(last, Range) and last.end == piece.start:
            found[-1] = Range(last.start, piece.end)
        else:
            found.append(piece)
        if len(found) > MOST_PIECES:
            raise Unreadable("it consists of too many blocks")
    return found


def size_of(pieces: Iterable[Piece]) -> int:
    """The size of the file that they make."""
    return sum(piece.end - piece.start if isinstance(piece, Range) else len(piece) for piece in pieces)


def write(pieces: Iterable[Piece], original: Original, path: Path) -> None:
    """Write the new file, a piece at a time. Blocks.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("r+b", buffering=0) as file:
        for piece in pieces:
            if isinstance(piece, bytes):
                _write(file, piece)
                continue
            for start in range(piece.start, piece.end, CHUNK):
                _write(file, original.data[start : min(start + CHUNK, piece.end)])


def _write(file: IO[bytes], data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file.fileno(), rest) :]
