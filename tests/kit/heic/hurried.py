"""The HEIC detector with one mistake each, as authors in a hurry have made them."""

import asyncio
import io
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

from lading.plugins import ImageInfo
from lading.plugins.errors import DetectorCrashed, DetectorStalled, ImageCorrupt, NotAnImage
from tests.kit.heic import hurried_child
from tests.kit.heic.child import Decoding
from tests.kit.heic.detector import Child, HeicDetector, HeicOptions


def decoding(kind: type[Decoding]) -> type[Child]:
    """A child that decodes so."""

    class Hurried(Child):
        command = (sys.executable, str(Path(hurried_child.__file__)), kind.__name__)

    return Hurried


# --- limits -----------------------------------------------------------------------------------------------------------


class HasNoTimeLimit(HeicDetector):
    child = decoding(hurried_child.HasNoTimeLimit)


class HasNoMemoryLimit(HeicDetector):
    child = decoding(hurried_child.HasNoMemoryLimit)


class AsksTheKernelAlone(HeicDetector):
    child = decoding(hurried_child.AsksTheKernelAlone)


class ChecksNoPixels(HeicDetector):
    child = decoding(hurried_child.ChecksNoPixels)


class PromisesAnotherAttempt(HeicDetector):
    def understood(self, code: int, printed: bytes) -> ImageInfo:
        if code == -signal.SIGPROF:
            raise DetectorStalled("the child takes too long")
        return super().understood(code, printed)


class TakesCostForDamage(HeicDetector):
    def understood(self, code: int, printed: bytes) -> ImageInfo:
        if code:
            raise ImageCorrupt("the child ends early")
        return super().understood(code, printed)


class ExpectsAnAnswer(HeicDetector):
    def understood(self, code: int, printed: bytes) -> ImageInfo:
        json.loads(printed)
        return super().understood(code, printed)


class DecodesOnTheLoop(HeicDetector):
    """``pillow_heif.open_heif`` within ``detect``, as its examples have it."""

    def decoded(self, path: Path) -> ImageInfo:
        with path.open("rb") as file:
            self.check_begins(path, file)
            file.seek(0)
            try:
                return self.info(Decoding(self.limits.seconds, self.limits.memory, self.limits.pixels).found(file))
            except (ValueError, RuntimeError) as error:
                raise ImageCorrupt(str(error)) from error

    async def detect(self, path: Path) -> ImageInfo:
        return self.decoded(path)


class DecodesInAThread(DecodesOnTheLoop):
    """The call ends when it is cancelled, and the thread does not."""

    async def detect(self, path: Path) -> ImageInfo:
        return await asyncio.to_thread(self.decoded, path)


class LetsItsChildGoOn(HeicDetector):
    child = decoding(hurried_child.HasNoTimeLimit)

    async def let_go(self, task: "asyncio.Task[ImageInfo]", child: Child) -> None:
        return


# --- what it says -----------------------------------------------------------------------------------------------------


class BelievesTheHeader(HeicDetector):
    child = decoding(hurried_child.BelievesTheHeader)

    def check_boxes(self, file: BinaryIO) -> None:
        return


class HidesDamage(BelievesTheHeader):
    child = decoding(hurried_child.HidesDamage)


class ReadsTheFirstFrame(HeicDetector):
    child = decoding(hurried_child.ReadsTheFirstFrame)


class ForgetsToTurnIt(HeicDetector):
    child = decoding(hurried_child.ForgetsToTurnIt)


class CallsItHif(HeicDetector):
    """By the ending of the files of some cameras."""

    def info(self, told: dict[str, Any]) -> ImageInfo:
        return ImageInfo("HIF", "image/heic", told["width"], told["height"], frames=told["frames"])


class TakesAllThatHasBoxes(HeicDetector):
    def is_known(self, head: bytes) -> bool:
        return True


class TrustsTheEnding(HeicDetector):
    def check_begins(self, path: Path, file: BinaryIO) -> None:
        if path.suffix.lower() not in {"", ".heic", ".heif"}:
            raise NotAnImage
        super().check_begins(path, file)


class ShowsThePath(HeicDetector):
    class Unreadable(DetectorCrashed):
        code = "heic_unreadable"
        public_text = "{path} cannot be read."

    def unreadable(self, path: Path, error: OSError) -> Exception:
        return self.Unreadable(path=str(path))


# --- files ------------------------------------------------------------------------------------------------------------


class GivesThePath(HeicDetector):
    """The child opens the file by a path, which may mean another file there."""

    class child(decoding(hurried_child.OpensThePath)):  # type: ignore[misc]  # noqa: N801
        def arguments(self, source: BinaryIO, limits: HeicOptions) -> tuple[object, ...]:
            return (*super().arguments(source, limits), source.name)


class LeavesACopy(HeicDetector):
    class child(Child):  # noqa: N801
        def given(self, source: BinaryIO) -> BinaryIO:
            with tempfile.NamedTemporaryFile(suffix=".heic", delete=False) as copy:
                copy.write(source.read())
            return io.FileIO(copy.name)


class ReadsItWhole(HeicDetector):
    def check_begins(self, path: Path, file: BinaryIO) -> None:
        super().check_begins(path, io.BytesIO(file.read()))
