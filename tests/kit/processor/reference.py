"""A small and complete processor: refuses GIFs, appends a byte to PNGs, and leaves other images as they are."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from lading.plugins.contracts.processing import Output, Picture, Processed, Processor
from lading.plugins.errors import ImageRefused, OutputTooLarge, ProcessError
from lading.plugins.options import PluginOptions
from lading.plugins.testing import ProcessorSuite, Rejected, Sample, images


class ReferenceProcessor(Processor):
    contract_version = 1
    is_closed = False

    async def process(self, picture: Picture, output: Output) -> Processed:
        self.check_open()
        work = asyncio.ensure_future(asyncio.to_thread(self.work, picture, output))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait((work,))  # the thread must not write into what the caller has closed
            work.exception()
            raise
        self.check_open()
        return work.result()

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.is_closed = True

    def check_open(self) -> None:
        if self.is_closed:
            raise ProcessError("closed")

    def work(self, picture: Picture, output: Output) -> Processed:
        if picture.info.format == "GIF":
            self.refuse()
        try:
            data = self.read(picture)
            replaced = picture.info.format == "PNG"
            if replaced:
                self.write(self.changed(data), output)
        except OSError as error:
            raise ProcessError(f"the file cannot be read or written: {error.strerror}") from error
        return Processed(replaced, self.facts(data))

    def refuse(self) -> None:
        raise ImageRefused("a GIF")

    def read(self, picture: Picture) -> bytes:
        return picture.path.read_bytes()

    def changed(self, data: bytes) -> bytes:
        return data + b"\0"

    def write(self, data: bytes, output: Output) -> None:
        if len(data) > output.max_bytes:
            raise OutputTooLarge(limit=output.max_bytes)
        output.path.write_bytes(data)

    def facts(self, data: bytes) -> dict[str, Any]:
        return {"bytes": len(data)}


class ReferenceHarness(ProcessorSuite):
    processor: ClassVar[type[Processor]] = ReferenceProcessor

    def make_processor(self) -> Processor:
        return self.processor(PluginOptions())

    def samples(self) -> Sequence[Sample]:
        return [images.sample("png"), images.sample("bmp")]

    def rejected(self) -> Sequence[Rejected]:
        return [Rejected(images.sample("gif"), ImageRefused)]
