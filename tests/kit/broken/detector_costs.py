"""The reference detector, broken in one way at a time: in what files may cost, and in formats and frames."""

import asyncio
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, ClassVar

from PIL import Image

from lading.plugins.capabilities import SupportsFormats
from lading.plugins.contracts import ImageInfo
from lading.plugins.detectors.pillow.limits import Damaged
from lading.plugins.errors import DetectorStalled, ImageCorrupt, ImageTooComplex
from lading.plugins.options import PluginOptions
from lading.plugins.testing import images
from lading.plugins.testing.images import Sample
from tests.kit.reference_detector import ReferenceDetector, ReferenceHarness

# --- what files may cost ----------------------------------------------------------------------------------------------


class HasNoLimits(ReferenceDetector):
    def check_cost(self, file: BinaryIO) -> None:
        return


class TakesCostForDamage(ReferenceDetector):
    def check_cost(self, file: BinaryIO) -> None:
        try:
            super().check_cost(file)
        except ImageTooComplex as error:
            raise ImageCorrupt from error


class PromisesToTryAgain(ReferenceDetector):
    def check_cost(self, file: BinaryIO) -> None:
        try:
            super().check_cost(file)
        except ImageTooComplex as error:
            raise DetectorStalled from error


class Spinning(ReferenceDetector):
    """Its costly files keep a thread busy until a test says otherwise."""

    ended: ClassVar[threading.Event] = threading.Event()

    def spin(self) -> None:
        while not self.ended.is_set():
            pass

    def check_cost(self, file: BinaryIO) -> None:
        try:
            super().check_cost(file)
        except ImageTooComplex:
            self.spin()


class GoesOnAfterItsRefusal(Spinning):
    """``asyncio.wait_for`` around ``asyncio.to_thread``: the call ends and the thread does not."""

    def check_cost(self, file: BinaryIO) -> None:
        try:
            ReferenceDetector.check_cost(self, file)
        except ImageTooComplex:
            threading.Thread(target=self.spin).start()
            raise


class DecodesInAChild(ReferenceDetector):
    program: ClassVar[str]

    async def detect(self, path: Path) -> ImageInfo:
        if path.stat().st_size > 1_000_000:
            child = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", self.program)
            await self.waited(child)
            raise ImageTooComplex
        return await super().detect(path)

    async def waited(self, child: asyncio.subprocess.Process) -> None:
        try:
            await child.wait()
        except asyncio.CancelledError:
            child.kill()
            await child.wait()
            raise


class HasAChildWithoutATimeLimit(DecodesInAChild):
    program = "while True: pass"


class HasAChildWithoutAMemoryLimit(DecodesInAChild):
    program = "taken = [b'x' * 1000000 for _ in range(200)]; import time; time.sleep(60)"


class LeavesItsChildToItself(HasAChildWithoutATimeLimit):
    async def waited(self, child: asyncio.subprocess.Process) -> None:
        await child.wait()


# --- names of formats -------------------------------------------------------------------------------------------------


class NamesItInItsOwnWay(ReferenceDetector):
    def info(self, name: str, width: int, height: int) -> ImageInfo:
        return ImageInfo(f"X{name}", f"image/{name.lower()}", width, height)


class ForgetsAFormat(ReferenceDetector, SupportsFormats):
    @classmethod
    def formats(cls, options: PluginOptions) -> Mapping[str, Sequence[str]]:
        return {"PNG": ("image/png",), "BMP": ("image/x-ms-bmp",)}


# --- several frames ---------------------------------------------------------------------------------------------------


class MovingDetector(ReferenceDetector):
    """GIFs too: as many frames as Pillow finds, and the end behind them."""

    def recognise(self, file: BinaryIO) -> ImageInfo:
        data = file.read()
        file.seek(0)
        if not data.startswith(b"GIF8"):
            return super().recognise(file)
        self.check_end(data)
        with Image.open(file) as image:
            return ImageInfo("GIF", "image/gif", *image.size, frames=getattr(image, "n_frames", 1))

    def check_end(self, data: bytes) -> None:
        if not data.endswith(b";"):
            raise Damaged("no end")


class CountsWhatIsThere(MovingDetector):
    def check_end(self, data: bytes) -> None:
        return


class MovingHarness(ReferenceHarness):
    detector = MovingDetector

    def samples(self) -> Sequence[Sample]:
        return [*super().samples(), images.sample("gif-animated")]
