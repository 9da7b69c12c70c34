"""The chunks of a PNG."""

import struct
import zlib
from dataclasses import dataclass, field

from ..limits import Damaged
from .directories import exif_orientation
from .inspection import TAIL_MISSING, Inspection
from .reading import Readable, read_exactly

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_READ_SIZE = 1 << 20
_MAX_EXIF = 1 << 16
_END = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
_NOTHING = bytes(8)
"""Where a chunk should begin: padding."""
_OF_PIXELS = (b"IDAT", b"fdAT")
_OF_ANIMATION = (b"fcTL", b"fdAT")
"""Ancillary to a decoder that shows the default image alone; here every frame is decoded."""
_IGNORED = b"skIp"
"""A private ancillary chunk, which no decoder knows."""


@dataclass(slots=True)
class _Walk:
    """How far a walk through the chunks has come."""

    file: Readable
    size: int
    has_pixels: bool = False
    is_animated: bool = False
    orientation: int = 1
    edits: list[tuple[int, bytes]] = field(default_factory=list)

    def cut(self, end: int, crc: bytes = b"") -> Inspection:
        """The file lacks its tail."""
        return Inspection(
            orientation=self.orientation, notes=(TAIL_MISSING,), edits=self.edits, end=end, tail=crc + _END
        )


def check_png(file: Readable, size: int, offset: int = 0) -> Inspection:
    """Walk the chunks from ``offset`` to ``IEND``: each lies within the file, each critical one has its CRC.

    An ancillary chunk whose CRC is wrong is ignored, as decoders are told to (PNG third edition, sections 5.3 and
    13.1). A file that ends, or is nothing but padding, behind the data of an ``IDAT`` chunk lacks its tail.
    """
    file.seek(offset)
    if file.read(8) != PNG_SIGNATURE:
        raise Damaged("no PNG signature")
    walk, at, kind = _Walk(file, size), offset + 8, b""
    while kind != b"IEND":
        file.seek(at)
        head = file.read(8)
        if walk.has_pixels and (len(head) < 8 or head == _NOTHING):  # noqa: PLR2004 - a length and a type
            return walk.cut(at)
        if len(head) < 8:  # noqa: PLR2004
            raise Damaged("the file ends too early")
        length, kind = struct.unpack(">I4s", head)
        end = at + 8 + length
        if end + 4 > size:
            return _last_chunk(walk, at, kind, length)
        _check_chunk(walk, at, kind, length)
        at = end + 4
    return Inspection(orientation=walk.orientation, edits=walk.edits)


def _last_chunk(walk: _Walk, at: int, kind: bytes, length: int) -> Inspection:
    """A chunk that reaches past the end of the file is none where it holds no pixels, or lacks nothing but its CRC."""
    end = at + 8 + length
    if kind in _OF_PIXELS and end <= walk.size:
        return walk.cut(end, _crc(walk.file, kind, length).to_bytes(4, "big"))
    if walk.has_pixels and kind not in (*_OF_PIXELS, *_OF_ANIMATION):
        return walk.cut(at)
    raise Damaged(f"PNG chunk {kind!r} reaches past the end of the file")


def _check_chunk(walk: _Walk, at: int, kind: bytes, length: int) -> None:
    crc = _crc(walk.file, kind, length)
    if crc == int.from_bytes(read_exactly(walk.file, 4), "big"):
        walk.has_pixels = walk.has_pixels or kind == b"IDAT"
        walk.is_animated = walk.is_animated or kind == b"acTL"
        if kind == b"eXIf" and length <= _MAX_EXIF:
            walk.file.seek(at + 8)
            walk.orientation = exif_orientation(read_exactly(walk.file, length))
    elif not kind[0] & 0x20 or (walk.is_animated and kind in _OF_ANIMATION):
        raise Damaged(f"PNG chunk {kind!r} has a wrong CRC")
    else:
        walk.file.seek(at + 8)
        right = _crc(walk.file, _IGNORED, length).to_bytes(4, "big")
        walk.edits += [(at + 4, _IGNORED), (at + 8 + length, right)]


def _crc(file: Readable, kind: bytes, length: int) -> int:
    crc = zlib.crc32(kind)
    while length:
        piece = read_exactly(file, min(length, _READ_SIZE))
        crc = zlib.crc32(piece, crc)
        length -= len(piece)
    return crc
