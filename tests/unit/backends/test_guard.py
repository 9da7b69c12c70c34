"""The guard around backends that misbehave."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from backends.guard import GuardedStorage
from backends.memory import MemoryStorage, MemoryStorageOptions
from plugins.contracts import ObjectMetadata, StorageBackend, StoredObject
from plugins.errors import (
    ConnectionLost,
    ContentMismatch,
    DeadlineExceeded,
    ObjectExists,
    ObjectNotFound,
    PluginError,
    PluginFault,
    StorageUnavailable,
)
from tests.conformance.storage_saving import SourceBroke, breaking
from tests.conformance.storage_support import KEY, Body, attempt, every_call, no_leaks, read

BODY = Body(1000)
Save = Callable[[AsyncIterator[bytes]], Awaitable[None]]


class Scripted(MemoryStorage):
    """A backend that does what a test says, where it says so."""

    def __init__(self) -> None:
        super().__init__(MemoryStorageOptions())
        self.on_save: Save | None = None
        self.on_open: Callable[[], Awaitable[None]] | None = None
        self.on_read: Callable[[], AsyncIterator[bytes]] | None = None
        self.on_release: Callable[[], Awaitable[None]] | None = None
        self.on_call: Callable[[], Awaitable[None]] | None = None

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        if self.on_save is None:
            await super().save(key, chunks, metadata)
        else:
            await self.on_save(chunks)

    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        if self.on_open is not None:
            await self.on_open()
        try:
            if self.on_read is not None:
                yield StoredObject(BODY.size, self.on_read())
            else:
                async with super().open(key, offset=offset, length=length) as stored:
                    yield stored
        finally:
            if self.on_release is not None:
                await self.on_release()

    async def exists(self, key: str) -> bool:
        if self.on_call is not None:
            await self.on_call()
        return await super().exists(key)

    async def delete(self, key: str) -> None:
        if self.on_call is not None:
            await self.on_call()

    async def ping(self) -> None:
        if self.on_call is not None:
            await self.on_call()

    async def close(self) -> None:
        if self.on_call is not None:
            await self.on_call()


class Recorder:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []

    def observe(self, plugin: str, operation: str, outcome: str, seconds: float) -> None:
        assert 0 <= seconds < 60
        self.seen.append((plugin, operation, outcome))


def guarded(backend: StorageBackend, **options: Any) -> GuardedStorage:
    return GuardedStorage(backend, name="scripted", **options)


async def save(storage: StorageBackend, body: Body = BODY, key: str = KEY) -> None:
    await storage.save(key, body.chunks(100), body.metadata)


async def hang() -> None:
    await asyncio.Event().wait()


def raising(error: BaseException) -> Callable[..., Awaitable[None]]:
    async def call(*_arguments: object) -> None:
        raise error

    return call


def calls(storage: StorageBackend) -> Iterator[Coroutine[Any, Any, object]]:
    yield from every_call(storage, KEY)
    yield storage.ping()
    yield storage.close()


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize("error", [RuntimeError("x"), TimeoutError(), KeyError("x"), OSError(28, "x")])
async def test_what_is_outside_the_tree_is_a_fault(error: Exception) -> None:
    backend = Scripted()
    storage = guarded(backend)
    backend.on_call = backend.on_open = raising(error)
    backend.on_save = raising(error)
    for call in calls(storage):
        caught = await attempt(call)
        assert type(caught) is PluginFault
        assert caught.__cause__ is error
        assert caught.plugin == "scripted"


@pytest.mark.gen_test
async def test_what_is_in_the_tree_is_stamped() -> None:
    backend = Scripted()
    storage = guarded(backend)
    error = StorageUnavailable("x")
    backend.on_call = backend.on_open = raising(error)
    backend.on_save = raising(error)
    for call in calls(storage):
        error.plugin = None
        assert await attempt(call) is error
        assert error.plugin == "scripted"


@pytest.mark.gen_test
async def test_a_stream_that_fails_with_a_fault() -> None:
    backend = Scripted()

    async def broken() -> AsyncIterator[bytes]:
        yield BODY.part(0, 100)
        raise RuntimeError("x")

    backend.on_read = broken
    assert type(await attempt(read(guarded(backend), KEY))) is PluginFault


@pytest.mark.gen_test
@pytest.mark.parametrize("size", [0, BODY.size - 1, BODY.size + 1])
async def test_a_stream_of_another_size_than_the_object(size: int) -> None:
    backend = Scripted()
    backend.on_read = lambda: Body(size).chunks(100)
    assert type(await attempt(read(guarded(backend), KEY))) is ContentMismatch


@pytest.mark.gen_test
async def test_an_error_at_release() -> None:
    backend = Scripted()
    storage = guarded(backend)
    await save(storage)
    backend.on_release = raising(RuntimeError("x"))
    assert type(await attempt(read(storage, KEY))) is PluginFault


@pytest.mark.gen_test
async def test_the_readers_own_error_matters_more_than_the_release() -> None:
    backend = Scripted()
    storage = guarded(backend)
    await save(storage)
    backend.on_release = raising(RuntimeError("x"))
    error = SourceBroke("the reader's own")

    async def failing() -> None:
        async with storage.open(KEY):
            raise error

    assert await attempt(failing()) is error


@pytest.mark.gen_test
@pytest.mark.parametrize(("offset", "length"), [(-1, None), (0, -1)])
async def test_a_negative_range(offset: int, length: int | None) -> None:
    storage = guarded(Scripted())
    await save(storage)
    assert type(await attempt(read(storage, KEY, offset=offset, length=length))) is ValueError


# --- the stream that is saved -----------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_the_sources_error_passes_unchanged() -> None:
    backend = Scripted()
    storage = guarded(backend)

    async def translate(chunks: AsyncIterator[bytes]) -> None:
        try:
            async for _ in chunks:
                pass
        except Exception as error:
            raise StorageUnavailable from error

    fetch_error = ConnectionLost("x")
    fetch_error.plugin = "http"
    for on_save in (None, translate):
        backend.on_save = on_save
        for error in (SourceBroke("x"), fetch_error, TimeoutError()):
            assert await attempt(storage.save(KEY, breaking(BODY, 100, error), BODY.metadata)) is error
    assert fetch_error.plugin == "http"


@pytest.mark.gen_test
async def test_a_mismatch_passes_a_backend_that_translates() -> None:
    backend = Scripted()

    async def translate(chunks: AsyncIterator[bytes]) -> None:
        try:
            async for _ in chunks:
                pass
        except ContentMismatch as error:
            raise RuntimeError from error

    backend.on_save = translate
    caught = await attempt(guarded(backend).save(KEY, BODY.chunks(), Body(BODY.size, seed=1).metadata))
    assert type(caught) is ContentMismatch
    assert caught.plugin == "scripted"


@pytest.mark.gen_test
async def test_a_backend_that_swallows_the_sources_error() -> None:
    backend = Scripted()

    async def swallow(chunks: AsyncIterator[bytes]) -> None:
        try:
            async for _ in chunks:
                pass
        except SourceBroke:
            return

    backend.on_save = swallow
    caught = await attempt(guarded(backend).save(KEY, breaking(BODY, 100, SourceBroke("x")), BODY.metadata))
    assert type(caught) is PluginFault


@pytest.mark.gen_test
@pytest.mark.parametrize("body", [BODY, Body(0)], ids=["some", "empty"])
async def test_a_backend_that_does_not_read(body: Body) -> None:
    backend = Scripted()

    async def lazy(chunks: AsyncIterator[bytes]) -> None:
        return

    backend.on_save = lazy
    assert type(await attempt(save(guarded(backend), body))) is PluginFault


@pytest.mark.gen_test
@pytest.mark.parametrize("wrong", [Body(BODY.size, seed=1), Body(BODY.size + 1), Body(BODY.size + 5000)])
async def test_a_backend_that_stops_at_the_announced_size_never_has_a_wrong_whole(wrong: Body) -> None:
    backend = Scripted()
    taken = b""

    async def take_what_was_announced(chunks: AsyncIterator[bytes]) -> None:
        nonlocal taken
        while len(taken) < BODY.size:
            taken += await anext(chunks)

    backend.on_save = take_what_was_announced
    storage = guarded(backend)
    assert type(await attempt(storage.save(KEY, wrong.chunks(100), BODY.metadata))) is ContentMismatch
    assert len(taken) < BODY.size
    taken = b""
    await save(storage)
    assert taken == BODY.whole()


@pytest.mark.gen_test
async def test_empty_pieces_are_left_out() -> None:
    backend = Scripted()
    taken: list[bytes] = []

    async def take(chunks: AsyncIterator[bytes]) -> None:
        taken.extend([chunk async for chunk in chunks])

    async def with_gaps() -> AsyncIterator[bytes]:
        yield b""
        async for chunk in BODY.chunks(100):
            yield chunk
            yield b""

    backend.on_save = take
    await guarded(backend).save(KEY, with_gaps(), BODY.metadata)
    assert all(taken)
    assert b"".join(taken) == BODY.whole()


# --- deadlines and cancellation ---------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_every_call_has_a_deadline() -> None:
    backend = Scripted()
    storage = guarded(backend, deadline=0.02)
    backend.on_call = backend.on_open = hang
    backend.on_save = lambda _chunks: hang()
    async with no_leaks():
        for call in calls(storage):
            caught = await attempt(call)
            assert type(caught) is DeadlineExceeded
            assert caught.plugin == "scripted"


@pytest.mark.gen_test
async def test_a_reader_has_no_deadline() -> None:
    storage = guarded(Scripted(), deadline=0.5)
    await save(storage)
    async with storage.open(KEY) as stored:
        await asyncio.sleep(0.6)
        assert await anext(stored.chunks) == BODY.whole()


@pytest.mark.gen_test
async def test_every_piece_has_a_deadline() -> None:
    backend = Scripted()

    async def stalls() -> AsyncIterator[bytes]:
        yield BODY.part(0, 100)
        await hang()

    backend.on_read = stalls
    assert type(await attempt(read(guarded(backend, deadline=0.02), KEY))) is DeadlineExceeded


@pytest.mark.gen_test
async def test_a_stalled_source_is_ended_by_the_deadline() -> None:
    storage = guarded(Scripted(), deadline=0.02)

    async def stalls() -> AsyncIterator[bytes]:
        yield BODY.part(0, 100)
        await hang()

    assert type(await attempt(storage.save(KEY, stalls(), BODY.metadata))) is DeadlineExceeded
    assert not await storage.exists(KEY)


@pytest.mark.gen_test
async def test_the_callers_timeout_is_the_callers() -> None:
    backend = Scripted()
    backend.on_call = hang
    storage = guarded(backend)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await storage.ping()


@pytest.mark.gen_test
async def test_cancellation_passes_even_a_backend_that_translates_it() -> None:
    backend = Scripted()

    async def translate() -> None:
        try:
            await hang()
        except asyncio.CancelledError as error:
            raise StorageUnavailable from error

    for behaviour in (hang, translate):
        backend.on_call = behaviour
        task = asyncio.create_task(guarded(backend).ping())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()


@pytest.mark.gen_test
async def test_a_deadline_passes_a_backend_that_translates_it() -> None:
    backend = Scripted()

    async def translate() -> None:
        try:
            await hang()
        except asyncio.CancelledError as error:
            raise StorageUnavailable from error

    backend.on_call = translate
    assert type(await attempt(guarded(backend, deadline=0.02).ping())) is DeadlineExceeded


# --- concurrency ------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_concurrency_is_bounded() -> None:
    backend = Scripted()
    running = peak = 0

    async def counted() -> None:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0)
        running -= 1

    backend.on_call = counted
    storage = guarded(backend, max_concurrency=3)
    await asyncio.gather(*(storage.ping() for _ in range(20)), *(storage.exists(KEY) for _ in range(20)))
    assert peak == 3


@pytest.mark.gen_test
async def test_waiting_for_a_turn_counts() -> None:
    backend = Scripted()
    started = asyncio.Event()

    async def hang_once() -> None:
        started.set()
        await hang()

    backend.on_call = hang_once
    storage = guarded(backend, max_concurrency=1, deadline=0.05)
    first = asyncio.create_task(storage.ping())
    await started.wait()
    assert type(await attempt(read(storage, KEY))) is DeadlineExceeded
    assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], DeadlineExceeded)
    backend.on_call = None
    await storage.ping()


@pytest.mark.gen_test
async def test_open_streams_keep_nobody_out() -> None:
    storage = guarded(Scripted(), max_concurrency=1)
    await save(storage)
    async with storage.open(KEY) as one, storage.open(KEY) as other:
        await save(storage, key="another")
        assert await anext(one.chunks) == await anext(other.chunks)


# --- the rest ---------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_every_call_is_observed() -> None:
    backend, recorder = Scripted(), Recorder()
    storage = guarded(backend, observer=recorder)
    await save(storage)
    await attempt(save(storage))
    await attempt(storage.save("b", breaking(BODY, 100, SourceBroke("x")), BODY.metadata))
    await read(storage, KEY)
    await attempt(read(storage, "missing"))
    await storage.exists(KEY)
    backend.on_call = hang
    task = asyncio.create_task(storage.delete(KEY))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    backend.on_call = raising(RuntimeError())
    await attempt(storage.ping())
    await attempt(storage.close())
    assert {plugin for plugin, _, _ in recorder.seen} == {"scripted"}
    assert [(operation, outcome) for _, operation, outcome in recorder.seen] == [
        ("save", "ok"),
        ("save", ObjectExists.code),
        ("save", "source_failed"),
        ("open", "ok"),
        ("read", "ok"),
        ("read", "ok"),
        ("release", "ok"),
        ("open", ObjectNotFound.code),
        ("exists", "ok"),
        ("delete", "cancelled"),
        ("ping", PluginFault.code),
        ("close", PluginFault.code),
    ]


def test_it_is_a_storage_backend() -> None:
    backend = Scripted()
    storage = guarded(backend)
    assert isinstance(storage, StorageBackend)
    assert (storage.name, storage.backend) == ("scripted", backend)


@pytest.mark.gen_test
async def test_a_refused_key_does_not_reach_the_backend() -> None:
    backend = Scripted()
    backend.on_call = raising(AssertionError("reached"))
    caught = await attempt(guarded(backend).exists("../" + "x" * 10_000))
    assert isinstance(caught, PluginError)
    assert len(caught.internal) < 400
