"""What a look at a file's structure finds."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from .reading import spliced

Size = tuple[int, int]
"""Width and height in pixels, as stored."""

TAIL_MISSING = "tail_missing"
"""The note about a file that ends before its end marker."""
NOTES = frozenset({TAIL_MISSING})
"""All notes."""


@dataclass(frozen=True, slots=True)
class JpegFrame:
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


class Picture(NamedTuple):
    """A JPEG in a file.

    Attributes:
        offset: where it begins.
        frame: the last header of a frame before the first scan, or None where there is none.
        scan_at: offset of the marker of the first scan, or 0.
    """

    offset: int
    frame: JpegFrame | None
    scan_at: int


class Tile(NamedTuple):
    """The largest tile of a JPEG 2000, or the whole picture where that is smaller.

    Attributes:
        pixels: of each component, where none is reduced.
        components: how many there are.
        bits: of a sample of the first component.
    """

    pixels: int
    components: int
    bits: int


class Inspection(NamedTuple):
    """What is known of an image before it is decoded.

    Attributes:
        sizes: of all frames; None where Pillow tells them in time.
        pictures: of a JPEG: one, or each view of a multi-view file.
        tile: of a JPEG 2000.
        orientation: 1 to 8 as in EXIF; None where Pillow has to tell.
        notes: what is odd about the file, and no reason to refuse it.
        edits: offsets, and the bytes that Pillow is to read there instead.
        end: where the file ends for Pillow; None for its own end.
        tail: the bytes that Pillow is to read behind ``end``.
        variant: the kind of pixels, for a refusal; empty where it needs no words.
    """

    sizes: Sequence[Size] | None = None
    pictures: Sequence[Picture] = ()
    tile: Tile | None = None
    orientation: int | None = 1
    notes: tuple[str, ...] = ()
    edits: Sequence[tuple[int, bytes]] = ()
    end: int | None = None
    tail: bytes = b""
    variant: str = ""

    @property
    def has_views(self) -> bool:
        """Whether the file has several views, each of which is a frame."""
        return len(self.pictures) > 1

    def as_decoded(self, file: BinaryIO, size: int) -> BinaryIO:
        """The file as Pillow takes it."""
        if not self.edits and self.end is None and not self.tail:
            return file
        return spliced(file, 0, size if self.end is None else self.end, self.edits, self.tail)
