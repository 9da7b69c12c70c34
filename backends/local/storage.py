"""Storage on a local disk, or on any filesystem that is mounted: the embedded default.

For the operator:

- An object lies at ``<path>/<key>``; files are made with mode 0640 and folders with 0750, both narrowed by the umask.
- Files that are being written lie in ``<path>/.incoming``. The next start removes leftovers of killed processes from
  there, and leaves the files of live processes alone, so several processes may share one path.
- A save ends when its bytes are on the disk (fsync). If the disk hangs, a call cannot be interrupted: it ends when the
  disk answers.
- The filesystem must offer hard links or, as FAT does on Linux, a rename that does not replace. It must honour flock
  among the processes that share it.
- Each process that runs imports starts another process of some 10 MB to save small images (``saver``), and a second
  process if the mirror is local as well. It starts with the first save and ends with the service.
- Folders stay when their last object is deleted. Lading never follows a symbolic link below the path.

``transfers`` explains the order of effects; this module calls into threads, and releases what is open.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar, TypeVarTuple

from aiofiles.threadpool import wrap
from pydantic import Field

from ...plugins.capabilities import ListedObject, SupportsFiles, SupportsListing
from ...plugins.contracts import ObjectMetadata, StorageBackend, StoredObject
from ...plugins.errors import ContentMismatch, StorageUnavailable
from ...plugins.host.children import absolute_path
from ...plugins.host.waits import see, until_done
from ...plugins.options import PathOption, PluginOptions
from .files import LockedFile, UnnamedFile, identity_of, probe
from .listing import Listing
from .saver import Saver
from .transfers import Deletion, Reading, Upload
from .tree import Tree, storage_error

PIECE: Final = 1024 * 1024
"""Bytes that are gathered before each write, and read at a time: with 64 KiB, calls into threads cost more than the
disk.
"""

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")


class LocalStorageOptions(PluginOptions):
    """Options of ``LocalStorage``."""

    path: PathOption = Field(
        default=Path("lading-data/images"),
        description="Folder of the images. Lading creates it.",
    )
    threads: int = Field(default=8, ge=1, le=64, description="File operations that run at once.")


class LocalStorage(StorageBackend, SupportsFiles, SupportsListing):
    """Keeps objects as files. See ``StorageBackend``; the module docstring has the rest."""

    contract_version = 1
    Options: ClassVar[type[PluginOptions]] = LocalStorageOptions

    def __init__(self, options: PluginOptions) -> None:
        if not isinstance(options, LocalStorageOptions):
            raise TypeError(f"LocalStorageOptions expected, not {type(options).__name__}")
        self._tree = Tree(options.path.absolute())
        self._prepared = False
        self._executor = ThreadPoolExecutor(options.threads, thread_name_prefix="lading-local-storage")
        self._saver = Saver(self._tree.root, options.threads)
        self._jobs: set[asyncio.Future[Any]] = set()
        self._held: set[Upload | Reading | Listing] = set()
        self._closed = False
        self._closing = asyncio.Lock()

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        """See ``StorageBackend.save``.

        A body of less than ``PIECE`` bytes costs one call into a thread; a longer body is written as it comes.
        """
        upload = Upload(self._tree, key, metadata.byte_size)
        async with self._holding(upload), aclosing(_gathered(chunks, metadata.byte_size)) as pieces:
            first = await anext(pieces, bytearray())
            if len(first) < PIECE:
                await self._publish(upload, upload.save, first)
                return
            self._check_open()
            await self._finish(self._start(upload.begin), on_cancel=upload.abandon)
            file = self._wrap(upload.file)
            await self._call(file.write, first)
            async for piece in pieces:
                await self._call(file.write, piece)
            await self._publish(upload, upload.publish)

    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        """See ``SupportsFiles.save_file``. A process of its own saves a small file, see ``saver``."""
        upload = Upload(self._tree, key, metadata.byte_size)
        if metadata.byte_size >= PIECE:
            await self._publish(upload, upload.save_file, path)
            return
        self._check_open()
        try:
            identity = identity_of(path)
        except OSError as error:
            raise storage_error(error) from error
        job = await self._saver.submit(key, absolute_path(path), identity, metadata.byte_size)
        try:
            await self._finish(job)
        except asyncio.CancelledError:
            if job.exception() is not None:
                raise  # the cancellation came in time, or at least nothing was saved

    def make_file(self) -> int | None:
        """See ``SupportsFiles.make_file``."""
        try:
            return UnnamedFile.descriptor(self._tree.incoming)
        except OSError:
            return None

    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        """See ``StorageBackend.open``. A reader can read a deleted object to its end."""
        reading = Reading(self._tree, key, offset, length)
        async with self._holding(reading):
            await self._run(reading.begin)
            async with aclosing(self._pieces(reading)) as chunks:
                yield StoredObject(reading.byte_size, chunks)

    async def delete(self, key: str) -> None:
        """See ``StorageBackend.delete``."""
        self._check_open()
        deletion = Deletion(self._tree, key)
        await self._finish(self._start(deletion.run), on_cancel=deletion.abandon)

    async def exists(self, key: str) -> bool:
        """See ``StorageBackend.exists``."""
        return await self._run(self._tree.exists, key)

    async def ping(self) -> None:
        """See ``StorageBackend.ping``. The first call prepares the folder; each call writes a byte and removes it."""
        if not self._prepared:
            await self._run(self._tree.prepare)
            self._prepared = True
        await self._run(probe, self._tree)

    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        """See ``SupportsListing.list_objects``. The time is that of the last write, by the filesystem."""
        listing = Listing(self._tree, prefix)
        async with self._holding(listing):
            while batch := await self._run(listing.next_batch):
                for listed in batch:
                    self._check_open()
                    yield listed

    async def close(self) -> None:
        """See ``StorageBackend.close``. Waits for the running file operations, not for their calls.

        This removes the temporary file of a save that waits for its source; the save ends when its source continues.
        """
        self._closed = True
        async with self._closing:
            while self._jobs:
                await asyncio.wait(tuple(self._jobs))
            while self._held:
                held = self._held.pop()
                await self._finish(self._start(held.release))
            await self._saver.close()
            await asyncio.to_thread(self._executor.shutdown)

    async def _pieces(self, reading: Reading) -> AsyncGenerator[bytes, None]:
        file = self._wrap(reading.file)
        rest = reading.count
        while rest:
            piece: bytes = await self._call(file.read, min(rest, PIECE))
            if not piece:
                raise ContentMismatch(f"the file ends {rest} bytes early")
            rest -= len(piece)
            yield piece

    @asynccontextmanager
    async def _holding(self, resource: Upload | Reading | Listing) -> AsyncIterator[None]:
        """Release the resource on exit, unless ``close`` does: ``_held`` has every resource that is still to be
        released.
        """
        self._check_open()
        self._held.add(resource)
        try:
            yield
        finally:
            if not self._closed:
                try:
                    if resource.file is not None:
                        await self._finish(self._start(resource.release))
                finally:
                    self._held.discard(resource)

    async def _publish(self, upload: Upload, function: Callable[[*_Arguments], None], *arguments: *_Arguments) -> None:
        """Run the function that publishes. A cancellation prevents it, or comes too late and has no effect.

        A visible object must not be removed: another worker may have found it and may rely on it.
        """
        self._check_open()
        job = self._start(function, *arguments)
        try:
            await self._finish(job, on_cancel=upload.abandon)
        except asyncio.CancelledError:
            if not upload.published:
                raise

    async def _run(self, function: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
        """Run a function in a thread."""
        self._check_open()
        return await self._finish(self._start(function, *arguments))

    def _wrap(self, file: LockedFile | None) -> Any:
        """The file through aiofiles, with Lading's own threads."""
        self._check_open()
        return wrap(file, executor=self._executor)

    async def _call(self, function: Callable[[*_Arguments], Awaitable[_Result]], *arguments: *_Arguments) -> _Result:
        """Call a method of an aiofiles file. After a cancellation its thread continues; the release of the file waits
        for it.
        """
        self._check_open()
        try:
            return await function(*arguments)
        except OSError as error:
            raise storage_error(error) from error
        except ValueError:
            self._check_open()  # ``close`` has closed the file
            raise

    def _start(self, function: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> asyncio.Future[_Result]:
        return asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    async def _finish(self, job: asyncio.Future[_Result], on_cancel: Callable[[], object] = lambda: None) -> _Result:
        """Wait for the end of the job, even when cancelled, since only its end shows what it left behind."""
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        job.add_done_callback(see)
        cancelled = await until_done(job, on_cancel)
        error = job.exception()
        if cancelled:
            raise asyncio.CancelledError
        if isinstance(error, OSError):
            raise storage_error(error) from error
        return job.result()

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("the storage is closed")


async def _gathered(chunks: AsyncIterator[bytes], byte_size: int) -> AsyncGenerator[bytearray, None]:
    """The stream in pieces of ``PIECE`` bytes or a little more; the last may be shorter.

    Raises:
        ContentMismatch: there are more than ``byte_size`` bytes. An endless stream is left at this point.
    """
    total = 0
    piece = bytearray()
    async for chunk in chunks:
        total += len(chunk)
        if total > byte_size:
            raise ContentMismatch(f"more than {byte_size} bytes")
        piece += chunk
        if len(piece) >= PIECE:
            yield piece
            piece = bytearray()
    if piece:
        yield piece
