"""The reference detector, broken in one way at a time: in what it says, reads and refuses."""

import asyncio
import io
import mmap
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from lading.plugins.capabilities import SupportsEarlyRefusal, SupportsThumbnails
from lading.plugins.contracts import ImageInfo
from lading.plugins.detectors.pillow.formats import identify
from lading.plugins.detectors.pillow.limits import Damaged
from lading.plugins.errors import DetectError, DetectorCrashed, FormatNotAllowed, ImageCorrupt, NotAnImage
from lading.plugins.testing import images
from tests.kit.reference_detector import ReferenceDetector

# --- what it says -----------------------------------------------------------------------------------------------------


class WritesTheFormatInLowerCase(ReferenceDetector):
    def info(self, name: str, width: int, height: int) -> ImageInfo:
        return ImageInfo(name.lower(), f"image/{name.lower()}", width, height)


class SwapsTheSides(ReferenceDetector):
    def info(self, name: str, width: int, height: int) -> ImageInfo:
        return ImageInfo(name, f"image/{name.lower()}", height, width)


class SaysTrueForOne(ReferenceDetector):
    def info(self, name: str, width: int, height: int) -> ImageInfo:
        return ImageInfo(name, f"image/{name.lower()}", width, height, frames=True)


class AddsParameters(ReferenceDetector):
    def info(self, name: str, width: int, height: int) -> ImageInfo:
        return ImageInfo(name, f"image/{name.lower()}; charset=binary", width, height)


class ReturnsNone(ReferenceDetector):
    async def detect(self, path: Path) -> Any:
        await super().detect(path)


class ChangesItsMind(ReferenceDetector):
    calls = 0

    def info(self, name: str, width: int, height: int) -> ImageInfo:
        self.calls += 1
        return ImageInfo(name, f"image/{name.lower()}", width, height, frames=self.calls)


class MixesItsCalls(ReferenceDetector):
    async def detect(self, path: Path) -> ImageInfo:
        self.path = path
        await asyncio.sleep(0)
        return await super().detect(self.path)


class AllowsOneCallAtATime(ReferenceDetector):
    busy = False

    async def detect(self, path: Path) -> ImageInfo:
        if self.busy:
            raise DetectorCrashed("busy")
        self.busy = True
        try:
            return await super().detect(path)
        finally:
            self.busy = False


class BlocksTheLoop(ReferenceDetector):
    async def detect(self, path: Path) -> ImageInfo:
        self.check_open()
        return self.read(path)


# --- how it reads -----------------------------------------------------------------------------------------------------


class ResolvesThePath(ReferenceDetector):
    def open_file(self, path: Path) -> BinaryIO:
        return path.resolve().open("rb")


class LeavesACopy(ReferenceDetector):
    def open_file(self, path: Path) -> BinaryIO:
        with tempfile.NamedTemporaryFile(delete=False) as copy:
            copy.write(path.read_bytes())
        return Path(copy.name).open("rb")


class SharesTheDescriptor(ReferenceDetector):
    def open_file(self, path: Path) -> BinaryIO:
        return os.fdopen(os.dup(int(path.name)), "rb") if "/fd/" in str(path) else path.open("rb")


class WantsToKnowTheProcess(ReferenceDetector):
    def open_file(self, path: Path) -> BinaryIO:
        if str(path).startswith("/proc/") and not str(path).startswith("/proc/self/"):
            raise FileNotFoundError
        return path.open("rb")


class FollowsNoLinks(ReferenceDetector):
    def open_file(self, path: Path) -> BinaryIO:
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


class ReadsFromElsewhere(ReferenceDetector):
    def open_file(self, path: Path) -> BinaryIO:
        return Path("/", path).open("rb")


class MapsItForWriting(ReferenceDetector):
    def open_file(self, path: Path) -> BinaryIO:
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) if path.stat().st_size else io.BytesIO() as content:
            return io.BytesIO(content.read())


class MakesItReadableFirst(ReferenceDetector):
    def open_file(self, path: Path) -> BinaryIO:
        path.chmod(0o644)
        return path.open("rb")


class WritesBesideIt(ReferenceDetector):
    def open_file(self, path: Path) -> BinaryIO:
        if path.parent.stat().st_mode & 0o200:
            with tempfile.NamedTemporaryFile(dir=path.parent) as file:
                file.write(b"notes")
        elif path.stat().st_size:
            raise PermissionError
        return path.open("rb")


class TrustsTheEnding(ReferenceDetector):
    def open_file(self, path: Path) -> BinaryIO:
        return io.BytesIO(b"<svg/>") if path.suffix == ".svg" else path.open("rb")


class TrustsTheEndingForText(ReferenceDetector):
    def read(self, path: Path) -> ImageInfo:
        try:
            return super().read(path)
        except NotAnImage:
            if path.suffix == ".png":
                raise ImageCorrupt from None
            raise


class CannotSpellEveryName(ReferenceDetector):
    def open_file(self, path: Path) -> BinaryIO:
        return Path(path.as_posix().encode().decode()).open("rb")


class RemembersNames(ReferenceDetector):
    known: dict[tuple[object, ...], ImageInfo]

    def read(self, path: Path) -> ImageInfo:
        self.known = getattr(self, "known", {})
        status = path.stat()
        key = (path, status.st_size, status.st_mtime_ns)
        if key not in self.known:
            self.known[key] = super().read(path)
        return self.known[key]


