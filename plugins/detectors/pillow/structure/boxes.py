"""Files of boxes (ISO/IEC 14496-12 section 4.2): JPEG 2000 and AVIF."""

import struct
from collections.abc import Iterator
from typing import Final

from ..limits import Damaged, Limits
from .inspection import TAIL_MISSING, Inspection, Tile
from .reading import Readable, read_exactly

_CODESTREAM_START: Final = b"\xff\x4f\xff\x51"
_CODESTREAM: Final = b"jp2c"
_AVIF_BOXES: Final = frozenset({b"ftyp", b"meta", b"moov", b"mdat", b"free", b"skip", b"uuid"})
_TILE_PART, _CODESTREAM_END = 0xFF90, 0xFFD9
_TILE_PART_SIZE: Final = 12
"""Bytes of an SOT marker segment, marker included (ITU-T T.800 section A.4.2)."""


def boxes(file: Readable, size: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of the file: the type of each, and the offsets of its content and of its end.

    Raises:
        Damaged: a box reaches past the end of the file, or is shorter than its header.
    """
    at = 0
    while at + 8 <= size:
        file.seek(at)
        length, kind = struct.unpack(">I4s", read_exactly(file, 8))
        start = at + 8
        if length == 1:
            (length,) = struct.unpack(">Q", read_exactly(file, 8))
            start += 8
        end = at + length if length else size
        if end < start:
            raise Damaged("a box is shorter than its header")
        yield kind, start, end
        at = end


def check_avif(file: Readable, size: int) -> None:
    """Make sure that the boxes which libavif reads lie within the file; it reads pixels as late as it can."""
    for kind, _, end in boxes(file, size):
        if kind not in _AVIF_BOXES:
            return  # something else follows the image
        if end > size:
            raise Damaged(f"the box {kind!r} reaches past the end of the file")


def check_jpeg2000(file: Readable, size: int, limits: Limits) -> Inspection:
    """Walk the tile-parts of the codestream: each lies within the file, and every tile has one.

    A file that lacks nothing but the marker at its end is whole.
    """
    file.seek(0)
    start, end = 0, size
    if file.read(4) != _CODESTREAM_START:
        start, end = next(((start, end) for kind, start, end in boxes(file, size) if kind == _CODESTREAM), (0, 0))
        if not start:
            raise Damaged("a JPEG 2000 without a codestream")
    file.seek(start)
    if read_exactly(file, 4) != _CODESTREAM_START:
        raise Damaged("a JPEG 2000 without a codestream")
    length = int.from_bytes(read_exactly(file, 2), "big")
    tile, tiles = _tiles(file, limits)
    return _check_tile_parts(file, start + 4 + length, min(end, size), tiles)._replace(tile=tile)


def _tiles(file: Readable, limits: Limits) -> tuple[Tile, int]:
    """The tiles and their number, given the file behind the length of SIZ (ITU-T T.800 sections A.5.1 and B.3)."""
    x1, y1, x0, y0, width, height, x, y = struct.unpack(">2x8I", read_exactly(file, 34))
    limits.check_sizes([(x1 - x0, y1 - y0)])
    if not width or not height:
        raise Damaged("a JPEG 2000 with tiles of no size")
    components, bits = struct.unpack(">HB", read_exactly(file, 3))
    pixels = max(0, min(width, x1 - x0)) * max(0, min(height, y1 - y0))
    across, down = int(-(-(x1 - x) // width)), int(-(-(y1 - y) // height))
    return Tile(pixels, components, (bits & 0x7F) + 1), across * down


def _check_tile_parts(file: Readable, at: int, end: int, tiles: int) -> Inspection:
    """Go from one tile-part to the next; ``at`` is the offset of the first segment behind SIZ."""
    missing: dict[int, int] = {}  # by tile: how many of its parts are still to come, as far as they are announced
    marker = 0
    while marker != _CODESTREAM_END:
        file.seek(at)
        head = file.read(_TILE_PART_SIZE)
        marker = int.from_bytes(head[:2], "big")
        if marker == _TILE_PART and len(head) == _TILE_PART_SIZE:
            tile, length, parts = struct.unpack_from(">HIxB", head, 4)
            missing[tile] = (missing.get(tile, 0) or parts or 1) - 1
            if not length:  # it reaches to the end
                break
            if length < _TILE_PART_SIZE or at + length > end:
                raise Damaged("a tile of a JPEG 2000 reaches past the end of the file")
            at += length
        elif missing:
            break
        else:  # a segment of the main header
            at += 2 + max(2, int.from_bytes(head[2:4], "big"))
            if at > end:
                raise Damaged("the file ends too early")
    if len(missing) < tiles or any(missing.values()):
        raise Damaged(f"a JPEG 2000 lacks tile-parts: {len(missing)} of {tiles} tiles")
    if len(head) < 2:  # noqa: PLR2004 - a marker
        return Inspection(notes=(TAIL_MISSING,), end=at, tail=_CODESTREAM_END.to_bytes(2, "big"))
    return Inspection()
