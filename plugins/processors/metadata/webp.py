"""The chunks of a WebP file that stay: RFC 9649 section 2."""

from collections.abc import Iterator
from typing import Final

from .exif import PREFIX, orientation_alone, without_location
from .pieces import LONGEST_BLOCK, Original, Piece, Range, Unreadable, size_of

_SHOW: Final = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
"""What shows the picture."""
_EXIF_FLAG: Final = 0x08
_XMP_FLAG: Final = 0x04


def pieces(original: Original) -> Iterator[Piece]:
    """The picture, and no byte behind its end.

    Raises:
        Unreadable: the chunks do not follow one another.
    """
    if original.take(0, 4) != b"RIFF" or original.take(8, 4) != b"WEBP":
        raise Unreadable("it does not begin with RIFF and WEBP")
    end = min(8 + int.from_bytes(original.take(4, 4), "little"), len(original.data))
    features, shown, exif = None, list[Piece](), b""
    at = 12
    while at + 8 <= end:
        name, length = original.take(at, 4), int.from_bytes(original.take(at + 4, 4), "little")
        after = min(at + 8 + length + length % 2, end)
        if name == b"VP8X" and features is None:
            features = original.take(at, 18)
        elif name in _SHOW:
            shown.append(Range(at, after))
        elif name == b"EXIF" and not exif and not original.everything and length <= LONGEST_BLOCK:
            block = original.take(at + 8, length).removeprefix(PREFIX)
            exif = without_location(block, original.orientation) or b""
        at = after
    if features is None:
        exif = b""  # a simple file has no metadata
    elif not exif and original.orientation != 1:
        exif = orientation_alone(original.orientation)
    if features is not None:
        flags = features[8] & ~(_EXIF_FLAG | _XMP_FLAG) | (_EXIF_FLAG if exif else 0)
        shown.insert(0, features[:8] + bytes([flags]) + features[9:])
    if exif:
        shown.append(b"EXIF" + len(exif).to_bytes(4, "little") + exif + bytes(len(exif) % 2))
    yield b"RIFF" + (4 + size_of(shown)).to_bytes(4, "little") + b"WEBP"
    yield from shown
