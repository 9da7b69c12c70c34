"""The reference processor, broken in one way at a time."""

import asyncio
import itertools
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image
from pydantic import Field

from lading.plugins.contracts.processing import Output, Picture, Processed
from lading.plugins.errors import ImageRefused, MetadataUnremovable, ProcessError
from lading.plugins.options import PluginOptions
from tests.kit.processor.reference import ReferenceProcessor

# --- what it answers --------------------------------------------------------------------------------------------------


class ReturnsNone(ReferenceProcessor):
    async def process(self, picture: Picture, output: Output) -> Any:
        await super().process(picture, output)


class SaysOneForTrue(ReferenceProcessor):
    def work(self, picture: Picture, output: Output) -> Any:
        return Processed(int(super().work(picture, output).replaced))  # type: ignore[arg-type]


class WritesNothing(ReferenceProcessor):
    def changed(self, data: bytes) -> bytes:
        return b""


class SaysNothingOfItsFile(ReferenceProcessor):
    def work(self, picture: Picture, output: Output) -> Processed:
        super().work(picture, output)
        return Processed()


class WritesNoImage(ReferenceProcessor):
    def changed(self, data: bytes) -> bytes:
        return b"<svg/>"


class GivesFactsOfBytes(ReferenceProcessor):
    def facts(self, data: bytes) -> dict[str, Any]:
        return {"head": data[:4]}


class GivesInfinity(ReferenceProcessor):
    def facts(self, data: bytes) -> dict[str, Any]:
        return {"quality": float("inf")}


class GivesManyFacts(ReferenceProcessor):
    def facts(self, data: bytes) -> dict[str, Any]:
        return {"histogram": list(range(2000))}


class GivesDeepFacts(ReferenceProcessor):
    def facts(self, data: bytes) -> dict[str, Any]:
        deep: list[Any] = []
        for _ in range(10):
            deep = [deep]
        return {"tree": deep}


class NamesFactsInCamelCase(ReferenceProcessor):
    def facts(self, data: bytes) -> dict[str, Any]:
        return {"mainColor": "#fff"}


class CountsItsCalls(ReferenceProcessor):
    calls = 0

    def facts(self, data: bytes) -> dict[str, Any]:
        self.calls += 1
        return {"calls": self.calls}


class WritesItsCalls(ReferenceProcessor):
    calls = 0

    def changed(self, data: bytes) -> bytes:
        self.calls += 1
        return data + bytes(self.calls)


class WritesItsNumber(ReferenceProcessor):
    numbers = itertools.count(1)

    def __init__(self, options: PluginOptions) -> None:
        super().__init__(options)
        self.number = next(self.numbers)

    def changed(self, data: bytes) -> bytes:
        return data + bytes(self.number)


class MixesItsCalls(ReferenceProcessor):
    async def process(self, picture: Picture, output: Output) -> Processed:
        self.picture = picture
        await asyncio.sleep(0)
        return await super().process(self.picture, output)


class KnowsNoLimit(ReferenceProcessor):
    def write(self, data: bytes, output: Output) -> None:
        output.path.write_bytes(data)


class CutsAtTheLimit(ReferenceProcessor):
    def write(self, data: bytes, output: Output) -> None:
        output.path.write_bytes(data[: output.max_bytes])


class RaisesTheBase(ReferenceProcessor):
    def refuse(self) -> None:
        raise ProcessError("a GIF")


class IsSpoiledByARefusal(ReferenceProcessor):
    def refuse(self) -> None:
        self.is_closed = True
        raise ImageRefused("a GIF")


class QuotesTheClient(ReferenceProcessor):
    def work(self, picture: Picture, output: Output) -> Processed:
        if picture.info.format == "GIF":
            raise MetadataUnremovable("a GIF", format=str(picture.filename))
        return super().work(picture, output)


class OpensTheClientsName(ReferenceProcessor):
    def read(self, picture: Picture) -> bytes:
        (picture.filename or "").encode("latin-1")
        return super().read(picture)


class HangsOnDamage(ReferenceProcessor):
    async def process(self, picture: Picture, output: Output) -> Processed:
        if await asyncio.to_thread(lambda: picture.path.stat().st_size < 100):
            await asyncio.Event().wait()
        return await super().process(picture, output)


