"""The blocks of a GIF."""

import re
import struct

from ..limits import Damaged, Limits
from .inspection import TAIL_MISSING, Inspection
from .reading import Readable, read_exactly, skip_junk

_INTRODUCER = re.compile(b"[!,;]")
_TRAILER = b";"
_GRAPHIC_CONTROL = b"\xf9"


def measure_gif(file: Readable, size: int, limits: Limits) -> Inspection:
    """Walk the blocks to the trailer (GIF89a, appendix B) and give the canvas once for every frame.

    Every decoded frame is a whole canvas, and Pillow enlarges the canvas for a frame that reaches over it. Bytes
    between blocks that introduce nothing are skipped, as viewers do, unless they are very many. A file that ends
    where a block may begin, or behind a piece of the last frame, lacks its tail.
    """
    file.seek(6)
    width, height, flags = struct.unpack("<HHBxx", read_exactly(file, 7))
    _skip_palette(file, flags)
    frames, tail, is_announced = 0, b"", False
    while (introducer := file.read(1)) != _TRAILER:
        if not introducer:
            tail = _TRAILER
        elif introducer == b"!":
            is_announced = read_exactly(file, 1) == _GRAPHIC_CONTROL or is_announced
            if _skip_sub_blocks(file, size):
                raise Damaged("the file ends too early")
        elif introducer == b",":
            left, top, frame_width, frame_height, flags = struct.unpack("<HHHHB", read_exactly(file, 9))
            width, height = max(width, left + frame_width), max(height, top + frame_height)
            _skip_palette(file, flags)
            read_exactly(file, 1)
            if _skip_sub_blocks(file, size):
                tail = b"\0" + _TRAILER
            frames += 1
            is_announced = False
            limits.check_frames(frames)
        else:
            skip_junk(file, _INTRODUCER)
        if tail:
            break
    if not frames or is_announced:
        raise Damaged("a GIF lacks a frame")
    return Inspection(sizes=[(width, height)] * frames, notes=(TAIL_MISSING,) if tail else (), tail=tail)


def _skip_palette(file: Readable, flags: int) -> None:
    if flags & 0x80:
        read_exactly(file, 3 << ((flags & 7) + 1))


def _skip_sub_blocks(file: Readable, size: int) -> bool:
    """Go behind the sub-blocks, and tell whether the file ends with a whole one, where another has to follow."""
    while length := file.read(1):
        if not length[0]:
            return False
        if file.seek(length[0], 1) > size:
            raise Damaged("the file ends too early")
    return True
