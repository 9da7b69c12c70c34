"""The segments of a JPEG: its kind, its orientation, its views, and whether its end is there."""

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..limits import Damaged, Limits, Refused
from .directories import Directories, exif_orientation
from .inspection import TAIL_MISSING, Inspection, JpegFrame, Picture
from .reading import Readable, skip_junk

_JPEG_LS: Final = 0xF7
FRAMES: Final = frozenset({*range(0xC0, 0xD0), _JPEG_LS} - {0xC4, 0xC8, 0xCC})
"""The markers that begin a frame (ITU-T T.81 table B.1, T.87 table C.1); the others of their range are for tables."""
PROGRESSIVE: Final = frozenset({0xC2, 0xCA})
"""The frames of which each scan sends a part of the coefficients."""
_FRAMES_READ: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
"""Baseline, sequential and progressive; the others are lossless or hierarchical."""
_ALONE: Final = frozenset({0x00, 0x01, *range(0xD0, 0xD9), 0xFF})
"""Markers without a length; a zero, with which 0xFF is no marker; and a byte of padding."""
_FRAME_HEAD: Final = 6
"""Bytes of a frame's header before its components: precision, sides and the number of components."""
_SEGMENT_HEAD: Final = 5
"""Bytes of a marker, of a length, and of a frame's precision."""
_SCAN: Final = b"\xff\xda"
"""SOS: the header ends there."""
END: Final = b"\xff\xd9"
"""EOI."""
_BITS_READ: Final = 8
_MARKER: Final = re.compile(b"\xff")
_NO_PADDING: Final = re.compile(b"[^\xff]")
_EXIF: Final = b"Exif\0\0"
_INDEX: Final = b"MPF\0"
_APPLICATION: Final = {0xE1: _EXIF, 0xE2: _INDEX}
"""The segments that are read, by their markers and identifiers."""
_SEARCHED: Final = 1 << 20
"""Bytes that are searched at once."""

_NUMBER_OF_IMAGES, _ENTRIES = 0xB001, 0xB002
_ENTRY: Final = 16
"""Bytes of an entry of a multi-picture index (CIPA DC-007 section 5.2.3.3)."""
_MULTI_VIEW: Final = 2
"""Panorama, disparity and multi-angle; previews are 1, the primary picture of a Baseline MP file is 3."""


@dataclass(slots=True)
class _Header:
    """What stands before the first scan.

    Attributes:
        start: offset of the JPEG.
        frame: the last header of a frame, or None.
        scan_at: offset of the first scan, or 0.
        exif: without its identifier, or nothing.
        index: of several pictures, or nothing.
        index_at: offset from which it counts.
    """

    start: int
    frame: JpegFrame | None = None
    scan_at: int = 0
    exif: bytes = b""
    index: bytes = b""
    index_at: int = 0

    @property
    def picture(self) -> Picture:
        """The part of it that decoding needs."""
        return Picture(self.start, self.frame, self.scan_at)


def check_jpeg(file: Readable, size: int, limits: Limits) -> Inspection:
    """Make sure that the frame's header tells of a kind of JPEG that is decoded, and look for its end and its views.

    Whatever is odd before the first scan is left to the decoder, which forgives more than this does; but where there is
    no marker for long, it is not made to look for one.
    """
    header = _read_header(file, 0)
    orientation = exif_orientation(header.exif) if header.exif else 1
    first = header.picture
    pictures = (_views(file, header, size, limits) if header.index else None) or (first,)
    if _has_end(file, first.scan_at, size):
        return Inspection(pictures=pictures, orientation=orientation)
    return Inspection(pictures=(first,), orientation=orientation, notes=(TAIL_MISSING,), tail=END)


def _read_header(file: Readable, start: int) -> _Header:
    """The header of the JPEG that begins at an offset."""
    found = _Header(start)
    file.seek(start + 2)
    while len(head := file.read(_SEGMENT_HEAD)) > 1 and not head.startswith(_SCAN):
        marker = head[1]
        if head[0] != 0xFF or marker in _ALONE:  # noqa: PLR2004 - what every marker begins with
            _skip(file, head)
        elif len(head) < _SEGMENT_HEAD:
            return found
        else:
            length = head[2] << 8 | head[3]
            if marker in FRAMES:
                _check_frame(marker, head[4])
                body = head[4:] + file.read(max(0, length - 3))
                found.frame = JpegFrame(marker, body) if len(body) > _FRAME_HEAD else found.frame
            elif marker in _APPLICATION and head[4] == _APPLICATION[marker][0]:
                _keep(found, marker, head[4:] + file.read(max(0, length - 3)), file.tell())
            else:
                file.seek(length - 3, 1)
    if head.startswith(_SCAN):
        found.scan_at = file.tell() - len(head)
    return found


