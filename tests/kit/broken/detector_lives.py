"""The reference detector, broken in one way at a time: in how it begins, ends and is cancelled."""

import asyncio
import threading
from pathlib import Path
from typing import Any, ClassVar

from lading.plugins.contracts import ImageInfo
from lading.plugins.errors import DetectorCrashed
from lading.plugins.options import PluginOptions
from tests.kit.reference_detector import ReferenceDetector


class IsOfTheFuture(ReferenceDetector):
    contract_version = 2


class UndescribedOptions(PluginOptions):
    level: int = 1


class DescribesNoOption(ReferenceDetector):
    Options = UndescribedOptions


class StartsAThread(ReferenceDetector):
    """One that waits until the detector is closed."""

    def __init__(self, options: PluginOptions) -> None:
        super().__init__(options)
        self.ended = threading.Event()
        threading.Thread(target=self.ended.wait, args=(60,), daemon=True).start()

    async def close(self) -> None:
        await super().close()
        self.ended.set()


class NeedsTwoCloses(ReferenceDetector):
    task: asyncio.Task[object] | None = None

    async def detect(self, path: Path) -> ImageInfo:
        self.task = self.task or asyncio.create_task(asyncio.Event().wait())
        return await super().detect(path)

    async def close(self) -> None:
        if self.is_closed and self.task:
            self.task.cancel()
        await super().close()


class GivesUpClosing(ReferenceDetector):
    tasks: ClassVar[list[asyncio.Task[object]]] = []
    """Held, so that no collection of garbage ends what was left."""
    task: asyncio.Task[object] | None = None

    async def detect(self, path: Path) -> ImageInfo:
        if self.task is None:
            self.task = asyncio.create_task(asyncio.Event().wait())
            self.tasks.append(self.task)
        return await super().detect(path)

    async def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            await asyncio.sleep(0)
            if self.task:
                self.task.cancel()


class ClosesTheOthersToo(ReferenceDetector):
    async def close(self) -> None:
        type(self).is_closed = True


class FailsSecondClose(ReferenceDetector):
    async def close(self) -> None:
        self.check_open()
        await super().close()


class FailsToCloseUnused(ReferenceDetector):
    used = False

    async def detect(self, path: Path) -> ImageInfo:
        self.used = True
        return await super().detect(path)

    async def close(self) -> None:
        if not self.used:
            raise AttributeError("there is no pool")
        await super().close()


class WorksAfterClose(ReferenceDetector):
    def check_open(self) -> None:
        return


class CancelsItsCalls(ReferenceDetector):
    def __init__(self, options: PluginOptions) -> None:
        super().__init__(options)
        self.calls: set[asyncio.Task[Any] | None] = set()

    async def detect(self, path: Path) -> ImageInfo:
        self.check_open()
        self.calls.add(asyncio.current_task())
        return await super().detect(path)

    async def close(self) -> None:
        for call in self.calls:
            if call and call is not asyncio.current_task():
                call.cancel()
        await super().close()


class ForgetsItsCalls(ReferenceDetector):
    async def detect(self, path: Path) -> ImageInfo:
        self.check_open()
        await asyncio.sleep(0)
        if self.is_closed:
            await asyncio.Event().wait()
        return await super().detect(path)


class SwallowsCancellation(ReferenceDetector):
    async def detect(self, path: Path) -> ImageInfo:
        try:
            return await super().detect(path)
        except asyncio.CancelledError:
            raise DetectorCrashed("cancelled") from None


class KeepsThePlaceOfACancelledCall(ReferenceDetector):
    def __init__(self, options: PluginOptions) -> None:
        super().__init__(options)
        self.places = asyncio.Semaphore(2)

    async def detect(self, path: Path) -> ImageInfo:
        await self.places.acquire()
        try:
            info = await super().detect(path)
        except Exception:
            self.places.release()
            raise
        self.places.release()
        return info


class LeavesATaskWhenCancelled(ReferenceDetector):
    tasks: ClassVar[list[asyncio.Task[object]]] = []

    async def detect(self, path: Path) -> ImageInfo:
        try:
            return await super().detect(path)
        except asyncio.CancelledError:
            self.tasks.append(asyncio.create_task(asyncio.Event().wait()))
            raise
