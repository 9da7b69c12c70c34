"""Spools: they keep an import's bytes between fetcher, detector and storage.

A spool begins in memory and continues in a temporary file. Either way it can be opened by a path, which the detector's
child process gets. On Linux neither has a name on disk (memfd_create(2), O_TMPFILE), so that even a killed process
leaves nothing behind.
"""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ...plugins.host.hashing import update_held
from ...plugins.host.waits import to_its_end
from ..observe.outages import Outage
from .free_space import free_bytes
from .pieces import Gathered
from .unnamed import MakesFile, MemoryFile, disk_file, memory_file, path_of, write

CHUNK_BYTES = 1024 * 1024
SMALL_BYTES = 128 * 1024


class Spool:
    """The bytes of one import: written once, with ``fill`` or piece by piece, then read as often as needed.

    Attributes:
        byte_size: the number of written bytes.
        sha256: lower-case hexadecimal SHA-256 of the bytes, once they are complete.
    """

    sha256 = hashlib.sha256().hexdigest()

    def __init__(self, spools: "Spools") -> None:
        self.byte_size = 0
        self._spools = spools
        self._executor = spools.executor
        self._digest = hashlib.sha256()
        self._gathered = Gathered()
        self._written_at: int | None = None
        self._file: IO[bytes] | MemoryFile | None = None
        self._path: Path | None = None
        self._in_memory = True
        self._is_writing = False
        self._is_closed = False
        self._small: bytes | None = None
        """The bytes of a small spool, kept in memory too, since reading them back from its file would cost more."""

    @property
    def path(self) -> Path:
        """A path that opens the bytes for reading, in this process or a child of the same user."""
        if self._file is None:
            raise ValueError("the spool was not filled")
        if self._path is None:
            self._path = path_of(self._file)
        return self._path

    async def fill(self, chunks: AsyncIterator[bytes]) -> None:
        """Write all of ``chunks``. Writes to disk happen in the executor, about ``memory_bytes`` at a time.

        Raises:
            OSError: the temporary folder cannot be written.
        """
        async for chunk in chunks:
            await self.write(chunk)
        await self.complete()

    async def write(self, chunk: bytes) -> None:
        """Add bytes piece by piece, instead of ``fill``; call ``complete`` after the last.

        Raises:
            OSError: see ``fill``.
        """
        self.byte_size += len(chunk)
        self._gathered.add(chunk)
        if self._gathered.byte_size > self._spools.memory_bytes:
            await self._flush_to_disk()

    async def complete(self) -> None:
        """Complete the spool; the bytes can be read from now on.

        Raises:
            OSError: see ``fill``.
        """
        if self._in_memory:
            self._file = memory_file(self._spools.directory)
            content = self._gathered.take()
            if len(content) <= SMALL_BYTES:
                self._small = content
                update_held(self._digest, content)
            else:
                self._digest.update(content)
            write(self._file, [content])
            if isinstance(self._file, MemoryFile):
                self._file.seal()
        elif self._gathered.byte_size:
            await self._flush_to_disk()
        self.sha256 = self._digest.hexdigest()
        self._written_at = self._changed_at()

    def check_unchanged(self) -> None:
        """Check that the path still has the written bytes, which other processes read too.

        Raises:
            OSError: somebody has written into the file.
        """
        if self._changed_at() != self._written_at:
            raise OSError("the bytes of a spool were changed")

    async def check_bytes(self) -> None:
        """As ``check_unchanged``, and reads the bytes again: the time of a change may be hidden, or too coarse.

        Raises:
            OSError: somebody has written into the file, or it cannot be read.
        """
        if self._file is None or isinstance(self._file, MemoryFile):
            return  # sealed
        self.check_unchanged()
        digest = hashlib.sha256()
        async for piece in self.chunks():
            digest.update(piece)
        if digest.digest() != self._digest.digest():
            raise OSError("the bytes of a spool were changed")

    def _changed_at(self) -> int | None:
        """When bytes on disk were last changed, in nanoseconds; None for bytes in memory, which nobody can change."""
        if self._file is None or isinstance(self._file, MemoryFile):
            return None
        return os.fstat(self._file.fileno()).st_mtime_ns

    async def adopt(self, path: Path) -> None:
        """Use the bytes of a file, which stays in its place and must not change, instead of written bytes.

        Raises:
            OSError: it cannot be read.
        """
        self._file = path.open("rb", buffering=0)
        self._in_memory = False
        loop, descriptor = asyncio.get_running_loop(), self._file.fileno()
        while True:
            piece = await loop.run_in_executor(self._executor, os.pread, descriptor, CHUNK_BYTES, self.byte_size)
            if not piece:
                break
            self._digest.update(piece)
            self.byte_size += len(piece)
        self.sha256 = self._digest.hexdigest()
        self._written_at = self._changed_at()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, in order, in pieces of at most 1 MiB. May be called again."""
        if self._file is None:
            raise ValueError("the spool was not filled")
        if self._small is not None:
            if self._small:
                yield self._small
            return
        descriptor = self._file.fileno()
        for offset in range(0, self.byte_size, CHUNK_BYTES):
            if self._in_memory:
                yield os.pread(descriptor, CHUNK_BYTES, offset)
            else:
                loop = asyncio.get_running_loop()
                yield await loop.run_in_executor(self._executor, os.pread, descriptor, CHUNK_BYTES, offset)

    def close(self) -> None:
        """Free the memory or the file; once no thread writes the file any more. May be called twice."""
        self._is_closed = True
        if self._is_writing:
            return
        self._gathered = Gathered()
        self._small = None
        if self._file is not None:
            self._file.close()
            self._file = self._path = None

    async def _flush_to_disk(self) -> None:
        """Move the gathered bytes to the temporary file.

        A thread cannot be interrupted, and the file must stay open while a thread writes it: its descriptor could be
        another file's by then. So this ends when the thread has ended, however often it is cancelled.
        """
        self._is_writing = True
        try:
            await self._flushed()
        finally:
            self._is_writing = False
            if self._is_closed:  # meanwhile, since the client has gone or its import was cancelled
                self.close()

    async def _flushed(self) -> None:
        work = asyncio.get_running_loop().run_in_executor(self._executor, self._flush)
        try:
            await to_its_end(work)
        except OSError as error:
            self._spools.outage.failed(str(error))
            raise
        self._spools.outage.worked()

    def _flush(self) -> None:
        if self._file is None:
            self._in_memory = False
            self._file = self._spools.disk_file()
        # Without joining them, which would keep the interpreter's lock from the event loop.
        pieces = self._gathered.take_pieces()
        for piece in pieces:
            self._digest.update(piece)
        write(self._file, pieces)


@dataclass(frozen=True, slots=True)
class Spools:
    """Makes spools.

    Attributes:
        memory_bytes: bytes that one spool keeps in memory before it goes to disk.
        directory: folder of the temporary files; None for the system's.
        executor: writes and reads the disk; bounded, owned by the caller.
        make_file: makes a temporary file outside of ``directory``, see ``SupportsFiles.make_file``.
        outage: the state of the disk, as writing spools see it.
    """

    memory_bytes: int
    directory: Path | None
    executor: Executor
    make_file: MakesFile | None = None
    outage: Outage = field(default_factory=lambda: Outage("the folder for spools"))

    @contextlib.contextmanager
    def open(self) -> Iterator[Spool]:
        """An empty spool that is closed on exit."""
        spool = Spool(self)
        try:
            yield spool
        finally:
            spool.close()

    @contextlib.asynccontextmanager
    async def scratch(self) -> AsyncIterator[IO[bytes]]:
        """An empty temporary file on disk, for whoever gets its ``path_of``; it is gone on exit.

        Raises:
            OSError: the folder cannot be written.
        """
        work = asyncio.get_running_loop().run_in_executor(self.executor, self.disk_file)
        try:
            file = await asyncio.shield(work)
        except asyncio.CancelledError:
            work.add_done_callback(_close_made)
            raise
        with file:
            yield file

    def disk_file(self) -> IO[bytes]:
        """An empty temporary file on disk. Blocks.

        Raises:
            OSError: the folder cannot be written.
        """
        return disk_file(self.directory, self.make_file)

    def free_bytes(self) -> int:
        """The room on the disk of the spools. Blocks.

        Raises:
            OSError: the disk has no room for a spool, or cannot be written.
        """
        with self.disk_file() as file:
            return free_bytes(file)

    async def ping(self) -> None:
        """Check that the disk has room for a spool.

        Raises:
            OSError: see ``free_bytes``.
        """
        await asyncio.get_running_loop().run_in_executor(self.executor, self.free_bytes)


def _close_made(work: "asyncio.Future[IO[bytes]]") -> None:
    """Close a file whose user has gone before it was made."""
    if not work.cancelled() and work.exception() is None:
        work.result().close()
