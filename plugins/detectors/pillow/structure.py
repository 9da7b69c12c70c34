"""Checks the structure of a file before Pillow sees it, and without Pillow.

Pillow's decoders stop once they have their pixels, so they pass a file that is cut off behind them: a PNG without
``IEND``, a GIF without its trailer, a TIFF with half a directory, an icon with incomplete smaller images. And GIF and
ICO state the size of their frames only during decoding, too late to refuse a bomb. Bytes after the end of an image do
not count. Of a JPEG this checks its kind only: Pillow refuses a missing ``EOI``, and only decoding can tell whether the
scan data before it is complete. All functions read ``file`` of ``size`` bytes, and raise ``Refused``.
"""

import re
import struct
import zlib
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

from .limits import Damaged, Limits, Refused

Size = tuple[int, int]
"""Width and height in pixels."""

_READ_SIZE = 1 << 20
_FIRST_STEP = 256
"""Bytes that are looked at first: what lies between two parts is short, and there may be much of it."""
_MAX_JUNK = 1 << 20
"""Bytes in one place that are no part of an image. Pillow takes them one by one: 64 MB of them cost it 5 s."""
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CORE_HEADER_SIZE = 12
"""Size of a BITMAPCOREHEADER, whose sides have 16 bits and which knows no compression."""
_RUN_LENGTH_ENCODINGS = frozenset({1, 2})
"""BI_RLE8 and BI_RLE4."""


def read_exactly(file: BinaryIO, count: int) -> bytes:
    """The next ``count`` bytes.

    Raises:
        Damaged: the file ends before.
    """
    data = file.read(count)
    if len(data) != count:
        raise Damaged("the file ends too early")
    return data


def _skip_junk(file: BinaryIO, introducer: re.Pattern[bytes]) -> None:
    """Go on to what introduces something, or to the end of the file.

    Raises:
        Damaged: there is nothing of the kind for long.
    """
    start, step, done = file.tell(), _FIRST_STEP, 0
    while done < _MAX_JUNK:
        junk = file.read(step)
        found = introducer.search(junk)
        if found is not None:
            file.seek(start + done + found.start())
            return
        if len(junk) < step:
            return
        done += step
        step = min(2 * step, _MAX_JUNK - done)
    raise Damaged(f"{_MAX_JUNK} bytes that are no part of an image")


def check_png(file: BinaryIO, size: int, offset: int = 0) -> None:
    """Walk the chunks from ``offset`` to ``IEND``: each lies within the file, each critical one has its CRC.

    A wrong CRC of an ancillary chunk is forgiven, as decoders are told to (PNG third edition, sections 5.3 and 13.1).
    """
    file.seek(offset)
    if file.read(8) != _PNG_SIGNATURE:
        raise Damaged("no PNG signature")
    kind = b""
    while kind != b"IEND":
        length, kind = struct.unpack(">I4s", read_exactly(file, 8))
        following = file.tell() + length + 4
        if following > size:
            raise Damaged(f"PNG chunk {kind!r} reaches past the end of the file")
        is_critical = not kind[0] & 0x20
        if is_critical and _crc(file, kind, length) != int.from_bytes(read_exactly(file, 4), "big"):
            raise Damaged(f"PNG chunk {kind!r} has a wrong CRC")
        file.seek(following)


def _crc(file: BinaryIO, kind: bytes, length: int) -> int:
    crc = zlib.crc32(kind)
    while length:
        piece = read_exactly(file, min(length, _READ_SIZE))
        crc = zlib.crc32(piece, crc)
        length -= len(piece)
    return crc


_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""The markers that begin a frame (ITU-T T.81 table B.1); the others of their range are for tables."""
_JPEG_FRAMES_READ = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
"""Baseline, sequential and progressive; the others are lossless or hierarchical."""
_JPEG_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})
"""Markers without a length, and a zero, with which 0xFF is no marker."""
_JPEG_SCAN = b"\xff\xda"
"""SOS: the header ends there."""
_JPEG_BITS_READ = 8
_JPEG_FRAME_HEAD = 6
"""Bytes of a frame's header before its components: precision, sides and the number of components."""
_JPEG_MARKER = re.compile(b"\xff")
_NO_PADDING = re.compile(b"[^\xff]")


