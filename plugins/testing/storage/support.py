"""The base of the storage suite: the harness that an author fills in, and helpers that the cases share."""

import hashlib
from abc import abstractmethod
from collections.abc import AsyncIterator, Collection, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar

from ...contracts import StorageBackend
from ...errors import ObjectNotFound
from ..bodies import MIB, Body
from ..cancellation import attempt
from ..suite import Suite, Told

KEY = "ab/cd/object"


class Trouble(Told):
    """A trouble of the place of the objects; ``told`` says what such a place does."""

    DOWN = "down", "It carries out nothing: nobody listens, or it answers every request that it cannot serve."
    SILENT = "silent", "It accepts every request, and never answers."
    ANSWER_LOST = (
        "answer_lost",
        "It carries out the request that makes an object visible, and the answer to that request is lost.",
    )
    GONE = "gone", "The bucket or the folder is not there: somebody has removed it, or not mounted it."
    DENIED = "denied", "It refuses every request: the credentials have lost their permissions."


class StorageHarness(Suite):
    """The methods that an author defines, and the helpers that the cases use.

    Attributes:
        troubles: the troubles that ``troubled`` can make. The kit skips the cases of the others.
        secrets: what no error, log line or ``repr`` may contain, beside the options that are ``SecretStr``.
        max_key_length: length of the longest key that the cases use; lower it if the harness adds a prefix.
        many: objects that the longest listing writes: more than a page of the storage, and of most services.
    """

    optional: ClassVar[frozenset[str]] = frozenset(
        {"any_prefix", "bounded_memory", "create_only", "nested_keys", *Trouble}
    )
    troubles: Collection[Trouble] = ()
    secrets: Collection[str] = ()
    max_key_length: ClassVar[int] = 255
    many: int = 1100

    @abstractmethod
    def make_backend(self) -> StorageBackend:
        """Make a new backend over the place. The kit calls it inside the running event loop."""

    @abstractmethod
    async def read_raw(self, key: str) -> bytes | None:
        """Return the object under the key, read without the backend, or None if the key has no object."""

    @abstractmethod
    async def write_raw(self, key: str, body: bytes) -> None:
        """Write an object under the key without the backend, in the form that the backend uses."""

    async def leftovers(self) -> Collection[str]:
        """Return everything in the place that is not an object: temporary files, unfinished uploads."""
        return ()

    def troubled(self, trouble: Trouble) -> AbstractAsyncContextManager[None]:
        """Give the place the trouble within the block, and mend it then; see ``Trouble.told``.

        The kit calls it for those in ``troubles``. Objects may be lost with a place that is gone.
        """
        raise NotImplementedError(f"troubles has {trouble}, and troubled() does not make it")

    def make_impatient(self) -> StorageBackend:
        """Make a backend that gives up a request after a few seconds, for a place that never answers."""
        return self.make_backend()

    async def stored_type(self, key: str) -> str | None:
        """Return the media type that the place keeps for the object; None if it keeps none, as a disk does."""
        return None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[StorageBackend]:
        """A backend that is ready; it is closed on exit."""
        backend = self.made(self.make_backend())
        try:
            await backend.ping()
            yield backend
            await self.assert_clean()
        finally:
            await backend.close()

    async def assert_holds(self, backend: StorageBackend, key: str, body: Body) -> None:
        """The object is visible and byte-exact, and comes in pieces of the allowed size."""
        assert await backend.exists(key)
        digest, size = hashlib.sha256(), 0
        async with backend.open(key) as stored:
            assert stored.byte_size == body.size
            async for chunk in stored.chunks:
                assert 0 < len(chunk) <= MIB
                digest.update(chunk)
                size += len(chunk)
        assert (size, digest.hexdigest()) == (body.size, body.sha256)

    async def assert_absent(self, backend: StorageBackend, key: str) -> None:
        """Nothing is visible under the key, with or without the backend, and nothing else was left."""
        assert await self.read_raw(key) is None, f"an object is under {key}"
        exists = await attempt(backend.exists(key))
        assert exists is False, f"exists of a key without an object: {exists!r} instead of False"
        opened = await attempt(read(backend, key))
        assert type(opened) is ObjectNotFound, f"open of a key without an object: {opened!r} instead of ObjectNotFound"
        await self.assert_clean()

    async def assert_clean(self) -> None:
        """The place has nothing but objects."""
        left = await self.leftovers()
        assert not left, (
            f"left behind in the place, as leftovers() of the suite says: {', '.join(sorted(map(str, left)))}."
            " Remove it when a save fails or is cancelled, in whichever step"
        )


async def read(backend: StorageBackend, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
    """The object, or a range of it, in one piece."""
    async with backend.open(key, offset=offset, length=length) as stored:
        chunks = [chunk async for chunk in stored.chunks]
    assert all(0 < len(chunk) <= MIB for chunk in chunks)
    return b"".join(chunks)


def every_call(backend: StorageBackend, key: str) -> Iterator[Coroutine[Any, Any, object]]:
    """One call of every method that takes a key, each made when it is asked for."""
    body = Body(10)
    yield backend.save(key, body.chunks(), body.metadata)
    yield read(backend, key)
    yield backend.exists(key)
    yield backend.delete(key)
