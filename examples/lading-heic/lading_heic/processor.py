"""Stores HEIC images as JPEG, which every browser shows. The detector says how to operate the processes."""

from lading.plugins import Output, Picture, Processed, Processor
from lading.plugins.errors import OutputTooLarge, ProcessError
from lading_heic.children import Children, Crashed, Refused
from lading_heic.detector import FORMAT
from lading_heic.errors import ConverterCrashed, HeicTooCostly, HeicUnreadable
from lading_heic.files import opened
from lading_heic.options import ConversionOptions

RESOURCES = {"pixels": "pixels", "memory": "memory", "time": "CPU time"}


class HeicProcessor(Processor):
    """Converts the primary picture, upright, with its Exif and its colour profile. Leaves other formats as they are."""

    contract_version = 1
    Options = ConversionOptions

    def __init__(self, options: ConversionOptions) -> None:
        super().__init__(options)
        self._limits = options.model_dump(include={"max_pixels", "cpu_seconds", "memory_bytes", "quality"})
        self._organizations = frozenset(options.keep_organizations)
        self._albums = frozenset(options.keep_albums)
        self._children = Children(options.processes)

    async def process(self, picture: Picture, output: Output) -> Processed:
        """See ``Processor.process``.

        Raises:
            HeicUnreadable, HeicTooCostly: the image is refused.
            ConverterCrashed: the process died.
        """
        if self._children.is_closed:
            raise ProcessError("the processor is closed")
        if picture.info.format != FORMAT or self._keeps(picture):
            return Processed()
        limits = {**self._limits, "max_bytes": output.max_bytes}
        try:
            async with opened(picture.path) as file, opened(output.path, "r+b") as target:
                await self._children.run(file, limits, target)
        except Refused as error:
            raise _refusal(str(error), output) from error
        except Crashed as error:
            raise ConverterCrashed(str(error)) from error
        except OSError as error:
            raise ProcessError(f"the file cannot be read or written: {type(error).__name__}") from error
        return Processed(replaced=True)

    async def close(self) -> None:
        """See ``Processor.close``."""
        await self._children.close()

    def _keeps(self, picture: Picture) -> bool:
        """Whether the operator wants the original of it."""
        return picture.organization_id in self._organizations or picture.album_id in self._albums


def _refusal(reason: str, output: Output) -> ProcessError:
    if reason == "output":
        return OutputTooLarge(limit=output.max_bytes)
    if reason in RESOURCES:
        return HeicTooCostly(resource=RESOURCES[reason])
    return HeicUnreadable(reason)
