"""What decoding an image costs, judged before it begins from what its header says. No Pillow.

The rates are measured: ``python -m bench.decoding`` prints them anew, and ``docs/explanation/detection.md`` says what
they let pass. Memory is address space beyond that of an idle child, which is what ``memory_limit`` bounds. CPU time is
that of a core of the bench; an image may take ``HEADROOM`` times as much before ``cpu_limit`` ends it, so that slower
cores and shared caches condemn no image that was judged to pass.

A header can lie. Then the limits of the child itself end the decoding.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from .limits import Refused

RESERVED: Final = 64 << 20
"""Address space of an idle child, in bytes; 42 MiB are measured."""
HEADROOM: Final = 2
COSTLY_SECONDS: Final = 1.0
"""An image that needs more CPU time is costly: it leaves a decoding place to the others."""
COSTLY_THUMBNAIL_SECONDS: Final = 0.1
"""The same of a thumbnail. A page asks for dozens at once, and whoever looks at another page wants those now."""
MAX_SCANS: Final = 100
"""Scans of a progressive JPEG. Encoders write 10, and 18 where colours have a scan each. Each scan passes over the
whole picture, however few bytes it has."""

_NANOSECOND: Final = 1e-9
_ENCODING_BYTES: Final = 40 << 20
_ENCODED_PIXEL: Final = 210
"""Nanoseconds to encode a pixel of a thumbnail, of noise as WebP."""


class Costly(Exception):
    """The image is costly, and only one that is not was asked for."""


class Cost(NamedTuple):
    """What decoding needs.

    Attributes:
        memory: bytes of address space, at the moment when it needs most.
        seconds: CPU time.
    """

    memory: float
    seconds: float

    def check(self, memory_limit: int, cpu_limit: int) -> None:
        """Refuse an image that the bounds of a child do not bear.

        Raises:
            Refused: decoding needs too much memory or CPU time.
        """
        if self.memory + RESERVED > memory_limit:
            raise Refused("image_too_complex", f"{self.memory / 1e6:.0f} MB of memory", resource="memory")
        if self.seconds * HEADROOM > cpu_limit:
            raise Refused("image_too_complex", f"{self.seconds:.1f} s of CPU time", resource="CPU time")

    @property
    def is_costly(self) -> bool:
        """Whether the image may not have the last free decoding place."""
        return self.seconds > COSTLY_SECONDS


@dataclass(frozen=True, slots=True)
class Rates:
    """What one format costs.

    Attributes:
        pixel, byte: nanoseconds for each pixel of all frames, and for each byte of the file.
        moving: nanoseconds for each pixel more, where there are several frames.
        held: bytes of memory for each pixel of the largest frame, beside its decoded picture.
        held_moving: the same where there are several frames.
        keeps_file: whether the file is held in memory.
    """

    pixel: float
    byte: float
    moving: float = 0
    held: float = 0
    held_moving: float = 0
    keeps_file: bool = False


RATES: Final = {
    "PNG": Rates(pixel=10, byte=10, moving=5, held_moving=12),
    "GIF": Rates(pixel=4, byte=8, moving=10, held_moving=16),
    # Two canvases, a frame and a copy, of four bytes each, whatever the mode.
    "WEBP": Rates(pixel=15, byte=50, held=12.2, held_moving=12.2, keeps_file=True),
    "TIFF": Rates(pixel=8, byte=6),
    "BMP": Rates(pixel=5, byte=2),
    # With 12 bits, no subsampling and transparency, the planes take 8 bytes; there are 9 of them where frames refer to
    # each other (AV1 section 7.20).
    "AVIF": Rates(pixel=12, byte=80, held=13.5, held_moving=80, keeps_file=True),
    # The picture's samples come on top: see ``jpeg2000``.
    "JPEG2000": Rates(pixel=35, byte=140, keeps_file=True),
    "ICO": Rates(pixel=10, byte=10),
}
"""The formats whose cost follows from the number of their pixels; of a JPEG it follows from its scans."""


def cost_of(name: str, sizes: Iterable[tuple[int, int]], file_size: int, *, depth: int, extra: float = 0) -> Cost:
    """The cost of an image of any format but JPEG.

    Args:
        name: the format.
        sizes: width and height of each frame.
        file_size: size of the file in bytes.
        depth: bytes of a decoded pixel.
        extra: further bytes of memory.
    """
    rates = RATES[name]
    pixels = [width * height for width, height in sizes]
    moves = len(pixels) > 1 and name not in {"TIFF", "ICO"}
    held = rates.held_moving if moves else rates.held
    memory = max(pixels) * (depth + held) + extra + (file_size if rates.keeps_file else 0)
    per_pixel = rates.pixel + (rates.moving if moves else 0)
    return Cost(memory, (sum(pixels) * per_pixel + file_size * rates.byte) * _NANOSECOND)


def jpeg2000(tile_pixels: int, components: int, bits: int) -> float:
    """Memory for the samples of a tile, or of an untiled picture: four bytes each, and a copy as they are written."""
    return tile_pixels * components * (4 + (bits + 7) // 8) * 1.02


class JpegScans(NamedTuple):
    """The scans of a JPEG.

    Attributes:
        blocks: of 8 x 8 samples, in all components; 0 where that does not matter.
        passes: blocks of all scans together; likewise.
        is_single: whether one scan holds all components, so that rows are decoded as they come.
    """

    blocks: int
    passes: int
    is_single: bool


def jpeg(pixels: int, length: int, scans: JpegScans) -> Cost:
    """The cost of decoding a JPEG of so many bytes at an eighth of its sides.

    Rows of a picture with one scan are decoded as they come. Of any other, the coefficients of the whole picture are
    kept, two bytes each, until the last scan (ITU-T T.81 section G.1.2).
    """
    if scans.is_single:
        return Cost(0.2 * pixels, (3 * pixels + 8 * length) * _NANOSECOND)
    return Cost(128 * scans.blocks + 0.2 * pixels, (3 * pixels + 32 * length + 9 * scans.passes) * _NANOSECOND)


def repeated(once: Cost, pixels: int) -> Cost:
    """The cost of a JPEG without its end, which ``tails`` decodes nine times, at its whole size."""
    return Cost(once.memory + 5 * pixels, once.seconds * 20)


def sum_of(costs: Iterable[Cost]) -> Cost:
    """The cost of pictures that are decoded one after the other."""
    parts = list(costs)
    return Cost(max(part.memory for part in parts), sum(part.seconds for part in parts))


def thumbnail(decoding: Cost, pixels: float, averaged: float, encoded: int, *, is_copied: bool) -> Cost:
    """The cost of decoding a frame and making it small.

    Args:
        decoding: as judged; for a JPEG, of decoding it at an eighth of its sides.
        pixels: of the decoded frame.
        averaged: pixels that are left of it when it is reduced by whole factors.
        encoded: pixels of the thumbnail.
        is_copied: whether a decoded frame comes on top: of a JPEG that is decoded larger, or is turned.
    """
    memory = decoding.memory + 4 * averaged + (4 * pixels if is_copied else 0) + _ENCODING_BYTES
    return Cost(memory, decoding.seconds + (pixels * 25 + encoded * _ENCODED_PIXEL) * _NANOSECOND)
