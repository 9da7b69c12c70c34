"""The blocks of a GIF file that stay: GIF89a, sections 18 to 27."""

from collections.abc import Iterator
from typing import Final

from .pieces import Original, Piece, Range, Unreadable

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF
_KEPT: Final = frozenset({b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"})
"""Applications that show the picture: repetitions, and the colour profile."""


def pieces(original: Original) -> Iterator[Piece]:
    """The picture, and no byte behind its end.

    Raises:
        Unreadable: the blocks do not follow one another.
    """
    if original.take(0, 6) not in (b"GIF87a", b"GIF89a"):
        raise Unreadable("it does not begin with GIF")
    at = 13 + _table(original.take(10, 1)[0])
    original.check(0, at)
    yield Range(0, at)
    while at < len(original.data):
        kind = original.take(at, 1)[0]
        if kind == _TRAILER:
            yield Range(at, at + 1)
            return
        if kind == _IMAGE:
            end = _end_of_data(original, at + 11 + _table(original.take(at + 9, 1)[0]))
            yield Range(at, end)
        elif kind == _EXTENSION:
            label = original.take(at + 1, 1)[0]
            end = _end_of_data(original, at + 2)
            if label == _CONTROL or (label == _APPLICATION and original.data[at + 3 : at + 14] in _KEPT):
                yield Range(at, end)
        else:
            raise Unreadable("a block is unknown")
        at = end


def _table(packed: int) -> int:
    """The size of the colour table that a packed field announces."""
    return 3 << (packed & 7) + 1 if packed & 0x80 else 0


def _end_of_data(original: Original, at: int) -> int:
    """The end of a sequence of sub-blocks; the end of the file, if that comes before."""
    while at < len(original.data):
        length = original.take(at, 1)[0]
        at += 1 + length
        if not length:
            return at
    return len(original.data)
