"""The care that every storage backend needs, third-party ones included, in one wrapper around each.

Key check, deadlines, a limit on concurrency, a check of what is saved and read, the backend's name on every error, and
an observer. Callers hold it as a ``StorageBackend`` and cannot tell.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from typing import Final, Protocol

from plugins.care import care, stamped
from plugins.contracts import ObjectMetadata, StorageBackend, StoredObject
from plugins.errors import ContentMismatch, KeyInvalid, PluginError, PluginFault

_KEY: Final = re.compile(r"[a-z0-9_-][a-z0-9._-]*(?:/[a-z0-9_-][a-z0-9._-]*)*")
_KEY_LENGTH: Final = 255
_HASHED_IN_LOOP: Final = 64 * 1024
"""Bytes that are hashed faster (30 to 150 microseconds) than a thread could be asked to."""


class Observer(Protocol):
    """Told of every call to a backend, for logs and metrics."""

    def observe(self, plugin: str, operation: str, outcome: str, seconds: float) -> None:
        """One call has ended. Must not block or raise.

        Args:
            plugin: name of the backend.
            operation: ``save``, ``open``, ``read`` (one piece), ``release`` (the end of an ``open``), ``delete``,
                ``exists``, ``ping`` or ``close``.
            outcome: ``ok``, ``cancelled``, ``source_failed`` (the stream that was to be saved broke) or an error code.
            seconds: how long it took, waiting for its turn included.
        """
        ...


class GuardedStorage(StorageBackend):
    """A storage backend made safe to call.

    Beyond what ``StorageBackend`` says, every method raises ``DeadlineExceeded`` where the backend does not answer in
    time, and ``PluginFault`` where it raises anything outside ``plugins.errors`` or breaks its contract. ``save``
    raises ``ContentMismatch`` where the bytes are not those announced, before the backend has seen the last of them.
    Every method that takes a key raises ``KeyInvalid`` for one that ``StorageBackend`` does not allow.

    Args:
        backend: the backend. The guard owns it: ``close`` closes it.
        name: its name, stamped on every error.
        deadline: seconds for one operation, for the whole of ``save``, and for each piece of an ``open`` stream.
        max_concurrency: how many operations run at a time; more wait their turn, within their deadline. An open
            stream counts only while the backend reads a piece, so slow readers keep nobody out.
        observer: told of every call, or None.
    """

    def __init__(
        self,
        backend: StorageBackend,
        *,
        name: str,
        deadline: float = 30.0,
        max_concurrency: int = 64,
        observer: Observer | None = None,
    ) -> None:
        self.backend = backend
        self.name = name
        self._deadline = deadline
        self._slots = asyncio.Semaphore(max_concurrency)
        self._observer = observer

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        """See ``StorageBackend.save``."""
        self._check_key(key)
        stream = _CheckedStream(chunks, metadata)
        async with self._call("save", stream), self._slots:
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
        async with self._call("open"), self._slots:
            opened = self.backend.open(key, offset=offset, length=length)
            stored = await opened.__aenter__()
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
        self._check_key(key)
        async with self._call("delete"), self._slots:
            await self.backend.delete(key)

    async def exists(self, key: str) -> bool:
        """See ``StorageBackend.exists``."""
        self._check_key(key)
        async with self._call("exists"), self._slots:
            return await self.backend.exists(key)

    async def ping(self) -> None:
        """See ``StorageBackend.ping``."""
        async with self._call("ping"), self._slots:
            await self.backend.ping()

    async def close(self) -> None:
        """See ``StorageBackend.close``."""
        async with self._call("close"):
            await self.backend.close()

    async def _pieces(self, chunks: AsyncIterator[bytes], count: int) -> AsyncGenerator[bytes, None]:
        rest = count
        while True:
            async with self._call("read"), self._slots:
                chunk = await anext(chunks, None)
                rest -= len(chunk or b"")
                if rest < 0 or (chunk is None and rest):
                    raise ContentMismatch(f"{count - rest} bytes read instead of {count}")
            if chunk is None:
                return
            yield chunk

    async def _release(self, opened: AbstractAsyncContextManager[StoredObject]) -> None:
        async with self._call("release"):
            await opened.__aexit__(None, None, None)

    def _check_key(self, key: str) -> None:
        if len(key) > _KEY_LENGTH or not _KEY.fullmatch(key):
            raise stamped(KeyInvalid(f"not a storage key: {key[: _KEY_LENGTH + 1]!r}"), self.name, "key check")

    @asynccontextmanager
    async def _call(self, operation: str, stream: "_CheckedStream | None" = None) -> AsyncIterator[None]:
        """Around one call to the backend: its deadline, its errors, its observation."""
        outcome = "ok"
        started = time.monotonic()

        def is_the_source_s(error: Exception) -> bool:
            return stream is not None and error is stream.source_error

        try:
            async with care(self.name, operation, self._deadline, unchanged=is_the_source_s):
                yield
        except Exception as error:
            outcome = "source_failed" if is_the_source_s(error) else stamped(error, self.name, operation).code
            raise
        except BaseException:
            outcome = "cancelled"
            raise
        finally:
            if self._observer is not None:
                self._observer.observe(self.name, operation, outcome, time.monotonic() - started)


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
            self._sha256.update(chunk)
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
