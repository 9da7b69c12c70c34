"""The guard of storages: the rules of the contract that a backend, a third party's too, might break.

That is, keys, ranges, and the bytes that are saved and read. ``lading.plugins.host.calls`` makes every call, with its
deadline, turn and record, and with the backend's name on every error. The guard is itself a ``StorageBackend``.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from typing import TypeVar

from ...plugins.contracts import ObjectMetadata, StorageBackend, StoredObject
from ...plugins.errors import ContentMismatch, KeyInvalid, PluginError, PluginFault, StorageError
from ...plugins.host.calls import Caller
from ...plugins.host.record import Observer, ignore
from ...plugins.host.watch import Watch
from ...plugins.keys import MAX_KEY_LENGTH, is_key
from .checked_stream import CheckedStream

Result = TypeVar("Result")


class GuardedStorage(StorageBackend):
    """A storage backend made safe to call.

    In addition to the errors of ``StorageBackend``, every method raises ``DeadlineExceeded`` if the backend does not
    answer in time, ``PluginBlocked`` if it blocked the event loop, and ``PluginFault`` if it raises anything but a
    ``StorageError`` or breaks its contract. ``save`` raises ``ContentMismatch`` for other bytes than announced, before
    the backend has got the last of them. Every method with a key raises ``KeyInvalid`` for a key that
    ``StorageBackend`` does not allow.

    Args:
        backend: the backend. The guard owns it: ``close`` closes it.
        name: its name, which each of its errors carries.
        deadline: seconds for one operation, for the whole of ``save``, and for each piece of an ``open`` stream.
        max_concurrency: the largest number of concurrent operations; further ones wait for their turn, within their
            deadline. An open stream counts only while the backend reads a piece, so slow readers keep nobody out.
        observer, watch: see ``lading.plugins.host.calls.Caller``.
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
        self._caller = Caller(
            "storage", name, StorageError, concurrency=max_concurrency, observer=observer, watch=watch
        )

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        """See ``StorageBackend.save``."""
        self._check_key(key)
        stream = CheckedStream(chunks, metadata)

        def is_the_source_s(error: Exception) -> bool:
            return error is stream.source_error

        await self.call("save", lambda: self._save(key, stream, metadata), unchanged=is_the_source_s)

    async def _save(self, key: str, stream: CheckedStream, metadata: ObjectMetadata) -> None:
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

        The stream raises ``ContentMismatch`` if it is shorter or longer than the range.
        """
        self._check_key(key)
        if offset < 0 or (length is not None and length < 0):
            raise ValueError(f"negative range: offset {offset}, length {length}")
        opened, stored = await self.call("open", lambda: self._enter(key, offset, length))
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
        await self.call("delete", lambda: self.backend.delete(key), key=key)

    async def exists(self, key: str) -> bool:
        """See ``StorageBackend.exists``."""
        return await self.call("exists", lambda: self.backend.exists(key), key=key)

    async def ping(self) -> None:
        """See ``StorageBackend.ping``."""
        await self.call("ping", self.backend.ping)

    async def close(self) -> None:
        """See ``StorageBackend.close``."""
        await self._caller.call("close", self.backend.close, self._deadline)

    def call(
        self,
        operation: str,
        begin: Callable[[], Awaitable[Result]],
        *,
        key: str | None = None,
        unchanged: Callable[[Exception], bool] = lambda _error: False,
    ) -> Awaitable[Result]:
        """Make one call to the backend, and await it: key check, deadline, turn, errors, record.

        Args:
            operation: the name of the call, for logs.
            begin: makes the call.
            key: of the object, if the call concerns one.
            unchanged: recognises the errors that pass as they are.
        """
        if key is not None:
            self._check_key(key)
        return self._caller.call(operation, begin, self._deadline, in_turn=True, unchanged=unchanged)

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

        while (chunk := await self.call("read", piece)) is not None:
            yield chunk

    async def _release(self, opened: AbstractAsyncContextManager[StoredObject]) -> None:
        await self._caller.call("release", lambda: opened.__aexit__(None, None, None), self._deadline)

    def _check_key(self, key: str) -> None:
        if not is_key(key):
            raise self._caller.stamp.judged(
                KeyInvalid(f"not a storage key: {key[: MAX_KEY_LENGTH + 1]!r}"), "key check"
            )
