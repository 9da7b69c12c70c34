"""A small and complete detector, fast enough to be broken in many ways: PNG and BMP, by structure alone."""

import asyncio
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, ClassVar

from lading.plugins.contracts import ImageInfo, TypeDetector
from lading.plugins.detectors.pillow.formats import HEAD_SIZE, identify
from lading.plugins.detectors.pillow.limits import Damaged
from lading.plugins.detectors.pillow.structure.png import check_png
from lading.plugins.detectors.pillow.structure.reading import read_exactly
from lading.plugins.errors import (
    DetectorCrashed,
    FormatNotAllowed,
    ImageCorrupt,
    ImageTooComplex,
    NotAnImage,
    TooManyPixels,
)
from lading.plugins.options import PluginOptions
from lading.plugins.testing import images
from lading.plugins.testing.detector.suite import TypeDetectorSuite
from lading.plugins.testing.detector.support import Cost, Costly, Refused
from lading.plugins.testing.images import Sample

MAX_PIXELS = 1_000_000
MAX_BYTES = 1_000_000
"""Of a PNG: what it costs is known by its size."""


class ReferenceDetector(TypeDetector):
    contract_version = 1
    is_closed = False

    async def detect(self, path: Path) -> ImageInfo:
        self.check_open()
        info = await asyncio.to_thread(self.read, path)
        self.check_open()
        return info

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.is_closed = True

    def check_open(self) -> None:
        if self.is_closed:
            raise DetectorCrashed("closed")

    def read(self, path: Path) -> ImageInfo:
        try:
            with self.open_file(path) as file:
                return self.recognise(file)
        except Damaged as damaged:
            raise self.corrupt(damaged) from damaged
        except OSError as error:
            raise self.unreadable(error) from error

    def open_file(self, path: Path) -> BinaryIO:
        return path.open("rb")

    def recognise(self, file: BinaryIO) -> ImageInfo:
        head = file.read(HEAD_SIZE)
        match identify(head):
            case "PNG":
                self.check_cost(file)
                width, height = self.measure_png(file)
            case "BMP":
                width, height = self.measure_bmp(file)
            case name:
                return self.other(name, head)
        self.check_pixels(width, height)
        return self.info("PNG" if head.startswith(b"\x89PNG") else "BMP", width, height)

    def check_cost(self, file: BinaryIO) -> None:
        if file.seek(0, 2) > MAX_BYTES:
            raise ImageTooComplex(resource="CPU time")

    def info(self, name: str, width: int, height: int) -> ImageInfo:
        return ImageInfo(name, f"image/{name.lower()}", width, height)

    def measure_png(self, file: BinaryIO) -> tuple[int, int]:
        if check_png(file, file.seek(0, 2)).notes:
            raise Damaged("the end is missing")
        return self.measure_header(file)

    def measure_header(self, file: BinaryIO) -> tuple[int, int]:
        file.seek(16)
        width, height = struct.unpack(">II", read_exactly(file, 8))
        return width, height

    def measure_bmp(self, file: BinaryIO) -> tuple[int, int]:
        size = file.seek(0, 2)
        file.seek(10)
        offset, _, width, height, _, bits, compression = struct.unpack("<IIiiHHI", read_exactly(file, 24))
        if compression or offset + (width * bits + 31) // 32 * 4 * abs(height) > size:
            raise Damaged("not all pixels are there")
        return width, abs(height)

    def check_pixels(self, width: int, height: int) -> None:
        if width < 1 or height < 1:
            raise Damaged("no pixels")
        if width * height > MAX_PIXELS:
            raise TooManyPixels(limit=MAX_PIXELS)

    def other(self, name: str | None, head: bytes) -> ImageInfo:
        if name is None:
            raise NotAnImage
        raise FormatNotAllowed(format=name)

    def corrupt(self, damaged: Damaged) -> Exception:
        return ImageCorrupt(damaged.internal)

    def unreadable(self, error: OSError) -> Exception:
        return DetectorCrashed(f"the file cannot be read: {error.strerror}")


class StrictDetector(ReferenceDetector):
    """Refuses whatever a detector may refuse: images with something behind them, and no format by its name."""

    def measure_png(self, file: BinaryIO) -> tuple[int, int]:
        sides = super().measure_png(file)
        file.seek(-8, 2)
        if file.read(4) != b"IEND":
            raise Damaged("something follows the image")
        return sides

    def measure_bmp(self, file: BinaryIO) -> tuple[int, int]:
        sides = super().measure_bmp(file)
        file.seek(2)
        if int.from_bytes(file.read(4), "little") != file.seek(0, 2):
            raise Damaged("not of the size that it claims")
        return sides

    def other(self, name: str | None, head: bytes) -> ImageInfo:
        raise NotAnImage


class ReferenceHarness(TypeDetectorSuite):
    detector: ClassVar[type[TypeDetector]] = ReferenceDetector

    def make_detector(self) -> TypeDetector:
        return self.detector(PluginOptions())

    def samples(self) -> Sequence[Sample]:
        return [images.sample("png"), images.sample("bmp")]

    def costly(self, cost: Cost) -> Costly | None:
        return Costly(images.sample("png").data + bytes(MAX_BYTES), seconds=0.2, memory=32 << 20)

    def refused(self) -> Sequence[Refused]:
        return [
            Refused("truncated", images.sample("png").data[:-1], ImageCorrupt),
            Refused("bomb", images.bombs()["png"], TooManyPixels),
            Refused("webp", images.sample("webp").data, FormatNotAllowed),
            Refused("text", images.NOT_IMAGES["text"], NotAnImage),
        ]
