"""The common part of the storages in clouds: how an object gets into a bucket and out of it.

A ``Bucket`` makes the exchanges, in functions that block. This module calls them in threads, repeats them, and cleans
up. The order of effects:

- One request creates an object that fits into one piece, and fails if the key is taken. A longer object is sent piece
  by piece, and the last request creates it under the same condition; until then nothing is visible.
- A request whose answer is lost may have created the object nevertheless. So each upload marks its object, and looks
  for its mark before it reports a failure. If even that request fails, the object may exist although ``save`` failed:
  the next attempt then finds it (``ObjectExists``).
- A cancelled call waits for its running request, since only the end of the request shows whether there is an object or
  something to remove. That takes ``connect_timeout`` and ``read_timeout`` at most, or, while a file is sent,
  ``connect_timeout`` for each 16 KiB that a slow server accepts. The guard may abandon the call before that; so the
  requests of an upload take turns, and the removal comes after the running request.
- A body is read from its source only while one of ``threads`` places is free, so concurrent saves hold at most
  ``threads`` pieces. Pieces of a file are never held: requests read the file while they send it.
- Issuers take turns at these places and at the threads.
- An object is read by requests for a few MiB each, all for the same version. So a slow reader holds neither a
  connection nor a thread, and a broken answer is requested again.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple

from ...plugins.capabilities import ListedObject, SupportsFiles, SupportsListing, SupportsSignedUrls
from ...plugins.contracts import ObjectMetadata, StorageBackend, StoredObject
from ...plugins.errors import ContentMismatch, ObjectExists, ObjectNotFound, StorageError, StorageUnavailable
from ...plugins.host.turns import Turns
from ...plugins.host.waits import see
from ..threads import Threads, finished
from .bodies import Body, SourceFile, pieces
from .bucket import MIB, Bucket, Piece, Upload
from .options import CloudOptions

READ_SIZE: Final = 4 * MIB
"""Bytes of one request."""
PAUSE_BASE: Final = 0.2
PAUSE_MAX: Final = 5.0
"""The longest time in seconds between two tries of a request; before that, the base doubles with every try."""

_LOG: Final = logging.getLogger(__name__)
_RANDOM: Final = random.SystemRandom()
_WORTH_ANOTHER_TRY: Final = (StorageUnavailable, ContentMismatch)

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")


class CloudStorage(StorageBackend, SupportsFiles, SupportsListing, SupportsSignedUrls):
    """Keeps objects in a bucket. See ``StorageBackend``; the module docstring has the rest.

    Args:
        options: the common options of all clouds.
        bucket: owned by the storage; ``close`` closes it.
    """

    contract_version = 1

    def __init__(self, options: CloudOptions, bucket: Bucket) -> None:
        self._bucket = bucket
        self._attempts = options.attempts
        self._threads = Threads(options.threads, "lading-cloud-storage")
        self._bodies = Turns(options.threads)
        self._unfinished: set[Upload] = set()
        self._left: set[asyncio.Task[None]] = set()
        """The removals of the uploads of abandoned calls."""
        self._closed = False
        self._closing = asyncio.Lock()

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        """See ``StorageBackend.save``. Also raises ContentMismatch if the bytes have another SHA-256."""
        self._check_open()
        upload = self._bucket.upload(key, metadata)
        async with self._bodies.turn(), aclosing(pieces(chunks, metadata.byte_size, self._bucket.piece_size)) as bodies:
            await self._upload(upload, bodies)

    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        """See ``SupportsFiles.save_file``. Also raises ContentMismatch if the bytes have another SHA-256."""
        self._check_open()
        upload = self._bucket.upload(key, metadata)
        file = SourceFile(path, metadata.byte_size)
        try:
            async with self._bodies.turn():
                self._check_open()
                await self._threads.run(file.open)
                async with aclosing(file.parts(self._bucket.piece_size)) as bodies:
                    await self._upload(upload, bodies)
        finally:
            file.close()

    def make_file(self) -> None:
        """See ``SupportsFiles.make_file``: a cloud has no such files."""

    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        """See ``StorageBackend.open``. If the object is deleted meanwhile, the rest raises ``ObjectNotFound``."""
        count = READ_SIZE if length is None else min(length, READ_SIZE)
        first = await self._ask(self._bucket.read, key, offset, count, None)
        end = first.byte_size if length is None else min(first.byte_size, offset + length)
        stored = first.byte_size
        async with aclosing(self._chunks(key, [first], offset, end)) as chunks:
            del first  # a few MiB, which memory should not keep until the end
            yield StoredObject(stored, chunks)

    async def delete(self, key: str) -> None:
        """See ``StorageBackend.delete``."""
        await self._ask(self._bucket.delete, key)

    async def exists(self, key: str) -> bool:
        """See ``StorageBackend.exists``."""
        try:
            await self._ask(self._bucket.marker, key)
        except ObjectNotFound:
            return False
        return True

    async def ping(self) -> None:
        """See ``StorageBackend.ping``."""
        await self._ask(self._bucket.check)

    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        """See ``SupportsListing.list_objects``."""
        page = await self._ask(self._bucket.page, prefix, None)
        while True:
            for listed in page.objects:
                yield listed
            if page.token is None:
                return
            page = await self._ask(self._bucket.page, prefix, page.token)

    async def signed_url(
        self, key: str, *, expires: timedelta, content_type: str | None = None, content_disposition: str | None = None
    ) -> str:
        """See ``SupportsSignedUrls.signed_url``."""
        seconds = int(expires.total_seconds())
        return await self._ask(self._bucket.sign, key, seconds, content_type, content_disposition)

    async def close(self) -> None:
        """See ``StorageBackend.close``. Waits for the running requests, not for their calls.

        Raises:
            StorageError: everything is closed, but an unfinished upload could not be removed from the bucket.
        """
        self._closed = True
        async with self._closing:
            await self._threads.drain()
            await asyncio.gather(*self._left, return_exceptions=True)
            aborts = [self._tried(_in_turn, upload, upload.abort) for upload in self._unfinished]
            self._unfinished.clear()
            results = await asyncio.gather(*aborts, return_exceptions=True)
            await self._threads.close()
            await asyncio.to_thread(self._bucket.close)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _upload(self, upload: Upload, bodies: AsyncIterator[Body]) -> None:
        """Create the object of bodies in the size of a piece; the last one may be shorter."""
        byte_size = upload.metadata.byte_size
        if byte_size <= self._bucket.piece_size:
            await self._publish(upload, upload.put, await anext(bodies))
            return
        async with self._ending(upload):
            await self._ask(_in_turn, upload, upload.begin)
            sent = 0
            async for body in bodies:
                sent += len(body)
                if sent < byte_size:
                    await self._ask(_in_turn, upload, upload.send, body)
                else:
                    await self._publish(upload, upload.finish, body)

    async def _chunks(self, key: str, first: list[Piece], position: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes from ``position`` to ``end``, of which the list has the first; empties the list."""
        piece = first.pop()
        while position < end:
            if not piece.body:
                raise ContentMismatch(f"the object ends {end - position} bytes early")
            for start in range(0, len(piece.body), MIB):
                self._check_open()
                yield piece.body[start : start + MIB]
            position += len(piece.body)
            piece = replace(piece, body=b"")  # before further pieces come
            if position < end:
                count = min(READ_SIZE, end - position)
                piece = await self._ask(self._bucket.read, key, position, count, piece.version)

    @asynccontextmanager
    async def _ending(self, upload: Upload) -> AsyncIterator[None]:
        """Remove the sent pieces after a failure, unless ``close`` does: ``_unfinished`` has the uploads to remove."""
        self._check_open()
        self._unfinished.add(upload)
        try:
            yield
        except GeneratorExit:  # the guard has abandoned it: nothing can be awaited here any more
            if not self._closed:
                task = asyncio.create_task(self._aborted(upload))
                self._left.add(task)
                task.add_done_callback(self._left.discard)
                task.add_done_callback(see)
            raise
        except BaseException:
            if not self._closed:
                await finished(self._aborted(upload), lambda: None)
            raise
        self._unfinished.discard(upload)

    async def _aborted(self, upload: Upload) -> None:
        try:
            await self._ask(_in_turn, upload, upload.abort)
        except StorageError as error:
            if self._closed:
                return
            _LOG.warning("the unfinished upload of %s could not be removed from the bucket: %s", upload.key, error)
        self._unfinished.discard(upload)

    async def _publish(self, upload: Upload, create: Callable[[Body], None], body: Body) -> None:
        """Create the object. A cancellation prevents it, or comes too late and has no effect.

        A visible object must not be removed: another worker may have found it and may rely on it.
        """
        abandoned = asyncio.Event()
        await finished(self._created(upload, create, body, abandoned), abandoned.set)

    async def _created(
        self, upload: Upload, create: Callable[[Body], None], body: Body, abandoned: asyncio.Event
    ) -> None:
        for attempt in range(1, self._attempts + 1):
            self._check_open()
            try:
                return await self._threads.run(_in_turn, upload, create, body)
            except ObjectExists:
                if attempt > 1 and await self._is_ours(upload):
                    return None
                raise
            except _WORTH_ANOTHER_TRY as error:
                if attempt < self._attempts:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(abandoned.wait(), _pause(attempt, error))
                if attempt == self._attempts or abandoned.is_set():
                    if await self._is_ours(upload):
                        return None
                    raise
        raise AssertionError("there is at least one attempt")

    async def _is_ours(self, upload: Upload) -> bool:
        """Whether the upload has created the object, although its answer denies that or was lost."""
        try:
            if await self._ask(self._bucket.marker, upload.key) != upload.marker:
                return False
            await self._ask(_in_turn, upload, upload.verify)
        except StorageError:
            return False
        return True

    async def _ask(self, function: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
        """Make a request of the bucket, and repeat it if that may help, unless the storage is closed."""
        return await self._tried(function, *arguments, check=self._check_open)

    async def _tried(
        self,
        function: Callable[[*_Arguments], _Result],
        *arguments: *_Arguments,
        check: Callable[[], None] = lambda: None,
    ) -> _Result:
        for attempt in range(1, self._attempts):
            check()
            try:
                return await self._threads.run(function, *arguments)
            except _WORTH_ANOTHER_TRY as error:
                await asyncio.sleep(_pause(attempt, error))
        check()
        return await self._threads.run(function, *arguments)

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("the storage is closed")


def _in_turn(upload: Upload, step: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
    """Make one request of an upload, after its running request. Blocks."""
    with upload.turn:
        return step(*arguments)


def _pause(attempt: int, error: StorageError) -> float:
    """Seconds until the next try: random, so that requests that failed together do not come back together."""
    pause = _RANDOM.uniform(0, min(PAUSE_MAX, PAUSE_BASE * 2**attempt))
    return max(pause, min(PAUSE_MAX, error.retry_after or 0))
