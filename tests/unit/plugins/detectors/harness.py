"""A real detector with real children, and a look at what it leaves in the system."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.contracts import ImageInfo
from lading.plugins.detectors.pillow.detector import PillowDetector, PillowOptions
from lading.plugins.errors import DetectError

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


OTHERS = (b"lading.plugins.testing", b"command_server")


def children(parent: int | None = None) -> set[int]:
    """Process ids of the decoding children of a process (this one by default), zombies included.

    Others' children are told by their command: the test run may have a database and servers of its own.
    """
    parent = parent or os.getpid()
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
            fields = rest.split()
            command = (stat.parent / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        is_other = name.endswith("(mongod") or any(other in command for other in OTHERS)
        if int(fields[1]) == parent and not is_other:
            found.add(int(stat.parent.name))
    return found


def open_files() -> int:
    """How many file descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def exists(pid: int) -> bool:
    """Whether there is such a process, if only as a zombie."""
    return Path(f"/proc/{pid}").exists()


async def until_gone(pid: int) -> None:
    """Wait until there is no such process, not even a zombie."""
    while exists(pid):
        await asyncio.sleep(0.01)


class Harness:
    """A detector and a folder for its files."""

    def __init__(self, detector: PillowDetector, folder: Path) -> None:
        self.detector = detector
        self._folder = folder
        self._files = 0

    def file(self, data: bytes, name: bytes = b"image") -> Path:
        self._files += 1
        path = Path(os.fsdecode(bytes(self._folder) + b"/%d-%b" % (self._files, name)))
        path.write_bytes(data)
        return path

    async def detect(self, data: bytes) -> ImageInfo:
        path = self.file(data)
        try:
            return await self.detector.detect(path)
        finally:
            path.unlink()

    async def refusal(self, data: bytes) -> DetectError:
        with pytest.raises(DetectError) as caught:
            await self.detect(data)
        return caught.value

    @asynccontextmanager
    async def held(self) -> AsyncIterator[tuple["asyncio.Task[ImageInfo]", int]]:
        """A call whose child is reading a file that does not end: the call, and the descriptor that feeds the file."""
        self._files += 1
        fifo = self._folder / f"fifo{self._files}"
        os.mkfifo(fifo)
        task = asyncio.create_task(self.detector.detect(fifo))
        feed = await reader_of(fifo)
        try:
            yield task, feed
        finally:
            os.close(feed)
            task.cancel()
            await asyncio.wait([task])
            fifo.unlink()


async def reader_of(fifo: Path) -> int:
    """Wait until somebody reads the named pipe, and give the file descriptor of its other end."""
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running(folder: Path, **options: Any) -> AsyncIterator[Harness]:
    """A detector with these options (the others have their defaults), closed at the end; nothing of it stays."""
    before = children()
    detector = PillowDetector(PillowOptions(**options))
    try:
        yield Harness(detector, folder)
    finally:
        await detector.close()
    assert children() == before
