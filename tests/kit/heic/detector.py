"""Recognises HEIC by ``pillow-heif``, in a process for each file that begins as one."""

import asyncio
import json
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final

from pydantic import Field

from lading.plugins import ImageInfo, PluginOptions, TypeDetector
from lading.plugins.errors import (
    DetectorCrashed,
    DetectorStalled,
    ImageCorrupt,
    ImageTooComplex,
    NotAnImage,
    TooManyPixels,
)

BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis"})
"""ISO/IEC 23008-12 annex B.4."""


class HeicOptions(PluginOptions):
    pixels: int = Field(100_000_000, ge=1, description="Most pixels of all frames together.")
    seconds: float = Field(10, gt=0, description="Seconds of CPU time that a file may take.")
    memory: int = Field(1024**3, ge=1, description="Bytes of memory that decoding a file may take.")


class Child:
    """A process for one file. It may be ended from another thread, also before it has begun."""

    command: ClassVar[tuple[str, ...]] = (sys.executable, "-I", str(Path(__file__).with_name("child.py")))

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_ended = False
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, source: BinaryIO, limits: HeicOptions) -> tuple[int, bytes]:
        """Its return code and what it printed. Blocks."""
        with self.lock:
            if self.is_ended:
                raise DetectorStalled("the call has ended")
            command = (*self.command, *map(str, self.arguments(source, limits)))
            self.process = subprocess.Popen(
                command, stdin=self.given(source), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        with self.process as process:
            printed, _ = process.communicate()
        return process.returncode, printed

    def arguments(self, source: BinaryIO, limits: HeicOptions) -> tuple[object, ...]:
        return limits.seconds, limits.memory, limits.pixels

    def given(self, source: BinaryIO) -> BinaryIO:
        return source

    def end(self) -> None:
        with self.lock:
            self.is_ended = True
            if self.process is not None:
                self.process.kill()


class HeicDetector(TypeDetector):
    contract_version = 1
    Options = HeicOptions
    child: ClassVar[type[Child]] = Child

    def __init__(self, options: PluginOptions) -> None:
        assert isinstance(options, HeicOptions)
        super().__init__(options)
        self.limits = options
        self.is_closed = False
        self.running: dict[asyncio.Task[ImageInfo], Child] = {}

    async def detect(self, path: Path) -> ImageInfo:
        self.check_open()
        child = self.child()
        task = asyncio.create_task(asyncio.to_thread(self.read, path, child))
        self.running[task] = child
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await self.let_go(task, child)
            raise
        finally:
            self.running.pop(task, None)

    async def let_go(self, task: "asyncio.Task[ImageInfo]", child: Child) -> None:
        child.end()
        await _ended(task)

    async def close(self) -> None:
        self.is_closed = True
        for task, child in tuple(self.running.items()):
            child.end()
            await asyncio.wait((task,))

    def check_open(self) -> None:
        if self.is_closed:
            raise DetectorCrashed("the detector is closed")

    # --- in a thread --------------------------------------------------------------------------------------------------

    def read(self, path: Path, child: Child) -> ImageInfo:
        try:
            # Without a buffer, so that the child, which shares the position, begins where it is set to.
            with path.open("rb", buffering=0) as file:
                self.check_begins(path, file)
                file.seek(0)
                return self.understood(*child.run(file, self.limits))
        except OSError as error:
            raise self.unreadable(path, error) from error

    def check_begins(self, path: Path, file: BinaryIO) -> None:
        """It is a HEIC file, and all of its boxes are there (ISO/IEC 14496-12 sections 4.2 and 4.3)."""
        head = file.read(256)
        if head[4:8] != b"ftyp" or not self.is_known(head):
            raise NotAnImage
        self.check_boxes(file)

    def check_boxes(self, file: BinaryIO) -> None:
        end, at = file.seek(0, 2), 0
        while at < end:
            file.seek(at)
            begin = file.read(16)
            if len(begin) < 8 or not begin[4:8].isalnum():
                raise ImageCorrupt("something follows the boxes")
            (size,) = struct.unpack(">I", begin[:4])
            if size == 1 and len(begin) == 16:
                (size,) = struct.unpack(">Q", begin[8:])
            at += size or end - at
            if size in range(1, 8) or at > end:
                raise ImageCorrupt("a box is cut off")

    def is_known(self, head: bytes) -> bool:
        size = min(int.from_bytes(head[:4], "big"), len(head))
        return bool(BRANDS & {head[at : at + 4] for at in (8, *range(16, size - 3, 4))})

    def understood(self, code: int, printed: bytes) -> ImageInfo:
        if code == -signal.SIGPROF:
            raise ImageTooComplex(resource="CPU time")
        if code:
            raise DetectorCrashed(f"the child ends with {code}")
        told = json.loads(printed)
        match told.get("error"):
            case None:
                return self.info(told)
            case "pixels":
                raise TooManyPixels(limit=self.limits.pixels)
            case "memory":
                raise ImageTooComplex(resource="memory")
            case _:
                raise ImageCorrupt(told["text"])

    def info(self, told: dict[str, Any]) -> ImageInfo:
        return ImageInfo("HEIC", "image/heic", told["width"], told["height"], frames=told["frames"])

    def unreadable(self, path: Path, error: OSError) -> Exception:
        return DetectorCrashed(f"the file cannot be read: {error.strerror}")


async def _ended(task: "asyncio.Task[Any]") -> None:
    """Wait for the end of the task, whoever cancels."""
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            continue
    if not task.cancelled():
        task.exception()
