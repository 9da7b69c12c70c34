"""JPEGs without ``EOI``: whether all their scans have begun, and where the data of the last one may end."""

import re
import struct
from dataclasses import dataclass, field
from typing import Final

from .jpeg import FRAMES, PROGRESSIVE

_SEGMENT: Final = re.compile(rb"\xff[\x02-\xcf\xda-\xfe]")
"""A marker that a length follows; RST, SOI and EOI have none, and 0xFF of the data is followed by a zero."""
_RESTART: Final = re.compile(rb"\xff[\xd0-\xd7]")
_SCAN: Final = 0xDA
_RESTARTS: Final = 0xDD
_COEFFICIENTS: Final = range(64)


@dataclass(slots=True)
class Scans:
    """What the segments of a JPEG say of its data.

    Attributes:
        has_restarts: whether the data are cut into restart intervals.
        restarts: how many restart intervals have ended.
        whole_blocks: the offset of the frame's sides, and sides to put there that leave no block partly out of sight;
            empty where all are in sight.
        missing: by component, the coefficients of which not every bit has been sent.
    """

    has_restarts: bool = False
    restarts: int = 0
    whole_blocks: tuple[int, bytes] = (0, b"")
    missing: dict[int, set[int]] = field(default_factory=dict)

    @property
    def are_all_there(self) -> bool:
        """Whether every scan has begun: a picture lacks none of its parts altogether."""
        return bool(self.missing) and not any(self.missing.values())


def read_scans(data: bytes) -> Scans:
    """Walk through all segments (ITU-T T.81 sections B.2.2, B.2.3 and G.1.1.1)."""
    found, is_progressive, at, last_scan = Scans(), False, 2, len(data)
    while match := _SEGMENT.search(data, at):
        marker, start = data[match.start() + 1], match.end()
        at = start + int.from_bytes(data[start : start + 2], "big")
        segment = data[start + 2 : at]
        if marker in FRAMES and len(segment) >= 6:  # noqa: PLR2004 - up to the number of components
            is_progressive = marker in PROGRESSIVE
            found.missing = {component: set(_COEFFICIENTS) for component in segment[6 : 6 + 3 * segment[5] : 3]}
            found.whole_blocks = (start + 3, _whole_blocks(segment))
        elif marker == _RESTARTS:
            found.has_restarts = any(segment)
        elif marker == _SCAN:
            _note_scan(found, segment, is_progressive)
            last_scan = at
    found.restarts = len(_RESTART.findall(data, last_scan)) if found.has_restarts else 0
    return found


def _whole_blocks(frame: bytes) -> bytes:
    """The sides of a frame, enlarged to whole MCUs, which its data are of anyway (T.81 section A.2.4)."""
    height, width = struct.unpack_from(">HH", frame, 1)
    factors = frame[7 : 6 + 3 * frame[5] : 3]
    across, down = (8 * max((*map(side, factors), 1)) for side in (lambda both: both >> 4, lambda both: both & 15))
    return struct.pack(">HH", min(-(-height // down) * down, 0xFFFF), min(-(-width // across) * across, 0xFFFF))


def _note_scan(found: Scans, segment: bytes, is_progressive: bool) -> None:
    count = segment[0] if segment else 0
    end = 1 + 2 * count
    if is_progressive or count == 1 or count < len(found.missing):
        found.whole_blocks = (0, b"")  # the data of a scan of one component end with the picture
    if len(segment) < end + 3:
        return  # cut off
    first, last, precision = segment[end : end + 3]
    if not is_progressive:
        first, last, precision = _COEFFICIENTS[0], _COEFFICIENTS[-1], 0
    if precision & 15 == 0:
        for component in segment[1:end:2]:
            found.missing.get(component, set()).difference_update(range(first, last + 1))


def data_end(data: bytes) -> int:
    """Where the data of a JPEG without ``EOI`` end: before fill bytes, and before the zeros of a padding.

    A zero behind 0xFF is stuffed. Every other zero at the end is taken for padding; data seldom end with one.
    """
    end = len(data.rstrip(b"\0"))
    zeros = len(data) - end
    if zeros and data.endswith(b"\xff", 0, end):
        return end + 1
    return len(data[:end].rstrip(b"\xff"))
