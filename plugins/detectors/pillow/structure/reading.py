"""Reading files that may lie: exact reads, junk that is passed over, and a file that is put together of parts."""

import io
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from ..limits import Damaged

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_FIRST_STEP = 256
"""Bytes that are looked at first: what lies between two parts is short, and there may be much of it."""
MAX_JUNK = 1 << 20
"""Bytes in one place that are no part of an image. Pillow takes them one by one: 64 MB of them cost it 5 s."""


class Readable(Protocol):
    """The part of a binary file that the checks use."""

    def read(self, count: int, /) -> bytes:
        """The next ``count`` bytes, or all that are left."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move, and give the new position."""
        ...

    def tell(self) -> int:
        """The position."""
        ...


def read_exactly(file: Readable, count: int) -> bytes:
    """The next ``count`` bytes.

    Raises:
        Damaged: the file ends before.
    """
    data = file.read(count)
    if len(data) != count:
        raise Damaged("the file ends too early")
    return data


def skip_junk(file: Readable, introducer: re.Pattern[bytes]) -> None:
    """Go on to what introduces something, or to the end of the file.

    Raises:
        Damaged: there is nothing of the kind for long.
    """
    start, step, done = file.tell(), _FIRST_STEP, 0
    while done < MAX_JUNK:
        junk = file.read(step)
        found = introducer.search(junk)
        if found is not None:
            file.seek(start + done + found.start())
            return
        if len(junk) < step:
            return
        done += step
        step = min(2 * step, MAX_JUNK - done)
    raise Damaged(f"{MAX_JUNK} bytes that are no part of an image")


_Part = tuple[int, int] | bytes
"""Bytes of a file from one offset to another, or bytes that are not in it."""


class _Spliced(io.RawIOBase):
    """The parts in a row; only for reading."""

    def __init__(self, file: BinaryIO, parts: Sequence[_Part]) -> None:
        self._file = file
        self._parts: list[tuple[int, _Part]] = []
        self._size = 0
        for part in parts:
            self._parts.append((self._size, part))
            self._size += len(part) if isinstance(part, bytes) else part[1] - part[0]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        with memoryview(buffer) as view:
            data = self._some(len(view))
            view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _some(self, count: int) -> bytes:
        """What one part holds at the position, ``count`` bytes at most; none at the end."""
        for start, part in reversed(self._parts):
            if start <= self._at:
                skipped = self._at - start
                if isinstance(part, bytes):
                    return part[skipped : skipped + count]
                self._file.seek(part[0] + skipped)
                return self._file.read(max(0, min(count, part[1] - part[0] - skipped)))
        return b""


def spliced(
    file: BinaryIO, start: int, end: int, edits: Sequence[tuple[int, bytes]] = (), tail: bytes = b""
) -> BinaryIO:
    """A view of ``file`` from ``start`` to ``end``, for reading; while it is in use, ``file`` is not.

    Args:
        file: opened in binary mode.
        start: the offset in it at which the view begins.
        end: the offset at which the file's own bytes end.
        edits: offsets in it, in their order, and the bytes that are read there instead.
        tail: bytes that follow ``end``.
    """
    parts: list[_Part] = []
    for at, data in edits:
        parts += [(start, at), data]
        start = at + len(data)
    filled = [part for part in (*parts, (start, end), tail) if not isinstance(part, bytes) or part]
    return cast("BinaryIO", io.BufferedReader(_Spliced(file, filled)))