class ReadsItWhole(ReferenceDetector):
    def open_file(self, path: Path) -> BinaryIO:
        return io.BytesIO(path.read_bytes())


class LeaksADescriptor(ReferenceDetector):
    descriptors: ClassVar[list[int]] = []

    def open_file(self, path: Path) -> BinaryIO:
        self.descriptors.append(os.open(os.devnull, os.O_RDONLY))
        return path.open("rb")


# --- what it makes of bad files ---------------------------------------------------------------------------------------


class RaisesTheBase(ReferenceDetector):
    def corrupt(self, damaged: Damaged) -> Exception:
        return DetectError(damaged.internal)


class RaisesTheLibrarysError(ReferenceDetector):
    def corrupt(self, damaged: Damaged) -> Exception:
        return ValueError(damaged.internal)


class PromisesAnotherAttempt(ReferenceDetector):
    def corrupt(self, damaged: Damaged) -> Exception:
        return DetectorCrashed(damaged.internal)


class HangsOnDamage(ReferenceDetector):
    async def detect(self, path: Path) -> ImageInfo:
        try:
            return await super().detect(path)
        except ImageCorrupt:
            await asyncio.Event().wait()
            raise


class IsSpoiledByARefusal(ReferenceDetector):
    spoiled = False

    def read(self, path: Path) -> ImageInfo:
        if self.spoiled:
            raise DetectorCrashed("spoiled")
        try:
            return super().read(path)
        except DetectError:
            self.spoiled = True
            raise


class ReadsHeadersAlone(ReferenceDetector):
    def measure_png(self, file: BinaryIO) -> tuple[int, int]:
        return self.measure_header(file)


class MeasuresByTheFilesSize(ReferenceDetector):
    def measure_bmp(self, file: BinaryIO) -> tuple[int, int]:
        width, _ = super().measure_bmp(file)
        return width, (file.seek(0, 2) - 54) // (width * 3)


class TakesTheLastImage(ReferenceDetector):
    def open_file(self, path: Path) -> BinaryIO:
        data = path.read_bytes()
        return io.BytesIO(data[max(data.rfind(b"\x89PNG"), 0) :])


class SearchesForAnImage(ReferenceDetector):
    def open_file(self, path: Path) -> BinaryIO:
        data = path.read_bytes()
        return io.BytesIO(data[max(data.find(b"\x89PNG"), 0) :])


class SaysFormatForNothing(ReferenceDetector):
    def other(self, name: str | None, head: bytes) -> ImageInfo:
        raise FormatNotAllowed(format=name or "unknown")


class SaysCorruptForOthers(ReferenceDetector):
    def other(self, name: str | None, head: bytes) -> ImageInfo:
        raise ImageCorrupt if name else NotAnImage


class ClaimsWhatItDoesNotKnow(ReferenceDetector):
    def other(self, name: str | None, head: bytes) -> ImageInfo:
        if name in {"JPEG", "GIF", "WEBP"}:
            return ImageInfo(str(name), f"image/{name.lower()}", 1, 1)
        return super().other(name, head)


class HasNoLimit(ReferenceDetector):
    def check_pixels(self, width: int, height: int) -> None:
        return


class CrashesOnABomb(ReferenceDetector):
    def check_pixels(self, width: int, height: int) -> None:
        bytearray(min(width * height, 100_000_000))
        super().check_pixels(width, height)


class Quoted(DetectError):
    code = "quoted"
    public_text = "This is no image: {text}"


class QuotesTheFile(ReferenceDetector):
    def other(self, name: str | None, head: bytes) -> ImageInfo:
        raise Quoted(text=repr(head[:40]))


class QuotesThePath(ReferenceDetector):
    def unreadable(self, error: OSError) -> Exception:
        return Quoted(text=str(error))


class Mute(NotAnImage):
    public_text = " "


class SaysNothing(ReferenceDetector):
    def other(self, name: str | None, head: bytes) -> ImageInfo:
        raise Mute


class LetsOsErrorsOut(ReferenceDetector):
    def unreadable(self, error: OSError) -> Exception:
        return error


class RefusesTooEarly(SupportsEarlyRefusal, ReferenceDetector):
    def could_be(self, head: bytes) -> bool:
        return identify(head) == "PNG"


class EnlargesThumbnails(SupportsThumbnails, ReferenceDetector):
    recipe = "1"

    async def thumbnail(self, path: Path, *, side: int, content_type: str) -> bytes:
        await self.detect(path)
        return images.encode(images.noise(side + 1, 1), "WEBP" if content_type == "image/webp" else "JPEG")


class MakesPngs(EnlargesThumbnails):
    async def thumbnail(self, path: Path, *, side: int, content_type: str) -> bytes:
        await self.detect(path)
        return images.encode(images.noise(1, 1), "PNG")


class MakesThumbnailsOfAnything(EnlargesThumbnails):
    async def thumbnail(self, path: Path, *, side: int, content_type: str) -> bytes:
        await asyncio.to_thread(path.read_bytes)
        return images.encode(images.noise(side + 1, 1), "WEBP" if content_type == "image/webp" else "JPEG")
