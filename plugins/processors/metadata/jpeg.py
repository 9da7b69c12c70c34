"""The segments of a JPEG file that stay: ITU-T T.81 annex B."""

import re
from collections.abc import Iterator
from typing import Final

from .exif import PREFIX, orientation_alone, without_location
from .pieces import Original, Piece, Range, Unreadable

_MARKER: Final = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]", re.DOTALL)
"""In data of a scan: neither a stuffed byte nor a restart."""
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_EOI, _SOS, _COM, _APP0, _APP1 = 0xD9, 0xDA, 0xFE, 0xE0, 0xE1
_APPS: Final = range(0xE0, 0xF0)
_KEPT: Final = {0xE0: (b"JFIF\0",), 0xE2: (b"ICC_PROFILE\0",), 0xEE: (b"Adobe",)}
"""What shows the picture: its density and colour space, its colour profile, its colour transform."""


def pieces(original: Original) -> Iterator[Piece]:
    """The first picture of the file, and no byte behind its end.

    Raises:
        Unreadable: the segments do not follow one another.
    """
    if original.take(0, 2) != b"\xff\xd8":
        raise Unreadable("it does not begin with SOI")
    yield Range(0, 2)
    told = original.orientation == 1
    at = 2
    while at < len(original.data):
        start, marker, at = _marker(original, at)
        if not told and marker != _APP0:
            told = True
            if _has_to_tell(original, start):
                yield _exif(orientation_alone(original.orientation))
        if marker == _EOI:
            yield Range(start, at)
            return
        if marker in _ALONE:
            yield Range(start, at)
            continue
        end = at + _length(original, at)
        original.check(at, end - at)
        yield from _segment(original, start, marker, at, end)
        at = end
        if marker == _SOS:
            found = _MARKER.search(original.data, at)
            scanned = len(original.data) if found is None else found.start()
            yield Range(at, scanned)
            at = scanned


def _segment(original: Original, start: int, marker: int, at: int, end: int) -> Iterator[Piece]:
    if marker == _COM:
        return
    if marker not in _APPS or any(_begins(original, at + 2, end, name) for name in _KEPT.get(marker, ())):
        yield Range(start, end)
        return
    if original.everything or not _is_exif(original, marker, at, end):
        return
    if (edited := _edited(original, at, end)) is not None:
        yield _exif(edited)


def _is_exif(original: Original, marker: int, at: int, end: int) -> bool:
    return marker == _APP1 and _begins(original, at + 2, end, PREFIX)


def _edited(original: Original, at: int, end: int) -> bytes | None:
    start = at + 2 + len(PREFIX)
    return without_location(original.take(start, end - start), original.orientation)


def _has_to_tell(original: Original, at: int) -> bool:
    """Whether no block of Exif stays, from here to the first scan, that tells the orientation."""
    if original.everything:
        return True
    while at < len(original.data):
        _start, marker, at = _marker(original, at)
        if marker in (_EOI, _SOS):
            return True
        if marker in _ALONE:
            continue
        end = at + _length(original, at)
        if _is_exif(original, marker, at, end):
            return _edited(original, at, end) is None
        at = end
    return True


def _marker(original: Original, at: int) -> tuple[int, int, int]:
    """The start of the next marker, the marker, and the place behind it. Any number of 0xFF may come before it."""
    start = at
    while (byte := original.take(at, 1)[0]) == 0xFF:  # noqa: PLR2004
        at += 1
    if at == start or byte == 0:
        raise Unreadable("there is no marker where one is due")
    return start, byte, at + 1


def _length(original: Original, at: int) -> int:
    length = int.from_bytes(original.take(at, 2))
    if length < 2:  # noqa: PLR2004 - its own size
        raise Unreadable("a segment is shorter than its length")
    return length


def _begins(original: Original, start: int, end: int, name: bytes) -> bool:
    return end - start >= len(name) and original.data[start : start + len(name)] == name


def _exif(block: bytes) -> bytes:
    return b"\xff\xe1" + (2 + len(PREFIX) + len(block)).to_bytes(2) + PREFIX + block
