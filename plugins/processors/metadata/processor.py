"""The processor ``metadata``: removes location, or everything that is not needed to show the picture."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from pydantic import Field

from ...contracts import CONTRACT_VERSION
from ...contracts.processing import Output, Picture, Processed, Processor
from ...errors import MetadataUnremovable, OutputTooLarge, ProcessError
from ...host.waits import to_its_end
from ...options import PluginOptions
from . import gif, jpeg, png, tiff, webp
from .pieces import Original, Piece, Unreadable, joined, mapped, size_of, write

FORMATS: Final[Mapping[str, Callable[[Original], Iterator[Piece]]]] = MappingProxyType(
    {
        "JPEG": jpeg.pieces,
        "MPO": jpeg.pieces,
        "PNG": png.pieces,
        "WEBP": webp.pieces,
        "GIF": gif.pieces,
        "TIFF": tiff.pieces,
    }
)
"""By the format: says which parts of a file stay."""
HAVE_NONE: Final = frozenset({"BMP"})
"""Formats without metadata."""


class Remove(StrEnum):
    """What goes."""

    LOCATION = "location"
    ALL = "all"


class Unknown(StrEnum):
    """What becomes of an image whose metadata the processor cannot remove."""

    REFUSE = "refuse"
    KEEP = "keep"


class MetadataOptions(PluginOptions):
    """``[process.metadata]``."""

    remove: Remove = Field(
        Remove.LOCATION,
        description=(
            "Metadata to remove: location or all. location removes GPS data, notes of the camera's maker, XMP,"
            " IPTC and comments. all removes everything that is not needed to show the picture. Orientation and"
            " colour profile stay."
        ),
    )
    unknown: Unknown = Field(
        Unknown.REFUSE,
        description=(
            "Images whose metadata cannot be removed, such as AVIF and JPEG2000: refuse fails the import,"
            " keep stores the image as it came."
        ),
    )
    threads: int = Field(2, ge=1, le=64, description="Images that are rewritten at once.")


class MetadataProcessor(Processor):
    """Rewrites files at the level of their containers; decodes nothing."""

    contract_version = CONTRACT_VERSION
    Options = MetadataOptions

    def __init__(self, options: MetadataOptions) -> None:
        super().__init__(options)
        self._everything = options.remove is Remove.ALL
        self._keeps = options.unknown is Unknown.KEEP
        self._executor = ThreadPoolExecutor(options.threads, thread_name_prefix="metadata")
        self._is_closed = False

    async def process(self, picture: Picture, output: Output) -> Processed:
        """See ``Processor.process``."""
        if self._is_closed:
            raise ProcessError("the processor is closed")
        if picture.info.format in HAVE_NONE:
            return Processed()
        work = asyncio.wrap_future(self._executor.submit(self._rewritten, picture, output))
        return Processed(replaced=await to_its_end(work))  # the thread must not write into what the caller has closed

    async def close(self) -> None:
        """See ``Processor.close``."""
        self._is_closed = True
        await asyncio.to_thread(self._executor.shutdown)

    def _rewritten(self, picture: Picture, output: Output) -> bool:
        """Write the file without its metadata, if it has any. Blocks."""
        pieces_of = FORMATS.get(picture.info.format, _unknown)
        try:
            with picture.path.open("rb") as file, mapped(file) as data:
                original = Original(data, picture.info.orientation, self._everything)
                kept = joined(pieces_of(original), original)
                size = size_of(kept)
                if len(kept) == 1 and size == len(data):
                    return False
                if size > output.max_bytes:
                    raise OutputTooLarge(limit=output.max_bytes)
                write(kept, original, output.path)
        except Unreadable as error:
            if self._keeps:
                return False
            raise MetadataUnremovable(str(error), format=picture.info.format) from error
        except (OSError, ValueError) as error:
            raise ProcessError(f"the file cannot be read or written: {type(error).__name__}") from error
        return True


def _unknown(_original: Original) -> Iterator[Piece]:
    raise Unreadable("nothing here knows the structure of its format")
