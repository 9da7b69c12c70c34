"""The guard on the stream that is saved."""

from collections.abc import AsyncIterator

import pytest

from lading.plugins.errors import ConnectionLost, ContentMismatch, PluginFault, StorageUnavailable
from lading.plugins.testing.bodies import Body
from lading.plugins.testing.cancellation import attempt
from lading.plugins.testing.storage.saving import SourceBroke, breaking
from lading.plugins.testing.storage.support import KEY
from tests.unit.backends.guard.guard_support import BODY, Scripted, guarded, save


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
