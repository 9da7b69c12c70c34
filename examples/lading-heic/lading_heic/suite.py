"""The kit's suites for both plugins, with the files in ``samples``."""

import gzip
from collections.abc import Sequence
from pathlib import Path

from lading.plugins import Processor, TypeDetector
from lading.plugins.errors import ImageCorrupt, NotAnImage, TooManyPixels
from lading.plugins.testing import (
    Cost,
    Costly,
    ProcessorSuite,
    Refused,
    Rejected,
    Sample,
    TypeDetectorSuite,
    images,
)
from lading_heic.detector import CONTENT_TYPE, FORMAT, HeicDetector
from lading_heic.errors import HeicTooCostly, HeicUnreadable
from lading_heic.options import ConversionOptions, DecodingOptions
from lading_heic.processor import HeicProcessor

MIB = 1 << 20
SAMPLES = Path(__file__).with_name("samples")
SIDES = b"ispe" + bytes(4) + (128).to_bytes(4) + (64).to_bytes(4)
"""The property of the sides in ``plain.heic`` (ISO/IEC 23008-12 section 6.5.3)."""
TOO_LONG = b"ispe" + bytes(4) + (30_000).to_bytes(4) * 2


def sample(name: str, width: int = 128, height: int = 64, frames: int = 1) -> Sample:
    """One of the files."""
    data = (SAMPLES / f"{name}.heic").read_bytes()
    return Sample(name, data, FORMAT, CONTENT_TYPE, width, height, frames)


def bomb() -> bytes:
    """It says that it has 30,000 x 30,000 pixels."""
    return sample("plain").data.replace(SIDES, TOO_LONG)


def costly() -> bytes:
    """A grey picture of 11,904 x 11,904 pixels, which takes a second."""
    return gzip.decompress((SAMPLES / "costly.heic.gz").read_bytes())


class HeicDetectorSuite(TypeDetectorSuite):
    """``HeicDetector``, with what is configured."""

    def make_detector(self) -> TypeDetector:
        options = self.configured if isinstance(self.configured, DecodingOptions) else DecodingOptions()
        least = DecodingOptions()
        return HeicDetector(options.model_copy(update={"max_pixels": least.max_pixels}))

    def make_limited(self) -> TypeDetector:
        return HeicDetector(DecodingOptions(max_pixels=200_000_000, memory_bytes=self.memory, cpu_seconds=0.1))

    def samples(self) -> Sequence[Sample]:
        return [sample("plain"), sample("turned", 64, 128), sample("several", frames=3), sample("transparent")]

    def refused(self) -> Sequence[Refused]:
        return [
            Refused("cut off", sample("plain").data[:-1], ImageCorrupt),
            Refused("a bomb", bomb(), TooManyPixels),
            Refused("avif", images.sample("avif").data, NotAnImage),
        ]

    def costly(self, cost: Cost) -> Costly | None:
        self.memory = 96 * MIB if cost is Cost.GREEDY else 2048 * MIB
        return Costly(costly(), seconds=0.5, memory=(256 if cost is Cost.GREEDY else 2048) * MIB)


class HeicProcessorSuite(ProcessorSuite):
    """``HeicProcessor``, with what is configured."""

    def make_processor(self) -> Processor:
        options = self.configured if isinstance(self.configured, ConversionOptions) else ConversionOptions()
        made_for = {"max_pixels": ConversionOptions().max_pixels, "keep_organizations": (), "keep_albums": ()}
        return HeicProcessor(options.model_copy(update=made_for))

    def samples(self) -> Sequence[Sample]:
        return [sample("plain"), sample("turned", 64, 128), sample("transparent"), images.sample("png")]

    def rejected(self) -> Sequence[Rejected]:
        plain = sample("plain").data
        damaged = Sample("damaged", plain[: len(plain) // 2], FORMAT, CONTENT_TYPE, 128, 64)
        return [
            Rejected(damaged, HeicUnreadable),
            Rejected(Sample("a bomb", bomb(), FORMAT, CONTENT_TYPE, 128, 64), HeicTooCostly),
        ]