def _skip(file: Readable, head: bytes) -> None:
    """Go to the next marker, from behind the ``head`` of what is no segment."""
    if head[0] != 0xFF:  # noqa: PLR2004
        file.seek(1 - len(head), 1)
        skip_junk(file, _MARKER)
        return
    file.seek(2 - len(head), 1)
    if head[1] == 0xFF:  # noqa: PLR2004 - a byte of padding
        skip_junk(file, _NO_PADDING)
        file.seek(-1, 1)


def _check_frame(marker: int, bits: int) -> None:
    """Refuse a frame of a kind that is not decoded."""
    if marker in _FRAMES_READ and bits == _BITS_READ:
        return
    reason = f"samples of {bits} bits"
    if marker == _JPEG_LS:
        reason = "JPEG-LS"
    elif marker not in _FRAMES_READ:
        reason = "hierarchical coding" if marker & 7 > 4 else "lossless coding"  # noqa: PLR2004 - table B.1
    raise Refused("image_not_supported", f"SOF{marker - 0xC0}", format="JPEG", reason=reason)


def _keep(found: _Header, marker: int, segment: bytes, end: int) -> None:
    """Keep the first segment of each kind."""
    identifier = _APPLICATION[marker]
    content = segment.removeprefix(identifier)
    if len(content) == len(segment):
        return
    if identifier == _EXIF:
        found.exif = found.exif or content
    elif not found.index:
        found.index, found.index_at = content, end - len(content)


def _has_end(file: Readable, scan_at: int, end: int) -> bool:
    """Whether there is an ``EOI`` behind the first scan; entropy-coded data hold no marker (T.81 section B.1.1.5)."""
    if not scan_at:
        return True  # the decoder finds no picture at all
    file.seek(end - len(END))
    if file.read(len(END)) == END:
        return True
    at = scan_at
    while at < end:
        file.seek(at)
        if END in file.read(min(_SEARCHED, end - at)):
            return True
        at += _SEARCHED - 1
    return False


# --- files of several pictures ----------------------------------------------------------------------------------------


def _views(file: Readable, header: _Header, size: int, limits: Limits) -> tuple[Picture, ...]:
    """The views of a panorama, a stereo or a multi-angle picture; nothing for a JPEG of any other kind.

    Cameras and phones add previews, gain maps and depth maps, which are no views, to ordinary photos. An index that
    leads to a place where no JPEG begins is stale: optimisers and editors copy it and move or drop the pictures.
    """
    try:
        offsets = tuple(_indexed(header))
    except (Damaged, struct.error):
        return ()
    if len(offsets) < 2:  # noqa: PLR2004 - one view is a picture
        return ()
    for offset in offsets[1:]:
        file.seek(min(offset, size))
        if file.read(3) != b"\xff\xd8\xff":
            return ()
    limits.check_frames(len(offsets))
    views = tuple(_read_header(file, offset).picture for offset in offsets)
    for view, end in zip(views, (*offsets[1:], size), strict=True):
        if not _has_end(file, view.scan_at, max(view.offset, end)):
            raise Damaged("a view is cut off")
    return views


def _indexed(header: _Header) -> Iterator[int]:
    """The offsets that the index gives to views: the first picture, and each further one of the right type."""
    directories = Directories(io.BytesIO(header.index), len(header.index), is_strict=False)
    directory = directories.read(directories.first)
    count = directories.number(directory, _NUMBER_OF_IMAGES)
    entries = directories.content(directory, _ENTRIES, count * _ENTRY)
    order = "<" if header.index.startswith(b"II") else ">"
    yield 0
    for number, (attribute, _, offset, _) in enumerate(struct.iter_unpack(f"{order}4I", entries)):
        if number and attribute >> 16 & 0xFF == _MULTI_VIEW:
            yield header.index_at + offset