class RaisesTheLibrarysError(ReferenceProcessor):
    def changed(self, data: bytes) -> bytes:
        if not data.startswith(b"\x89PNG"):
            raise ValueError("no PNG")
        return super().changed(data)


# --- what it reads and writes -----------------------------------------------------------------------------------------


class TrustsTheEnding(ReferenceProcessor):
    def work(self, picture: Picture, output: Output) -> Processed:
        return Processed() if picture.path.suffix == ".txt" else super().work(picture, output)


class ResolvesThePath(ReferenceProcessor):
    def read(self, picture: Picture) -> bytes:
        return picture.path.resolve().read_bytes()


class MakesItReadableFirst(ReferenceProcessor):
    def read(self, picture: Picture) -> bytes:
        picture.path.chmod(0o644)
        return super().read(picture)


class ChangesTheImageInItsPlace(ReferenceProcessor):
    def write(self, data: bytes, output: Output) -> None:
        super().write(data, output)
        self.path.write_bytes(data)

    def read(self, picture: Picture) -> bytes:
        self.path = picture.path
        return super().read(picture)


class LeavesATemporaryFile(ReferenceProcessor):
    def read(self, picture: Picture) -> bytes:
        data = super().read(picture)
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(data)
        return data


class LeavesAFileInItsFolder(ReferenceProcessor):
    def refuse(self) -> None:
        Path("refused.log").write_text("a GIF", encoding="utf-8")
        super().refuse()


class DecodesInTheService(ReferenceProcessor):
    def read(self, picture: Picture) -> bytes:
        with Image.open(picture.path) as image:
            image.load()
        return super().read(picture)


# --- its life ---------------------------------------------------------------------------------------------------------


class IsOfTheFuture(ReferenceProcessor):
    contract_version = 99


class DescribesNoOption(ReferenceProcessor):
    class Options(PluginOptions):
        level: int = Field(1)


class StartsAThread(ReferenceProcessor):
    def __init__(self, options: PluginOptions) -> None:
        super().__init__(options)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.ended.wait, daemon=True)
        self.thread.start()

    async def close(self) -> None:
        self.ended.set()
        await super().close()


class ClosesTheOthersToo(ReferenceProcessor):
    async def close(self) -> None:
        await super().close()
        ClosesTheOthersToo.is_closed = True


class LetsOsErrorsOut(ReferenceProcessor):
    def work(self, picture: Picture, output: Output) -> Processed:
        picture.path.open("rb").close()
        return super().work(picture, output)


class BlocksTheLoop(ReferenceProcessor):
    async def process(self, picture: Picture, output: Output) -> Processed:
        self.check_open()
        return self.work(picture, output)


class SwallowsCancellation(ReferenceProcessor):
    async def process(self, picture: Picture, output: Output) -> Processed:
        try:
            return await super().process(picture, output)
        except asyncio.CancelledError:
            return Processed()


class WritesAfterwards(ReferenceProcessor):
    async def process(self, picture: Picture, output: Output) -> Processed:
        self.check_open()
        return await asyncio.to_thread(self.work, picture, output)

    def write(self, data: bytes, output: Output) -> None:
        time.sleep(0.2)
        super().write(data, output)


class FailsSecondClose(ReferenceProcessor):
    async def close(self) -> None:
        self.check_open()
        await super().close()


class LeaksADescriptor(ReferenceProcessor):
    descriptors: ClassVar[list[int]] = []

    def read(self, picture: Picture) -> bytes:
        self.descriptors.append(os.open("/dev/null", os.O_RDONLY))
        return super().read(picture)


class WorksAfterClose(ReferenceProcessor):
    def check_open(self) -> None:
        """It never is closed."""


class CancelsItsCalls(ReferenceProcessor):
    def __init__(self, options: PluginOptions) -> None:
        super().__init__(options)
        self.calls = set[Any]()

    async def process(self, picture: Picture, output: Output) -> Processed:
        self.calls.add(asyncio.current_task())
        try:
            return await super().process(picture, output)
        finally:
            self.calls.discard(asyncio.current_task())

    async def close(self) -> None:
        for call in tuple(self.calls):
            call.cancel()
        await super().close()
