"""Recognises HEIC images with libheif, in a process for each file.

For the operator: the service needs permission to start processes. Each takes up to ``memory_bytes`` beside the memory
of the libraries. A file is decoded whole, so that damage is found.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from lading.plugins import ImageInfo, PluginOptions, SupportsEarlyRefusal, SupportsFormats, TypeDetector
from lading.plugins.errors import DetectError, DetectorCrashed, ImageCorrupt, ImageTooComplex, NotAnImage, TooManyPixels
from lading_heic.boxes import HEAD_BYTES, check_boxes, is_heic
from lading_heic.children import Children, Crashed, Refused
from lading_heic.files import opened, read
from lading_heic.options import DecodingOptions

FORMAT, CONTENT_TYPE = "HEIC", "image/heic"


class HeicDetector(SupportsEarlyRefusal, SupportsFormats, TypeDetector):
    """See ``TypeDetector``. AVIF and sequences are left to others."""

    contract_version = 1
    Options = DecodingOptions

    def __init__(self, options: DecodingOptions) -> None:
        super().__init__(options)
        self._limits = options.model_dump(include={"max_pixels", "cpu_seconds", "memory_bytes"})
        self._children = Children(options.processes)

    @classmethod
    def formats(cls, options: PluginOptions) -> Mapping[str, Sequence[str]]:  # noqa: ARG003 - they change nothing
        """See ``SupportsFormats.formats``."""
        return {FORMAT: (CONTENT_TYPE,)}

    def could_be(self, head: bytes) -> bool:
        """See ``SupportsEarlyRefusal.could_be``."""
        return len(head) < HEAD_BYTES or is_heic(head)

    async def detect(self, path: Path) -> ImageInfo:
        """See ``TypeDetector.detect``. Waits for a free process first; the caller sets the deadline for that.

        Raises:
            ImageTooComplex: decoding takes more memory or CPU time than the options allow.
            DetectorCrashed: the process died, or the file cannot be read.
        """
        if self._children.is_closed:
            raise DetectorCrashed("the detector is closed")
        try:
            async with opened(path) as file:
                await read(_check, file)
                return _info(await self._children.run(file, self._limits))
        except Refused as error:
            raise self._refusal(str(error)) from error
        except (Crashed, KeyError) as error:
            raise DetectorCrashed(str(error)) from error
        except OSError as error:
            raise DetectorCrashed(f"the file cannot be read: {type(error).__name__}") from error

    async def close(self) -> None:
        """See ``TypeDetector.close``."""
        await self._children.close()

    def _refusal(self, reason: str) -> DetectError:
        match reason:
            case "pixels":
                return TooManyPixels(limit=self._limits["max_pixels"])
            case "memory":
                return ImageTooComplex(resource="memory")
            case "time":
                return ImageTooComplex(resource="CPU time")
        return ImageCorrupt(reason)


def _check(file: BinaryIO) -> None:
    """Refuse, without a process, what is no HEIC file or is cut off. Blocks."""
    if not is_heic(file.read(HEAD_BYTES)):
        raise NotAnImage
    check_boxes(file)


def _info(told: dict[str, Any]) -> ImageInfo:
    """The picture is turned as it is decoded, so that it is upright."""
    numbers = [told[name] for name in ("width", "height", "frames")]
    if not all(type(number) is int and number > 0 for number in numbers):
        raise Crashed("the process answered nonsense")
    width, height, frames = numbers
    return ImageInfo(FORMAT, CONTENT_TYPE, width, height, frames)