class JpegFrame(NamedTuple):
    """The header of a JPEG's frame.

    Attributes:
        kind: second byte of its marker.
        segment: its bytes behind the length.
    """

    kind: int
    segment: bytes

    @property
    def blocks(self) -> Mapping[int, int]:
        """How many blocks of 8 x 8 samples each component has, by its identifier (ITU-T T.81 section A.1.1)."""
        height, width, count = struct.unpack_from(">HHB", self.segment, 1)
        parts = [self.segment[at : at + 3] for at in range(6, min(6 + 3 * count, len(self.segment) - 2), 3)]
        most_across = max((part[1] >> 4 for part in parts), default=1) or 1
        most_down = max((part[1] & 15 for part in parts), default=1) or 1
        return {
            part[0]: -(-width * (part[1] >> 4) // (8 * most_across)) * -(-height * (part[1] & 15) // (8 * most_down))
            for part in parts
        }


def check_jpeg(file: BinaryIO, offset: int = 0) -> JpegFrame | None:
    """Make sure that the frame's header tells of a kind of JPEG that is decoded.

    Whatever is odd before the first scan is left to the decoder, which forgives more than this does; but where there is
    no marker for long, it is not made to look for one.

    Args:
        file: left behind the marker of the first scan.
        offset: where the picture begins.

    Returns:
        the last header of a frame before the first scan, or None where there is none.
    """
    frame = None
    file.seek(offset + 2)
    while len(head := file.read(2)) == 2 and head != _JPEG_SCAN:  # noqa: PLR2004 - the two bytes of a marker
        marker = head[1]
        if head[0] != 0xFF:  # noqa: PLR2004 - what every marker begins with
            file.seek(-1, 1)
            _skip_junk(file, _JPEG_MARKER)
        elif marker == 0xFF:  # noqa: PLR2004 - a byte of padding
            _skip_junk(file, _NO_PADDING)
            file.seek(-1, 1)
        elif marker not in _JPEG_ALONE:
            segment = file.read(3)
            if len(segment) != 3:  # noqa: PLR2004 - a length, and a frame's precision
                return frame
            rest = int.from_bytes(segment[:2], "big") - len(segment)
            if marker in _JPEG_FRAMES:
                if marker not in _JPEG_FRAMES_READ or segment[2] != _JPEG_BITS_READ:
                    raise Refused("image_not_supported", f"SOF{marker & 15}, {segment[2]} bits", format="JPEG")
                body = segment[2:] + file.read(max(0, rest))
                frame = JpegFrame(marker, body) if len(body) > _JPEG_FRAME_HEAD else frame
            else:
                file.seek(rest, 1)
    return frame


_GIF_INTRODUCER = re.compile(b"[!,;]")


def measure_gif(file: BinaryIO, limits: Limits) -> list[Size]:
    """Walk the blocks to the trailer (GIF89a, appendix B) and give the canvas once for every frame.

    Every decoded frame is a whole canvas, and Pillow enlarges the canvas for a frame that reaches over it. Bytes
    between blocks that introduce nothing are skipped, as viewers do, unless they are very many.
    """
    file.seek(6)
    width, height, flags = struct.unpack("<HHBxx", read_exactly(file, 7))
    _skip_palette(file, flags)
    frames = 0
    while (introducer := read_exactly(file, 1)) != b";":
        if introducer == b"!":
            read_exactly(file, 1)
            _skip_sub_blocks(file)
        elif introducer == b",":
            left, top, frame_width, frame_height, flags = struct.unpack("<HHHHB", read_exactly(file, 9))
            width, height = max(width, left + frame_width), max(height, top + frame_height)
            _skip_palette(file, flags)
            read_exactly(file, 1)
            _skip_sub_blocks(file)
            frames += 1
            limits.check_frames(frames)
        else:
            _skip_junk(file, _GIF_INTRODUCER)
    if not frames:
        raise Damaged("a GIF without a frame")
    return [(width, height)] * frames


def _skip_palette(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        read_exactly(file, 3 << ((flags & 7) + 1))


def _skip_sub_blocks(file: BinaryIO) -> None:
    while length := read_exactly(file, 1)[0]:
        file.seek(length, 1)


_BIG_TIFF_VERSIONS = (b"+\0", b"\0+")
_TIFF_VALUE_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
"""Bytes of one value of each field type (TIFF 6.0 section 2, and BigTIFF); fields of other types are skipped."""


def check_tiff(file: BinaryIO, size: int, limits: Limits) -> None:
    """Walk the chain of directories: each, and each value that it refers to, lies within the file.

    Not more than ``max_frames`` directories are followed. A chain that leads back to one that it has passed ends there,
    as it does for Pillow. Subdirectories, which hold thumbnails and smaller copies, are no frames and not followed.
    """
    file.seek(0)
    header = read_exactly(file, 8)
    order = "<" if header.startswith(b"II") else ">"
    is_big = header[2:4] in _BIG_TIFF_VERSIONS
    next_at: int
    if is_big:
        (next_at,) = struct.unpack(order + "Q", read_exactly(file, 8))
    else:
        (next_at,) = struct.unpack(order + "I", header[4:])
    seen: set[int] = set()
    while next_at and next_at not in seen:
        seen.add(next_at)
        limits.check_frames(len(seen))
        if next_at >= size:
            raise Damaged("a TIFF directory lies past the end of the file")
        file.seek(next_at)
        next_at = _check_directory(file, size, order, is_big)
    if not seen:
        raise Damaged("a TIFF without a directory")


def _check_directory(file: BinaryIO, size: int, order: str, is_big: bool) -> int:
    """Check the directory at the file's position and give the offset of the next one, or 0."""
    count_format, entry_format, pointer_format = ("Q", "HHQQ", "Q") if is_big else ("H", "HHII", "I")
    entry = struct.Struct(order + entry_format)
    pointer = struct.Struct(order + pointer_format)
    (count,) = struct.unpack(order + count_format, read_exactly(file, struct.calcsize(order + count_format)))
    if count * entry.size > size:
        raise Damaged("a TIFF directory is larger than the file")
    for _, kind, values, offset in entry.iter_unpack(read_exactly(file, count * entry.size)):
        length = values * _TIFF_VALUE_SIZES.get(kind, 0)
        if length > pointer.size and offset + length > size:
            raise Damaged("a TIFF field lies past the end of the file")
    next_at: int = pointer.unpack(read_exactly(file, pointer.size))[0]
    return next_at


def measure_icon(file: BinaryIO, size: int, limits: Limits) -> list[Size]:
    """The real sizes of the images in an icon, each of which lies within the file.

    The directory of an icon tells sizes as well, but nothing makes them true.
    """
    file.seek(4)
    (count,) = struct.unpack("<H", read_exactly(file, 2))
    limits.check_frames(count)
    entries = [struct.unpack("<8xII", read_exactly(file, 16)) for _ in range(count)]
    return [_measure_icon_image(file, size, length, offset) for length, offset in entries]


def _measure_icon_image(file: BinaryIO, size: int, length: int, offset: int) -> Size:
    file.seek(offset)
    head = read_exactly(file, 24)
    if head.startswith(_PNG_SIGNATURE):
        check_png(file, size, offset)
        width, height = struct.unpack(">II", head[16:24])
        return width, height
    # A bitmap is followed by its mask, which the length covers; a PNG ends where it says, whatever the directory holds.
    if offset + length > size:
        raise Damaged("an image of an icon reaches past the end of the file")
    header_size = int.from_bytes(head[:4], "little")
    size_format = "<HH" if header_size == _CORE_HEADER_SIZE else "<Ii"
    width, height = struct.unpack_from(size_format, head, 4)
    return width, abs(height) // 2


def check_bmp(file: BinaryIO, size: int) -> None:
    """Make sure that run-length encoded data is all there; Pillow sees to it for the other kinds.

    A decoder of run-length data fills what is missing, so only ``biSizeImage``, which must be right for these kinds
    (BITMAPINFOHEADER), tells that something is.
    """
    file.seek(10)
    offset, header_size = struct.unpack("<II", read_exactly(file, 8))
    if header_size == _CORE_HEADER_SIZE:
        return
    compression, length = struct.unpack("<12xII", read_exactly(file, 20))
    if compression in _RUN_LENGTH_ENCODINGS and offset + length > size:
        raise Damaged("the pixels of a BMP reach past the end of the file")
