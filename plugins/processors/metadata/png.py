"""The chunks of a PNG file that stay: PNG, third edition, sections 5 and 11."""

import zlib
from collections.abc import Iterator
from typing import Final

from .exif import orientation_alone, without_location
from .pieces import LONGEST_BLOCK, Original, Piece, Range, Unreadable

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_SHOW: Final = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD hIST pHYs sPLT acTL fcTL fdAT".split()
)
"""What shows the picture."""


def pieces(original: Original) -> Iterator[Piece]:
    """The picture, and no byte behind its end.

    Raises:
        Unreadable: the chunks do not follow one another.
    """
    if original.take(0, 8) != _SIGNATURE:
        raise Unreadable("it does not begin with the signature")
    yield Range(0, 8)
    at, has_told, has_data = 8, original.orientation == 1, False
    while at < len(original.data):
        length, name = int.from_bytes(original.take(at, 4)), original.take(at + 4, 4)
        end = at + 12 + length
        if name == b"IEND" or end <= len(original.data):
            original.check(at, end - at)
        else:
            end = len(original.data)  # the detector accepts a file whose last bytes are missing
        if name == b"eXIf" and not (original.everything or has_data) and length <= LONGEST_BLOCK:
            edited = without_location(original.take(at + 8, length), original.orientation)
            if edited is not None:
                has_told = True
                yield _chunk(name, edited)
        elif name == b"IDAT" and not has_told:
            has_told = True  # here at the latest, so that an eXIf behind the data goes
            yield _chunk(b"eXIf", orientation_alone(original.orientation))
        has_data = has_data or name == b"IDAT"
        if name in _SHOW:
            yield Range(at, end)
        elif not name[0] & 0x20:
            raise Unreadable("a critical chunk is unknown")
        if name == b"IEND":
            return
        at = end


def _chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)
