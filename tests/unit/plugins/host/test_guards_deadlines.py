"""The deadlines of the guards, and the guard around detectors."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import lading.plugins.host.guards
from lading.plugins.contracts import ImageInfo, Source, TypeDetector
from lading.plugins.errors import (
    BodyTruncated,
    ConnectionLost,
    DeadlineExceeded,
    FetcherBusy,
    ImageCorrupt,
    PluginError,
    PluginFault,
)
from lading.plugins.host.guards import GuardedDetector, GuardedFetcher
from lading.plugins.options import PluginOptions
from lading.plugins.testing.leaks import no_leaks
from tests.support.plugins.misbehaviour import PLENTY, SOON, SOURCE, Shop, breaking, failure, hang, hanging, raising
from tests.support.plugins.scripted import INFO, ScriptedDetector, ScriptedFetcher

# --- fetchers: deadlines ----------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_source_that_does_not_open_is_given_up_and_released() -> None:
    shop = Shop(SOON)
    shop.fetcher.on_open = hang
    async with no_leaks():
        error = await failure(shop.guarded)
    assert (type(error), error.plugin, error.retryable) == (DeadlineExceeded, "scripted", True)
    assert shop.balanced


@pytest.mark.gen_test
async def test_a_stream_that_hangs_midway_is_given_up_and_released() -> None:
    shop = Shop(SOON)
    shop.fetcher.chunks = lambda _source: hanging(b"some")
    async with shop.guarded.open(SOURCE) as fetched:
        assert await anext(fetched.chunks) == b"some"
        with pytest.raises(DeadlineExceeded) as caught:
            await anext(fetched.chunks)
    assert caught.value.plugin == "scripted"
    assert shop.balanced


@pytest.mark.gen_test
async def test_a_turn_that_does_not_come_is_no_fault_of_the_source() -> None:
    guarded = GuardedFetcher(ScriptedFetcher(), "scripted", SOON, concurrency=1)
    async with guarded.open(SOURCE):
        with pytest.raises(FetcherBusy) as caught:
            async with guarded.open(SOURCE):
                raise AssertionError("there was no turn")
    assert caught.value.plugin == "scripted"
    guarded = GuardedFetcher(ScriptedFetcher(), "scripted", 30, concurrency=1)
    async with guarded.open(SOURCE) as fetched:
        assert [piece async for piece in fetched.chunks]


@pytest.mark.gen_test
async def test_the_deadline_is_for_all_pieces_together() -> None:
    shop = Shop(0.05)

    async def drip() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.005)
            yield b"drop"

    shop.fetcher.chunks = lambda _source: drip()
    assert type(await failure(shop.guarded)) is DeadlineExceeded
    assert shop.balanced


@pytest.mark.gen_test
async def test_the_deadline_holds_for_a_stream_that_never_has_to_wait() -> None:
    """Its pieces are always at hand, so that no timer could interrupt it; the reader writes them to a disk."""
    shop = Shop(SOON)

    async def flood() -> AsyncIterator[bytes]:
        while True:
            yield b"x"

    shop.fetcher.chunks = lambda _source: flood()

    async def read_slowly() -> None:
        async with shop.guarded.open(SOURCE) as fetched:
            async for _ in fetched.chunks:
                await asyncio.sleep(0)

    with pytest.raises(DeadlineExceeded):
        await read_slowly()
    assert shop.balanced


@pytest.mark.gen_test
async def test_a_plugin_that_turns_the_deadline_into_an_error_of_its_own_exceeded_it_all_the_same() -> None:
    shop = Shop(SOON)

    async def convert(_source: Source) -> None:
        try:
            await hang()
        except asyncio.CancelledError:
            raise ConnectionLost from None

    shop.fetcher.on_open = convert
    assert type(await failure(shop.guarded)) is DeadlineExceeded


@pytest.mark.gen_test
async def test_a_release_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.plugins.host.guards, "CLOSE_SECONDS", SOON)
    shop = Shop()
    shop.fetcher.on_release = hang
    assert type(await failure(shop.guarded)) is DeadlineExceeded
    shop.fetcher.chunks = lambda _source: breaking(error)
    error = BodyTruncated()
    assert await failure(shop.guarded) is error, "the error under way matters more"


@pytest.mark.gen_test
async def test_the_deadline_for_reading_does_not_shorten_the_release() -> None:
    shop = Shop(SOON)
    shop.fetcher.chunks = lambda _source: hanging()
    released = []

    async def release() -> None:
        await asyncio.sleep(0.03)
        released.append(True)

    shop.fetcher.on_release = release
    assert type(await failure(shop.guarded)) is DeadlineExceeded
    assert released == [True]


# --- detectors --------------------------------------------------------------------------------------------------------


def guarded(detector: TypeDetector, deadline: float = PLENTY) -> GuardedDetector:
    return GuardedDetector(detector, "scripted", deadline)


@pytest.mark.gen_test
async def test_a_good_detector_is_not_noticed() -> None:
    detector = ScriptedDetector()
    assert await guarded(detector).detect(Path("/a")) is INFO
    assert detector.asked == [Path("/a")]


@pytest.mark.gen_test
@pytest.mark.parametrize("error", [ImageCorrupt("inside"), ValueError("bad"), MemoryError(), RecursionError()])
async def test_errors_of_a_detector(error: Exception) -> None:
    detector = ScriptedDetector()
    detector.on_detect = raising(error)
    with pytest.raises(PluginError) as caught:
        await guarded(detector).detect(Path("/a"))
    assert caught.value.plugin == "scripted"
    if isinstance(error, PluginError):
        assert caught.value is error
    else:
        assert (type(caught.value), caught.value.__cause__) == (PluginFault, error)


@pytest.mark.gen_test
async def test_a_detector_that_hangs_is_given_up() -> None:
    detector = ScriptedDetector()
    detector.on_detect = hang
    async with no_leaks():
        with pytest.raises(DeadlineExceeded) as caught:
            await guarded(detector, SOON).detect(Path("/a"))
    assert caught.value.plugin == "scripted"


@pytest.mark.gen_test
async def test_a_detector_s_cancellation_passes() -> None:
    detector = ScriptedDetector()
    detector.on_detect = hang
    task = asyncio.create_task(guarded(detector).detect(Path("/a")))
    while not detector.asked:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()


@pytest.mark.gen_test
@pytest.mark.parametrize("answer", [None, ("PNG", 1, 1), {"format": "PNG"}])
async def test_an_answer_that_is_no_image_info_is_a_fault(answer: Any) -> None:
    detector = ScriptedDetector()

    async def detect(_path: Path) -> ImageInfo:
        return answer  # type: ignore[no-any-return]

    detector.on_detect = detect
    with pytest.raises(PluginFault) as caught:
        await guarded(detector).detect(Path("/a"))
    assert caught.value.plugin == "scripted"


# --- closing ----------------------------------------------------------------------------------------------------------


class Stubborn(ScriptedDetector):
    def __init__(self, behaviour: Callable[..., Any]) -> None:
        super().__init__(PluginOptions())
        self.behaviour = behaviour

    async def close(self) -> None:
        await self.behaviour()


@pytest.mark.gen_test
async def test_close_has_a_deadline_and_raises_nothing_outside_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.plugins.host.guards, "CLOSE_SECONDS", SOON)
    with pytest.raises(DeadlineExceeded):
        await guarded(Stubborn(hang)).close()
    with pytest.raises(PluginFault):
        await guarded(Stubborn(raising(ValueError("bad")))).close()

    class StubbornFetcher(ScriptedFetcher):
        async def close(self) -> None:
            await hang()

    with pytest.raises(DeadlineExceeded):
        await GuardedFetcher(StubbornFetcher(), "stubborn", PLENTY).close()
