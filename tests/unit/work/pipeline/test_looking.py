"""What can be no image ends its fetch early, where every detector agrees; and what the origin announced is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lading.plugins.capabilities import LONGEST_HEAD, SupportsEarlyRefusal
from lading.plugins.contracts import Source
from lading.plugins.errors import FormatNotAllowed, NotAnImage, PluginFault
from lading.plugins.host.guards import GuardedDetector
from lading.service.work.pipeline.looking import announced_as
from tests.support.importing import DATA, DOCUMENT, answering, shop_of
from tests.support.plugins.scripted import ScriptedDetector, pieces


class Early(SupportsEarlyRefusal, ScriptedDetector):
    """Refuses what ``refuses`` says, and remembers what it was asked."""

    def __init__(self, refuses: Callable[[bytes], bool] = lambda _: True) -> None:
        super().__init__()
        self.refuses = refuses
        self.heads: list[bytes] = []

    def could_be(self, head: bytes) -> bool:
        self.heads.append(head)
        return not self.refuses(head)


class Endless:
    """A body without end, in pieces of one size, which counts what was taken of it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            self.taken += self.size
            assert self.taken < 1_000_000, "the fetch goes on"
            yield b"x" * self.size


@pytest.mark.parametrize(("size", "taken"), [(1, 64), (63, 126), (1000, 1000), (65_536, 65_536)])
@pytest.mark.gen_test
async def test_what_every_detector_refuses_is_fetched_no_further(size: int, taken: int) -> None:
    body = Endless(size)
    with shop_of(Early(), Early()) as shop:
        shop.fetcher.chunks = lambda _: body.chunks()
        with pytest.raises(NotAnImage):
            await shop.importer.run(DOCUMENT)
        assert body.taken == taken
        assert shop.fetcher.now[""] == 0, "the source is open still"
        assert not shop.stored


@pytest.mark.gen_test
async def test_a_detector_is_asked_as_the_head_grows() -> None:
    detector = Early(lambda head: len(head) == LONGEST_HEAD)
    body = Endless(7)
    with shop_of(detector) as shop:
        shop.fetcher.chunks = lambda _: body.chunks()
        with pytest.raises(NotAnImage):
            await shop.importer.run(DOCUMENT)
    sizes = [len(head) for head in detector.heads]
    assert sizes == [70, 140, 280, 560, 1120, 2240, 4096]
    assert set(b"".join(detector.heads)) == {ord("x")}


def undecided() -> list[list[ScriptedDetector]]:
    return [
        [Early(), Early(lambda _: False)],
        [Early(lambda _: False), Early()],
        [Early(), ScriptedDetector()],  # a third party's, which cannot tell
        [ScriptedDetector(), Early()],
        [ScriptedDetector()],
    ]


@pytest.mark.parametrize("number", range(5))
@pytest.mark.gen_test
async def test_where_one_detector_may_know_it_all_of_it_is_fetched(number: int) -> None:
    body = b"begin" * 10 + DATA * 40
    with shop_of(*undecided()[number]) as shop:
        shop.fetcher.chunks = lambda _: pieces(body[:10], body[10:5000], body[5000:])
        await shop.importer.run(DOCUMENT)
        assert shop.stored == {DOCUMENT.storage_key: body}


@pytest.mark.parametrize("cuts", [[], [1], [64], [63, 64, 65], [4095], [4096], [4097], [10, 5000]])
@pytest.mark.gen_test
async def test_the_looks_change_no_byte(cuts: list[int]) -> None:
    body = DATA * 20
    ends = [*cuts, len(body)]
    with shop_of(Early(lambda _: False)) as shop:
        shop.fetcher.chunks = lambda _: pieces(*(body[start:end] for start, end in zip([0, *cuts], ends, strict=True)))
        outcome = await shop.importer.run(DOCUMENT)
        assert shop.stored == {DOCUMENT.storage_key: body}
        assert outcome.image.byte_size == len(body)


@pytest.mark.gen_test
async def test_a_small_file_is_left_to_detection() -> None:
    detector = Early()
    with shop_of(detector) as shop:
        shop.fetcher.chunks = lambda _: pieces(b"x" * 63)
        await shop.importer.run(DOCUMENT)
        assert shop.stored == {DOCUMENT.storage_key: b"x" * 63}
    assert not detector.heads


@pytest.mark.gen_test
async def test_a_trial_looks_as_well() -> None:
    body = Endless(100)
    with shop_of(Early()) as shop:
        shop.fetcher.chunks = lambda _: body.chunks()
        with pytest.raises(NotAnImage):
            await shop.importer.preview(DOCUMENT, [Source("test://origin/a")], lambda _: None)
    assert body.taken == 100


@pytest.mark.gen_test
async def test_the_guard_asks_a_detector_that_can_tell_and_no_other() -> None:
    assert GuardedDetector(ScriptedDetector(), "plain", 9).could_be(b"x" * 64)
    assert not GuardedDetector(Early(), "early", 9).could_be(b"x" * 64)
    assert GuardedDetector(Early(lambda _: False), "early", 9).could_be(b"x" * 64)

    def breaks(_: bytes) -> bool:
        raise KeyError

    with pytest.raises(PluginFault, match="early"):
        GuardedDetector(Early(breaks), "early", 9).could_be(b"x" * 64)


# --- what the origin announced ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("detectors", [(answering(NotAnImage()),), (Early(),)])
@pytest.mark.gen_test
async def test_a_refusal_says_what_the_origin_announced(detectors: Any) -> None:
    with shop_of(*detectors) as shop:
        shop.fetcher.chunks = lambda _: pieces(b"<html>" * 20)
        shop.fetcher.content_type = "text/html"
        for attempt in (
            shop.importer.run(DOCUMENT),
            shop.importer.preview(DOCUMENT, [Source("test://origin/a")], lambda _: None),
        ):
            with pytest.raises(NotAnImage) as caught:
                await attempt
            assert caught.value.code == "not_an_image"
            assert caught.value.detail == (
                "The bytes are not an image of a known format. The origin announces text/html."
            )


@pytest.mark.parametrize("announced", [None, "", "text", "text/html; x", "<b>/x", "a/b\nc", "x" * 80 + "/y"])
def test_what_is_no_media_type_is_not_told(announced: str | None) -> None:
    with pytest.raises(NotAnImage) as caught, announced_as(announced):
        raise NotAnImage
    assert caught.value.detail == NotAnImage.public_text


class Own(NotAnImage):
    public_text = "No picture."


@pytest.mark.parametrize("error", [Own(), FormatNotAllowed(format="PSD")])
def test_other_refusals_are_told_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, announced_as("text/html"):
        raise error
    assert caught.value is error


def test_the_name_of_the_plugin_stays() -> None:
    error = NotAnImage("inside")
    error.plugin = "pillow"
    with pytest.raises(NotAnImage) as caught, announced_as("text/html"):
        raise error
    assert (caught.value.plugin, caught.value.internal) == ("pillow", "inside")
