"""What the headers of a file say of the cost of decoding it: see ``cost``. No Pillow.

All functions read from a file that was opened in binary mode. Where a header is damaged or says nothing, the least is
assumed: the decoder refuses the file then, or the limits of its process do.
"""

import re
from typing import BinaryIO, Final

from .cost import MAX_SCANS, JpegScans
from .limits import Refused
from .structure.inspection import JpegFrame, Size
from .structure.jpeg import PROGRESSIVE

_READ_SIZE: Final = 1 << 18


def webp_canvas(head: bytes) -> Size | None:
    """Width and height of a WebP, from its first 30 bytes (RFC 9649 section 2.5 to 2.7); None where they say nothing.

    The decoder allocates two canvases when it opens a file, so this is needed before.
    """
    match head[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return None


# --- JPEG -------------------------------------------------------------------------------------------------------------

_SINGLE: Final = JpegScans(0, 0, is_single=True)
_SOS, _EOI = 0xDA, 0xD9
_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7\x01]")
"""A marker in entropy-coded data: no stuffed byte, no padding, no restart."""


def jpeg_scans(file: BinaryIO, frame: JpegFrame) -> JpegScans:
    """The scans of the frame, given the file behind the marker of the first one.

    A sequential JPEG whose first scan has all components has no other one that is decoded. Else every scan is looked
    for, up to the end of the image.

    Raises:
        Refused: there are more than ``MAX_SCANS``.
    """
    first = _scan_components(file)
    if frame.kind not in PROGRESSIVE and len(first) >= frame.segment[5]:
        return _SINGLE
    blocks = frame.blocks
    in_all = sum(blocks.values())
    passes = 0
    scan: bytes | None = first
    count = 0
    while scan is not None:
        count += 1
        if count > MAX_SCANS:
            raise Refused("image_too_complex", f"more than {MAX_SCANS} scans", resource="scans")
        passes += sum(blocks.get(component, 0) for component in scan)
        scan = _next_scan(file)
    return JpegScans(in_all, passes, is_single=False)


def _scan_components(file: BinaryIO) -> bytes:
    """The components of the scan whose marker was just read; the file is behind its header then."""
    head = file.read(3)
    if len(head) < 3:  # noqa: PLR2004 - a length, and the number of components
        return b""
    rest = file.read(int.from_bytes(head[:2], "big") - 3)
    return rest[: 2 * head[2] : 2]


def _next_scan(file: BinaryIO) -> bytes | None:
    """The components of the next scan, or None at the end of the image or of the file."""
    while (marker := _next_marker(file)) is not None:
        if marker == _SOS:
            return _scan_components(file)
        if marker == _EOI:
            return None
        length = file.read(2)
        file.seek(max(0, int.from_bytes(length, "big") - 2), 1)
    return None


def _next_marker(file: BinaryIO) -> int | None:
    """Go behind the next marker, and give its second byte; None where the file has no more."""
    while len(data := file.read(_READ_SIZE)) > 1:
        found = _MARKER.search(data)
        if found is not None:
            file.seek(found.end() - len(data), 1)
            return data[found.end() - 1]
        if data[-1] == 0xFF:  # noqa: PLR2004 - what every marker begins with
            file.seek(-1, 1)
    return None
