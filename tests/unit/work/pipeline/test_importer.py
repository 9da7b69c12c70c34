"""The use case: which detectors are asked, what is saved, and what the document learns."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.contracts import ImageInfo, ObjectMetadata, Source
from lading.plugins.errors import (
    BodyTruncated,
    DeadlineExceeded,
    DetectError,
    DetectorCrashed,
    DetectorStalled,
    FormatNotAllowed,
    ImageCorrupt,
    NotAnImage,
    PluginError,
)
from lading.plugins.testing.leaks import no_leaks
from lading.service.models import Image
from lading.service.work.pipeline.looking import recognised
from tests.support.importing import DATA, DOCUMENT, OTHER, answering, shop_of
from tests.support.plugins.scripted import INFO

# --- the way of the bytes ---------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_what_is_fetched_is_recognised_and_saved() -> None:
    with shop_of() as shop:
        outcome = await shop.importer.run(DOCUMENT)
        sha256 = hashlib.sha256(DATA).hexdigest()
        assert outcome.import_type == "scripted"
        assert outcome.image == Image(
            format="PNG",
            content_type="image/png",
            width=3,
            height=2,
            frames=1,
            orientation=1,
            byte_size=len(DATA),
            sha256=sha256,
            storage="memory",
            key=DOCUMENT.storage_key,
            filename="origin.png",
            source=hashlib.sha256((DOCUMENT.url or "").encode()).hexdigest(),
        )
        assert shop.stored == {DOCUMENT.storage_key: DATA}
        assert shop.storage.metadata[DOCUMENT.storage_key] == ObjectMetadata(
            byte_size=len(DATA),
            sha256=sha256,
            content_type="image/png",
            filename="origin.png",
            import_id=DOCUMENT.id,
            organization_id=DOCUMENT.organization_id,
            issuer_id=DOCUMENT.issuer_id,
            album_id=DOCUMENT.album_id,
        )


@pytest.mark.gen_test
async def test_the_detector_sees_the_whole_body_and_the_source_is_closed_by_then() -> None:
    with shop_of() as shop:

        async def detect(path: Path) -> ImageInfo:
            assert path.read_bytes() == DATA
            assert shop.fetcher.now[""] == 0, "the origin does not wait for the detector"
            return INFO

        shop.detectors[0].on_detect = detect
        await shop.importer.run(DOCUMENT)
        assert len(shop.detectors[0].asked) == 1


@pytest.mark.gen_test
async def test_the_client_s_name_for_the_file_goes_before_the_origin_s() -> None:
    with shop_of() as shop:
        named = replace(DOCUMENT, params={**DOCUMENT.params, "filename": "client.png"})
        await shop.importer.run(named)
        assert shop.storage.metadata[DOCUMENT.storage_key].filename == "client.png"


@pytest.mark.gen_test
async def test_the_client_s_headers_go_to_the_fetcher() -> None:
    seen = []

    async def look(source: Source) -> None:
        seen.append(dict(source.headers))

    with shop_of() as shop:
        shop.fetcher.on_open = look
        await shop.importer.run(replace(DOCUMENT, params={**DOCUMENT.params, "headers": {"Referer": "x"}}))
        assert seen == [{"Referer": "x"}]


@pytest.mark.gen_test
async def test_an_import_without_a_url_cannot_run() -> None:
    with shop_of() as shop:
        with pytest.raises(ValueError, match="no url"):
            await shop.importer.run(replace(DOCUMENT, params={}))


# --- detectors --------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_detectors_are_asked_in_order_until_one_knows_the_format() -> None:
    first, second, third = answering(NotAnImage()), answering(OTHER), answering(INFO)
    with shop_of(first, second, third) as shop:
        outcome = await shop.importer.run(DOCUMENT)
        assert (outcome.image.format, outcome.image.frames) == ("JPEG", 2)
        assert (len(first.asked), len(second.asked), len(third.asked)) == (1, 1, 0)


@pytest.mark.gen_test
@pytest.mark.parametrize("error", [ImageCorrupt(), DetectorCrashed(), DetectError()])
async def test_any_other_refusal_is_final_and_nothing_is_stored(error: PluginError) -> None:
    first, second = answering(error), answering(INFO)
    with shop_of(first, second) as shop:
        with pytest.raises(type(error)) as caught:
            await shop.importer.run(DOCUMENT)
        assert caught.value is error
        assert second.asked == []
        assert shop.stored == {}


@pytest.mark.gen_test
async def test_a_detector_that_does_not_answer_in_time_says_nothing_of_the_image() -> None:
    late = DeadlineExceeded("detect did not end")
    late.plugin = "slow"
    second = answering(INFO)
    with shop_of(answering(late), second) as shop:
        with pytest.raises(DetectorStalled, match="did not end") as caught:
            await shop.importer.run(DOCUMENT)
        assert (caught.value.plugin, second.asked, shop.stored) == ("slow", [], {})


@pytest.mark.gen_test
async def test_where_nobody_knows_the_format_the_last_refusal_stands() -> None:
    errors = [NotAnImage("first"), NotAnImage("second")]
    with shop_of(*map(answering, errors)) as shop:
        with pytest.raises(NotAnImage) as caught:
            await shop.importer.run(DOCUMENT)
        assert caught.value is errors[1]
        assert shop.stored == {}


@pytest.mark.gen_test
async def test_a_format_that_one_detector_does_not_accept_may_be_another_s() -> None:
    first, second = answering(FormatNotAllowed(format="SVG")), answering(INFO)
    with shop_of(first, second) as shop:
        assert (await shop.importer.run(DOCUMENT)).image.format == INFO.format


@pytest.mark.gen_test
async def test_where_nobody_accepts_the_format_who_knew_it_has_the_last_word() -> None:
    known = FormatNotAllowed(format="SVG")
    errors: list[PluginError] = [NotAnImage(), known, NotAnImage(), FormatNotAllowed(format="X")]
    with shop_of(*map(answering, errors)) as shop:
        with pytest.raises(FormatNotAllowed) as caught:
            await shop.importer.run(DOCUMENT)
        assert caught.value is known
        assert shop.stored == {}


@pytest.mark.gen_test
async def test_without_a_detector_nothing_is_an_image() -> None:
    with shop_of() as shop:
        shop.importer._detect = partial(recognised, ())
        with pytest.raises(NotAnImage):
            await shop.importer.run(DOCUMENT)
        assert shop.stored == {}


# --- failures of the fetch --------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_body_that_breaks_reaches_neither_detector_nor_storage() -> None:
    async def broken(_source: Source) -> AsyncIterator[bytes]:
        yield DATA[:100]
        raise BodyTruncated

    with shop_of() as shop:
        shop.fetcher.chunks = broken
        async with no_leaks():
            with pytest.raises(BodyTruncated):
                await shop.importer.run(DOCUMENT)
            shop.executor.shutdown()
        assert (shop.detectors[0].asked, shop.stored, shop.fetcher.now[""]) == ([], {}, 0)


@pytest.mark.gen_test
async def test_a_fetcher_s_deadline_stays_a_failure_of_the_fetch() -> None:
    error = DeadlineExceeded()

    async def late(_source: Source) -> None:
        raise error

    with shop_of() as shop:
        shop.fetcher.on_open = late
        with pytest.raises(DeadlineExceeded):
            await shop.importer.run(DOCUMENT)


@pytest.mark.gen_test
@pytest.mark.parametrize("place", ["open", "body", "detect", "save"])
async def test_a_cancelled_attempt_leaves_nothing(place: str) -> None:
    reached = asyncio.Event()

    async def hang(*_: object) -> Any:
        reached.set()
        await asyncio.Event().wait()

    async def hanging(_source: Source) -> AsyncIterator[bytes]:
        yield DATA[:100]
        await hang()

    with shop_of() as shop:
        async with no_leaks():
            if place == "open":
                shop.fetcher.on_open = hang
            elif place == "body":
                shop.fetcher.chunks = hanging
            elif place == "detect":
                shop.detectors[0].on_detect = hang
            else:
                shop.storage.before_save = hang
            task = asyncio.create_task(shop.importer.run(DOCUMENT))
            await reached.wait()
            task.cancel()
            await asyncio.wait((task,))
            assert task.cancelled()
            shop.executor.shutdown()
        assert (shop.stored, shop.fetcher.now[""]) == ({}, 0)
