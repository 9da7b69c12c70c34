"""The processor ``placeholder``: facts for what a page shows before the image.

Images are decoded in child processes of the processor's own, with the limits and the care of the detector ``pillow``:
see ``lading.plugins.detectors.pillow.detector`` for how to operate them.
"""

import asyncio
from typing import Final

from pydantic import Field

from ...contracts import CONTRACT_VERSION
from ...contracts.processing import Output, Picture, Processed, Processor
from ...detectors.pillow.detector import PillowDetector, PillowOptions
from ...detectors.pillow.formats import CONTENT_TYPES
from ...errors import DetectError, DetectorStalled, ProcessError, ProcessorStalled
from ...options import PluginOptions

_LIMITS: Final = PillowOptions()


class PlaceholderOptions(PluginOptions):
    """``[process.placeholder]``."""

    processes: int = Field(
        1, ge=1, le=64, description="Number of decoding processes. Each decodes one image at a time."
    )
    memory_limit: int = Field(
        _LIMITS.memory_limit,
        ge=1 << 27,
        description="Address space of a decoding process, in bytes. An image that needs more gets no placeholder.",
    )
    cpu_limit: int = Field(
        10,
        ge=1,
        description=(
            "CPU time that decoding one image may take, in whole seconds. An image that needs more gets no placeholder."
        ),
    )


class PlaceholderProcessor(Processor):
    """Decodes the first frame at a small size, and changes no image.

    The want of a placeholder fails no import: an image of a format that Pillow does not decode, or beyond the limits,
    gets no facts.
    """

    contract_version = CONTRACT_VERSION
    Options = PlaceholderOptions

    def __init__(self, options: PlaceholderOptions) -> None:
        super().__init__(options)
        chosen = options.model_dump(include={"processes", "memory_limit", "cpu_limit"})
        self._decoder = PillowDetector(_LIMITS.model_copy(update=chosen))
        self._is_closed = False

    async def process(self, picture: Picture, output: Output) -> Processed:  # noqa: ARG002 - it makes no file
        """See ``Processor.process``.

        Raises:
            ProcessorStalled: decoding did not end in time.
        """
        self._check_open()
        if picture.info.format not in CONTENT_TYPES:
            return Processed()
        try:
            made = await self._decoder.placeholder(picture.path)
        except DetectorStalled as error:
            raise ProcessorStalled(str(error)) from error
        except DetectError:
            self._check_open()
            return Processed()
        return Processed(facts={"color": made.color, "thumbhash": made.thumbhash})

    async def close(self) -> None:
        """See ``Processor.close``."""
        self._is_closed = True
        await asyncio.shield(self._decoder.close())

    def _check_open(self) -> None:
        if self._is_closed:
            raise ProcessError("the processor is closed")
