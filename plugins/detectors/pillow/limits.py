"""What the decoding process is told and what it answers: plain values, shared by the service and its children.

Nothing here, nor in anything else that a child imports, needs more than the standard library and Pillow: a child starts
quickly and its address space is kept for the image.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

MAX_LINE = 512 * 1024
"""Longest question, in bytes: with the names of as many files as share an exchange."""

MAX_ANSWER = 8 << 20
"""Longest answer of a child, in bytes: one with a thumbnail."""

MAX_THUMBNAIL = 5 << 20
"""Largest thumbnail, in bytes. One of 1200 x 1200 pixels of noise, transparency included, has less than 3 MB."""

MAX_INTERNAL = 300
"""Longest text for the log, in characters, that a child answers with."""


class Refused(Exception):
    """The image is refused: ``code`` and ``facts`` are those of an error in ``lading.plugins.errors``.

    Args:
        code: stable code of a ``DetectError``.
        internal: text for the operator's log; it may quote Pillow, hence bytes of the image.
        facts: values for the placeholders of the error's public text.
    """

    def __init__(self, code: str, internal: str = "", **facts: str | int) -> None:
        super().__init__(code)
        self.code = code
        self.internal = internal
        self.facts = facts


class Damaged(Refused):
    """The bytes contradict themselves, or end too early."""

    def __init__(self, internal: str) -> None:
        super().__init__("image_corrupt", internal)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child accepts; see ``lading.plugins.detectors.pillow.detector.PillowOptions`` for the meaning of each.

    Attributes:
        formats: names of the allowed formats, as Pillow writes them.
        max_pixels: of one frame; None where only the cost of decoding counts.
        max_side: of one frame, in pixels.
        max_frames: of one image.
        max_total_pixels: of all frames together.
        decode_pixels: whether every frame is decoded, not only measured.
        memory_limit: address space of the child, in bytes.
        cpu_limit: CPU time of one call, in seconds.
    """

    formats: tuple[str, ...]
    max_pixels: int | None
    max_side: int
    max_frames: int
    max_total_pixels: int
    decode_pixels: bool
    memory_limit: int
    cpu_limit: int

    @property
    def largest_frame(self) -> int:
        """How many pixels a frame may have, what it costs aside."""
        return self.max_total_pixels if self.max_pixels is None else min(self.max_pixels, self.max_total_pixels)

    def check_frames(self, count: int) -> None:
        """Refuse an image of more than ``max_frames`` frames.

        Raises:
            Refused: it has too many.
        """
        if count > self.max_frames:
            raise Refused("too_many_frames", limit=self.max_frames)

    def check_sizes(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Refuse what is too large, given the width and height of every frame in pixels.

        Raises:
            Refused: a frame, or all of them together, are too large; or a frame has no pixels.
        """
        total = 0
        for width, height in sizes:
            pixels = width * height
            if width < 1 or height < 1:
                raise Damaged(f"a frame measures {width} x {height} pixels")
            if pixels > self.largest_frame:
                raise Refused("too_many_pixels", limit=self.largest_frame)
            if max(width, height) > self.max_side:
                raise Refused("side_too_long", limit=self.max_side)
            total += pixels
            if total > self.max_total_pixels:
                raise Refused("too_many_pixels", limit=self.max_total_pixels)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What a page shows before the image.

    Attributes:
        color: the dominant colour as ``#rrggbb``; None where nothing is opaque.
        thumbhash: a ThumbHash in Base64.
    """

    color: str | None
    thumbhash: str


class Recognised(NamedTuple):
    """The answer about an allowed image; the fields are those of ``lading.plugins.contracts.ImageInfo``."""

    format: str
    content_type: str
    width: int
    height: int
    frames: int
    orientation: int
    notes: tuple[str, ...]
