"""The guard around backends that misbehave: errors, deadlines, concurrency, observation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lading.backends.guard.capabilities import lister_of
from lading.plugins.contracts import StorageBackend
from lading.plugins.errors import (
    ContentMismatch,
    DeadlineExceeded,
    ObjectExists,
    ObjectNotFound,
    PluginError,
    PluginFault,
    StorageUnavailable,
)
from lading.plugins.testing.bodies import Body, Stream
from lading.plugins.testing.cancellation import attempt
from lading.plugins.testing.leaks import no_leaks
from lading.plugins.testing.storage.saving import SourceBroke, breaking
from lading.plugins.testing.storage.support import KEY, read
from tests.support.clock import put_forward
from tests.unit.backends.guard.guard_support import BODY, Recorder, Scripted, calls, guarded, hang, raising, save

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
async def test_a_reader_has_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = guarded(Scripted(), deadline=10)
    await save(storage)
    async with storage.open(KEY) as stored:
        put_forward(monkeypatch, 20)
        await asyncio.sleep(0)
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
@pytest.mark.parametrize("opened", [None, b"bytes", (3, ())])
async def test_what_is_no_stored_object_is_a_fault_and_is_released(opened: object) -> None:
    released = []

    class Odd(Scripted):
        @asynccontextmanager
        async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[Any]:
            try:
                yield opened
            finally:
                released.append(key)

    fault = await attempt(read(guarded(Odd()), KEY))
    assert type(fault) is PluginFault
    assert fault.plugin == "scripted"
    assert released == [KEY]


@pytest.mark.gen_test
@pytest.mark.parametrize("broken", ["no iterator", "no object"])
async def test_a_listing_that_is_none_is_a_fault(broken: str) -> None:
    class Odd(Scripted):
        def list_objects(self, prefix: str = "") -> Any:
            if broken == "no iterator":
                raise TypeError("no listing today")
            return aiter(Stream([b"no listed object"]))

    lister = lister_of(guarded(Odd()))
    assert lister is not None
    with pytest.raises(PluginFault):
        async for _ in lister.list_objects():
            pass


@pytest.mark.gen_test
async def test_waiting_for_a_turn_counts() -> None:
    storage = guarded(Scripted(), max_concurrency=1, deadline=0.05)
    give_back = await storage._caller.take_turn("hold", 30)
    for call in (storage.ping(), read(storage, KEY), save(storage)):
        assert type(await attempt(call)) is DeadlineExceeded
    give_back()
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
