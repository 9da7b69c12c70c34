"""Bitmaps of Windows: BMP files, and the icons that hold them."""

import struct
from typing import Final

from ..limits import Damaged, Limits, Refused
from .inspection import TAIL_MISSING, Inspection, Size
from .png import PNG_SIGNATURE, check_png
from .reading import Readable, read_exactly

_FILE_HEADER: Final = 14
_CORE_HEADER: Final = 12
"""Size of a BITMAPCOREHEADER, whose sides have 16 bits and which knows no compression."""
_UNCOMPRESSED: Final = frozenset({0, 3})
"""BI_RGB and BI_BITFIELDS."""
_RUN_LENGTHS: Final = frozenset({1, 2})
"""BI_RLE8 and BI_RLE4."""
_NOT_READ: Final = {
    4: "a JPEG inside",
    5: "a PNG inside",
    6: "bit fields with alpha",
    11: "CMYK",
    12: "CMYK",
    13: "CMYK",
}
_OS2_HEADER: Final = 64
"""Size of an OS22XBITMAPHEADER, in which 3 and 4 mean other compressions."""
_OS2_NOT_READ: Final = {3: "Huffman coding", 4: "run lengths of 24 bits"}


def check_bmp(file: Readable, size: int, limits: Limits) -> Inspection:
    """Make sure that the pixels are all there, and of a kind that is decoded.

    A decoder of run-length data fills what is missing, so only ``biSizeImage``, which must be right for these kinds
    (BITMAPINFOHEADER), tells that something is.
    """
    file.seek(10)
    offset, header_size = struct.unpack("<II", read_exactly(file, 8))
    compression, length = 0, 0
    if header_size == _CORE_HEADER:
        width, height, bits = struct.unpack("<HH2xH", read_exactly(file, 8))
    else:
        width, height, bits, compression, length = struct.unpack("<ii2xHII", read_exactly(file, 20))
    _refuse_unread(compression, header_size)
    limits.check_sizes([(width, abs(height))])
    if compression in _UNCOMPRESSED:
        length = _pixel_bytes(width, abs(height), bits)
        offset = max(offset, _FILE_HEADER + header_size)
    if offset + length > size:
        raise Damaged("the pixels of a BMP reach past the end of the file")
    return Inspection()


def _refuse_unread(compression: int, header_size: int) -> None:
    reason = _NOT_READ.get(compression)
    if header_size == _OS2_HEADER:
        reason = _OS2_NOT_READ.get(compression, reason)
    if reason is not None:
        raise Refused("image_not_supported", format="BMP", reason=reason)
    if compression not in _UNCOMPRESSED | _RUN_LENGTHS:
        raise Damaged(f"a BMP of compression {compression}")


def _pixel_bytes(width: int, height: int, bits: int) -> int:
    """Bytes of the rows, each of which fills whole words, without the padding of the last."""
    return (width * bits + 31) // 32 * 4 * (height - 1) + (width * bits + 7) // 8


def measure_icon(file: Readable, size: int, limits: Limits) -> Inspection:
    """The real sizes of the images in an icon, each of which lies within the file.

    The directory of an icon tells sizes as well, but nothing makes them true.
    """
    file.seek(4)
    (count,) = struct.unpack("<H", read_exactly(file, 2))
    limits.check_frames(count)
    entries = [struct.unpack("<8xII", read_exactly(file, 16)) for _ in range(count)]
    sizes: list[Size] = []
    edits: dict[int, bytes] = {}
    end, tail = None, b""
    for length, offset in entries:
        file.seek(offset)
        head = read_exactly(file, 24)
        if head.startswith(PNG_SIGNATURE):
            found = check_png(file, size, offset)
            edits.update(found.edits)
            if found.notes:
                end, tail = found.end, found.tail
            sizes.append(struct.unpack(">II", head[16:24]))
        else:
            sizes.append(_measure_bitmap(head, offset, length, size))
    notes = (TAIL_MISSING,) if tail else ()
    return Inspection(sizes=sizes, notes=notes, edits=sorted(edits.items()), end=end, tail=tail)


def _measure_bitmap(head: bytes, offset: int, length: int, size: int) -> Size:
    """The sides of a bitmap, the height of which its header doubles, since a mask follows.

    Its length, which covers the mask, is held against the file; a PNG ends where it says, whatever the directory holds.
    """
    if offset + length > size:
        raise Damaged("an image of an icon reaches past the end of the file")
    header_size = int.from_bytes(head[:4], "little")
    size_format = "<HH2xH" if header_size == _CORE_HEADER else "<Ii2xH"
    width, height, bits = struct.unpack_from(size_format, head, 4)
    height = abs(height) // 2
    if height and header_size + _pixel_bytes(width, height, bits) > length:
        raise Damaged("an image of an icon is longer than the directory says")
    return width, height
