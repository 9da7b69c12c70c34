"""Tells HEIC files by their first bytes, and finds those that are cut off: ISO/IEC 14496-12 sections 4.2 and 4.3."""

from typing import BinaryIO, Final

from lading.plugins.errors import ImageCorrupt

HEAD_BYTES: Final = 256
BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis"})
"""ISO/IEC 23008-12 annex B.4. Sequences (``hevc``, ``hevx``) are left to others."""
_HEADER: Final = 8
_MAX_BOXES: Final = 10_000


def is_heic(head: bytes) -> bool:
    """Whether a file that begins with these bytes says that it is HEIC."""
    if head[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(head[:4]), len(head))
    return bool(BRANDS & {head[at : at + 4] for at in (8, *range(16, end, 4)) if at + 4 <= end})


def check_boxes(file: BinaryIO) -> None:
    """Check that every box on the first level is whole. The decoder does not: it reads what it needs.

    Raises:
        ImageCorrupt: one is not.
        OSError: the file cannot be read.
    """
    end, at = file.seek(0, 2), 0
    for _ in range(_MAX_BOXES):
        if at == end:
            return
        file.seek(at)
        head = file.read(16)
        size = int.from_bytes(head[:4])
        if size == 1:
            size = int.from_bytes(head[8:16])
        at = at + size if size else end
        if len(head) < _HEADER or not head[4:8].isalnum() or 0 < size < _HEADER or at > end:
            raise ImageCorrupt("a box is cut off, or something follows the last one")
    raise ImageCorrupt("too many boxes")
