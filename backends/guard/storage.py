"""The care that every storage backend needs, third-party ones included, in one wrapper around each.

Key check, deadlines, a limit on concurrency, a check of what is saved and read, the backend's name on every error, and
an observer. Callers hold it as a ``StorageBackend`` and cannot tell.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from datetime import timedelta
from typing import Final, TypeVar

from ...plugins.capabilities import ListedObject, SupportsListing, SupportsSignedUrls
from ...plugins.contracts import ObjectMetadata, StorageBackend, StoredObject
from ...plugins.errors import ContentMismatch, KeyInvalid, PluginError, PluginFault, StorageError
from ...plugins.host.care import Care
from ...plugins.host.hashing import update_held
from ...plugins.host.observing import Observer, ignore
from ...plugins.host.watch import Watch
from ...plugins.keys import MAX_KEY_LENGTH, is_key

Result = TypeVar("Result")

_HASHED_IN_LOOP: Final = 64 * 1024
"""Bytes that are hashed faster (30 to 150 microseconds) than a thread could be asked to."""


class GuardedStorage(StorageBackend):
    """A storage backend made safe to call.

    Beyond what ``StorageBackend`` says, every method raises ``DeadlineExceeded`` where the backend does not answer in
    time, ``PluginBlocked`` where it blocked the event loop, and ``PluginFault`` where it raises what is no
    ``StorageError`` or breaks its contract. ``save`` raises ``ContentMismatch`` where the bytes are not those that were
    announced, before the backend has seen the last of them. Every method that takes a key raises ``KeyInvalid`` for one
    that ``StorageBackend`` does not allow.

    Args:
        backend: the backend. The guard owns it: ``close`` closes it.
        name: its name, stamped on every error.
        deadline: seconds for one operation, for the whole of ``save``, and for each piece of an ``open`` stream.
        max_concurrency: how many operations run at a time; more wait their turn, within their deadline. An open
            stream counts only while the backend reads a piece, so slow readers keep nobody out.
        observer, watch: see ``lading.plugins.host.care.Care``.
    """

    def __init__(
        self,
        backend: StorageBackend,
        *,
        name: str,
        deadline: float = 30.0,
        max_concurrency: int = 64,
        observer: Observer = ignore,
        watch: Watch | None = None,
    ) -> None:
        self.backend = backend
        self.name = name
        self._deadline = deadline
        self._care = Care("storage", name, StorageError, concurrency=max_concurrency, observer=observer, watch=watch)

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        """See ``StorageBackend.save``."""
        self._check_key(key)
        stream = _CheckedStream(chunks, metadata)

        def is_the_source_s(error: Exception) -> bool:
            return error is stream.source_error

        await self._call("save", lambda: self._save(key, stream, metadata), unchanged=is_the_source_s)

    async def _save(self, key: str, stream: "_CheckedStream", metadata: ObjectMetadata) -> None:
        try:
            await self.backend.save(key, stream, metadata)
        except Exception as error:
            if stream.error is None or error is stream.error:
                raise
            raise stream.error from error  # unchanged, whatever the backend made of it
        if not stream.complete:
            raise PluginFault("save returned although it had not read the whole stream") from stream.error

    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        """See ``StorageBackend.open``. Raises ValueError for a negative offset or length.

        The stream raises ``ContentMismatch`` where it is shorter or longer than the range.
        """
        self._check_key(key)
        if offset < 0 or (length is not None and length < 0):
            raise ValueError(f"negative range: offset {offset}, length {length}")
        opened, stored = await self._call("open", lambda: self._enter(key, offset, length))
        rest = max(0, stored.byte_size - offset)
        count = rest if length is None else min(rest, length)
        try:
            async with aclosing(self._pieces(stored.chunks, count)) as chunks:
                yield StoredObject(stored.byte_size, chunks)
        except BaseException:
            with suppress(PluginError):  # the caller's own error matters more
                await self._release(opened)
            raise
        await self._release(opened)

    async def delete(self, key: str) -> None:
        """See ``StorageBackend.delete``."""
        await self.call("delete", key, lambda: self.backend.delete(key))

    async def exists(self, key: str) -> bool:
        """See ``StorageBackend.exists``."""
        return await self.call("exists", key, lambda: self.backend.exists(key))

    async def ping(self) -> None:
        """See ``StorageBackend.ping``."""
        await self._call("ping", self.backend.ping)

    async def close(self) -> None:
        """See ``StorageBackend.close``."""
        await self._care.call("close", self.backend.close, self._deadline)

    async def call(self, operation: str, key: str | None, begin: Callable[[], Awaitable[Result]]) -> Result:
        """One call to the backend that concerns one object, or none: key check, deadline, turn, errors, observation."""
        if key is not None:
            self._check_key(key)
        return await self._call(operation, begin)

    async def _call(
        self,
        operation: str,
        begin: Callable[[], Awaitable[Result]],
        unchanged: Callable[[Exception], bool] = lambda _error: False,
    ) -> Result:
        return await self._care.call(operation, begin, self._deadline, in_turn=True, unchanged=unchanged)

    async def _enter(
        self, key: str, offset: int, length: int | None
    ) -> tuple[AbstractAsyncContextManager[StoredObject], StoredObject]:
        opened = self.backend.open(key, offset=offset, length=length)
        stored: object = await opened.__aenter__()
        if isinstance(stored, StoredObject):
            return opened, stored
        await opened.__aexit__(None, None, None)
        raise PluginFault(f"open gave {type(stored).__name__}")

    async def _pieces(self, chunks: AsyncIterator[bytes], count: int) -> AsyncGenerator[bytes, None]:
        rest = count

        async def piece() -> bytes | None:
            nonlocal rest
            chunk = await anext(chunks, None)
            rest -= len(chunk or b"")
            if rest < 0 or (chunk is None and rest):
                raise ContentMismatch(f"{count - rest} bytes read instead of {count}")
            return chunk

        while (chunk := await self._call("read", piece)) is not None:
            yield chunk

    async def _release(self, opened: AbstractAsyncContextManager[StoredObject]) -> None:
        await self._care.call("release", lambda: opened.__aexit__(None, None, None), self._deadline)

    def _check_key(self, key: str) -> None:
        if not is_key(key):
            raise self._care.judged(KeyInvalid(f"not a storage key: {key[: MAX_KEY_LENGTH + 1]!r}"), "key check")


class GuardedSigner(SupportsSignedUrls):
    """The signing of URLs made safe to call, with the guard's own care.

    Args:
        guard: around the backend.
        signer: the backend itself.
    """

    def __init__(self, guard: GuardedStorage, signer: SupportsSignedUrls) -> None:
        self._guard = guard
        self._signer = signer

    async def signed_url(
        self, key: str, *, expires: timedelta, content_type: str | None = None, content_disposition: str | None = None
    ) -> str:
        """See ``SupportsSignedUrls.signed_url``."""

        def sign() -> Awaitable[str]:
            return self._signer.signed_url(
                key, expires=expires, content_type=content_type, content_disposition=content_disposition
            )

        return await self._guard.call("signed_url", key, sign)


class GuardedLister(SupportsListing):
    """A listing made safe to call, with the guard's own care for each object. What is no key is not listed.

    Args:
        guard: around the backend.
        lister: the backend itself.
    """

    def __init__(self, guard: GuardedStorage, lister: SupportsListing) -> None:
        self._guard = guard
        self._lister = lister

    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        """See ``SupportsListing.list_objects``."""
        objects: AsyncIterator[ListedObject] | None = None

        async def following() -> ListedObject | None:
            nonlocal objects
            if objects is None:
                objects = self._lister.list_objects(prefix)
            listed: object = await anext(objects, None)
            if listed is None or isinstance(listed, ListedObject):
                return listed
            raise PluginFault(f"list_objects gave {type(listed).__name__}")

        try:
            while (listed := await self._guard.call("list", None, following)) is not None:
                if is_key(listed.key):
                    yield listed
        finally:
            if isinstance(objects, AsyncGenerator):
                with suppress(PluginError):
                    await self._guard.call("release", None, objects.aclose)


def lister_of(guard: GuardedStorage) -> GuardedLister | None:
    """What lists the guarded backend's objects, or None where it cannot."""
    backend = guard.backend
    return GuardedLister(guard, backend) if isinstance(backend, SupportsListing) else None


