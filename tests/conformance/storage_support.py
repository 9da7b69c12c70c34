"""What the storage suite is made of: the harness, generated bodies, cancellation at a chosen point, a leak check."""

import asyncio
import hashlib
import random
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Generator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from plugins.contracts import ObjectMetadata, StorageBackend
from plugins.errors import ObjectNotFound, PluginError

KIB = 1024
MIB = 1024 * KIB

KEY = "ab/cd/object"

_PERIOD = 65_521
SETTLE_SECONDS = 5.0
_Result = TypeVar("_Result")


class Body:
    """Bytes that are generated where they are needed, so that a large body is never whole in memory.

    They repeat with a prime period: a piece that is lost, doubled or moved changes them.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self._pattern = random.Random(seed).randbytes(_PERIOD) * (2 + MIB // _PERIOD)

    def part(self, offset: int, length: int) -> bytes:
        """Up to 1 MiB of it, from ``offset``."""
        assert length <= MIB
        start = offset % _PERIOD
        return self._pattern[start : start + max(0, min(length, self.size - offset))]

    def whole(self) -> bytes:
        """All of it; for small bodies."""
        return b"".join(self.part(offset, MIB) for offset in range(0, self.size, MIB))

    def chunks(self, size: int = 64 * KIB) -> AsyncIterator[bytes]:
        """All of it as a stream of pieces of that size."""
        return Stream(self.part(offset, size) for offset in range(0, self.size, size))

    @cached_property
    def sha256(self) -> str:
        """Its SHA-256 in lower-case hexadecimal."""
        digest = hashlib.sha256()
        for offset in range(0, self.size, MIB):
            digest.update(self.part(offset, MIB))
        return digest.hexdigest()

    @property
    def metadata(self) -> ObjectMetadata:
        """What a caller of ``save`` announces."""
        return ObjectMetadata(self.size, self.sha256, "image/jpeg", "image.jpg", "f60ae96b-2681-4885-8437-356e9fae9f6e")


class Stream(AsyncIterator[bytes]):
    """The pieces as a stream, with a chance for other tasks before each.

    It may be left at any point: unlike an async generator it has nothing to close.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)

    async def __anext__(self) -> bytes:
        await asyncio.sleep(0)
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


class CancelAt:
    """Runs a coroutine in a task of its own and cancels it at its ``nth`` suspension, counted from 1."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], nth: int) -> None:
        self._coroutine = coroutine
        self._nth = nth
        self.reached = False

    async def run(self) -> asyncio.Task[None]:
        """Run it; the task it ran in, which is done."""
        task = asyncio.create_task(self._drive())
        await asyncio.wait((task,))
        return task

    async def _drive(self) -> None:
        await self

    def __await__(self) -> Generator[Any, Any, None]:
        inner = self._coroutine.__await__()
        resume: Callable[[], Any] = inner.__next__
        count = 0
        while True:
            try:
                awaited = resume()
            except StopIteration:
                return
            count += 1
            if count == self._nth:
                self.reached = True
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                yield awaited
            except BaseException as error:  # noqa: BLE001 - what the task is told, the coroutine is told
                resume = _thrower(inner, error)
            else:
                resume = inner.__next__


def _thrower(inner: Generator[Any, Any, object], error: BaseException) -> Callable[[], Any]:
    return lambda: inner.throw(error)


async def attempt(coroutine: Coroutine[Any, Any, _Result]) -> _Result | Exception:
    """The coroutine's result, or what it raised."""
    try:
        return await coroutine
    except Exception as error:  # noqa: BLE001 - the caller judges it
        return error


def _descriptors() -> set[tuple[str, str]]:
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor of the listing itself
            found.add((link.name, str(link.readlink())))
    return found


def _threads() -> set[threading.Thread]:
    # Threads of the loop's own default executor stay until the loop is closed.
    return {thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}


@asynccontextmanager
async def no_leaks() -> AsyncIterator[None]:
    """Fail if tasks, threads or file descriptors are left that were not there before.

    They are waited for, up to a limit: a closed connection takes a few rounds of the loop to be gone.
    """
    descriptors, tasks, threads = _descriptors(), asyncio.all_tasks(), _threads()
    yield
    deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
    while leaks := (_descriptors() - descriptors) | (asyncio.all_tasks() - tasks) | (_threads() - threads):
        if asyncio.get_running_loop().time() > deadline:
            pytest.fail(f"left behind after close: {leaks}")
        await asyncio.sleep(0.01)


class StorageHarness(ABC):
    """What an author gives, and what the cases use.

    Attributes:
        place: a fresh folder, for backends that need one.
        unsupported: what the backend cannot do, each with the reason; its cases are skipped and the reason is printed.
            The only thing that may be missing is ``bounded_memory``.
    """

    unsupported: ClassVar[Mapping[str, str]] = {}
    place: Path

    @pytest.fixture(autouse=True)
    def _fresh_place(self, tmp_path: Path) -> None:
        self.place = tmp_path / "place"

    @abstractmethod
    def make_backend(self) -> StorageBackend:
        """A new backend over the place. Called inside the running event loop."""

    @abstractmethod
    async def read_raw(self, key: str) -> bytes | None:
        """What lies under the key, read without the backend; None where there is nothing."""

    @abstractmethod
    async def write_raw(self, key: str, body: bytes) -> None:
        """Put an object under the key without the backend, as the backend itself would have."""

    async def leftovers(self) -> Collection[str]:
        """Whatever lies in the place that is not an object: temporary files, unfinished uploads."""
        return ()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[StorageBackend]:
        """A backend that is ready; on exit it is closed, and nothing of it may be left."""
        async with no_leaks():
            backend = self.make_backend()
            try:
                await backend.ping()
                yield backend
                assert not await self.leftovers()
            finally:
                await backend.close()

    def require(self, ability: str) -> None:
        """Skip the case where the backend has declared that it lacks the ability."""
        if ability in self.unsupported:
            pytest.skip(f"{ability}: {self.unsupported[ability]}")

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
        assert await self.read_raw(key) is None
        assert not await backend.exists(key)
        with pytest.raises(PluginError) as caught:
            async with backend.open(key):
                pass
        assert type(caught.value) is ObjectNotFound
        assert not await self.leftovers()


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
