"""The built-in detector passes the published suite: with all formats, and with few of them."""

from collections.abc import Sequence
from typing import ClassVar

from plugins.contracts import TypeDetector
from plugins.detectors.pillow import PillowDetector, PillowOptions
from plugins.errors import (
    DetectError,
    FormatNotAllowed,
    ImageCorrupt,
    NotAnImage,
    SideTooLong,
    TooManyFrames,
    TooManyPixels,
)
from plugins.testing import images
from plugins.testing.detector import TypeDetectorSuite
from plugins.testing.detector_support import Refused
from plugins.testing.images import Sample

FEW = ("JPEG2000", "PNG", "TIFF")

_BOMBS: dict[str, type[DetectError]] = {
    "png-text": ImageCorrupt,
    "png-side": SideTooLong,
    "gif-side": SideTooLong,
    "tiff-side": SideTooLong,
    "icon-side": SideTooLong,
    "gif-frames": TooManyFrames,
    "tiff-frames": TooManyFrames,
    "png-frames": TooManyFrames,
    "icon-frames": TooManyFrames,
    "svg-entities": FormatNotAllowed,
    "svg-external": FormatNotAllowed,
    "svg-depth": FormatNotAllowed,
}


class TestPillow(TypeDetectorSuite):
    formats: ClassVar[tuple[str, ...]] = PillowOptions().formats

    def make_detector(self) -> TypeDetector:
        return PillowDetector(PillowOptions(formats=self.formats))

    def samples(self) -> Sequence[Sample]:
        return [sample for sample in images.samples().values() if sample.format in self.formats]

    def refused(self) -> Sequence[Refused]:
        bombs = [Refused(name, data, _BOMBS.get(name, TooManyPixels)) for name, data in images.bombs().items()]
        halves = [
            Refused(f"{sample.name}-truncated", images.broken()[f"{sample.name}-truncated"], ImageCorrupt)
            for sample in images.samples().values()
        ]
        foreign = [Refused(name, data, FormatNotAllowed) for name, (_, data) in images.FOREIGN.items()]
        nothing = [Refused(name, data, NotAnImage) for name, data in images.NOT_IMAGES.items()]
        return [*bombs, *halves, *foreign, *nothing]


class TestPillowWithFewFormats(TypeDetectorSuite):
    """Most good images are then of formats of others."""

    def make_detector(self) -> TypeDetector:
        return PillowDetector(PillowOptions(formats=FEW, processes=1, recycle_after=50))

    def samples(self) -> Sequence[Sample]:
        return [sample for sample in images.samples().values() if sample.format in FEW]

    def refused(self) -> Sequence[Refused]:
        return [
            Refused("truncated", images.broken()["tiff-truncated"], ImageCorrupt),
            Refused("webp", images.sample("webp").data, FormatNotAllowed),
            Refused("broken-pixels", images.png(100, 100, pixels=b"\0"), ImageCorrupt),
            Refused("text", images.NOT_IMAGES["text"], NotAnImage),
        ]