def signer_of(guard: GuardedStorage) -> SupportsSignedUrls | None:
    """What signs URLs of the guarded backend's objects, or None where it cannot."""
    backend = guard.backend
    return GuardedSigner(guard, backend) if isinstance(backend, SupportsSignedUrls) else None


class _CheckedStream:
    """The stream given to a backend's ``save``: the caller's, counted and hashed as it passes.

    The last piece is held back until the source has ended and the whole is known to be right, so that a backend that
    does not wait for the end of the stream cannot make a wrong object visible either.
    """

    def __init__(self, source: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        self._source = source
        self._metadata = metadata
        self._byte_size = 0
        self._sha256 = hashlib.sha256()
        self.complete = False
        """Whether the whole of the stream was passed on."""
        self.error: Exception | None = None
        """What the stream raised."""
        self.source_error: Exception | None = None
        """The same, where it came from the source."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.complete:
            raise StopAsyncIteration
        try:
            chunk = await self._next()
            if chunk is not None and await self._is_midway(chunk):
                return chunk
            self._compare()
        except Exception as error:
            self.error = error
            raise
        self.complete = True
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def _is_midway(self, chunk: bytes) -> bool:
        """Count a piece; whether more must follow. None may follow the last."""
        if len(chunk) > _HASHED_IN_LOOP:
            await asyncio.to_thread(self._sha256.update, chunk)
        else:
            update_held(self._sha256, chunk)
        self._byte_size += len(chunk)
        if self._byte_size < self._metadata.byte_size:
            return True
        if self._byte_size > self._metadata.byte_size or await self._next() is not None:
            raise ContentMismatch(f"more than {self._metadata.byte_size} bytes")
        return False

    def _compare(self) -> None:
        if self._byte_size != self._metadata.byte_size:
            raise ContentMismatch(f"{self._byte_size} bytes instead of {self._metadata.byte_size}")
        if self._sha256.hexdigest() != self._metadata.sha256:
            raise ContentMismatch(f"sha256 {self._sha256.hexdigest()} instead of {self._metadata.sha256}")

    async def _next(self) -> bytes | None:
        """The source's next piece that is not empty, or None at its end."""
        try:
            async for chunk in self._source:
                if chunk:
                    return chunk
        except Exception as error:
            self.source_error = error
            raise
        return None
