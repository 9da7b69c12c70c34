"""Processors between detection and storage: what is stored, and what the document says of it."""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.contracts import ImageInfo, Source
from lading.plugins.contracts.processing import Output, Picture, Processed
from lading.plugins.errors import (
    DetectorCrashed,
    ImageCorrupt,
    ImageRefused,
    OutputTooLarge,
    PluginError,
    PluginFault,
    ProcessorStalled,
    ProcessorUnavailable,
    StorageUnavailable,
)
from lading.plugins.testing.leaks import no_leaks
from lading.service.models.representation import image_facts
from lading.service.work.pipeline.expectations import ExpectationFailed
from tests.support.attempting import claimed, use_processor
from tests.support.importing import DATA, DOCUMENT, MOST_PROCESSED, OTHER, Shop, answering, shop_of
from tests.support.plugins.processors import Act, ScriptedProcessor, guarded, leaving, raising, replacing
from tests.support.plugins.scripted import INFO, ScriptedDetector, body_of, pieces

SHA256 = hashlib.sha256(DATA).hexdigest()


def doubled(data: bytes) -> bytes:
    return data + data


async def failure_of(*acts: Act, deadline: float = 30.0, data: bytes = DATA) -> tuple[PluginError, Shop]:
    """The error of an import; nothing may be stored, or left open."""
    processors = [guarded(act, f"number-{number}", deadline) for number, act in enumerate(acts)]
    with shop_of(processors=processors) as shop:
        shop.fetcher.chunks = lambda _source: pieces(data)
        async with no_leaks():
            with pytest.raises(PluginError) as caught:
                await shop.importer.run(DOCUMENT)
            shop.executor.shutdown()  # its thread is the shop's
        assert shop.stored == {}
        return caught.value, shop


@pytest.mark.gen_test
async def test_without_processors_documents_are_as_they_were() -> None:
    with shop_of() as shop:
        image = (await shop.importer.run(DOCUMENT)).image
    assert set(image_facts(image)) == {
        *("format", "content_type", "width", "height", "orientation", "frames", "byte_size", "sha256", "storage"),
    }


@pytest.mark.gen_test
async def test_an_image_that_is_left_as_it_is_has_facts_alone() -> None:
    with shop_of(processors=[guarded(leaving({"color": "#fff"}), "one"), guarded(leaving(), "two")]) as shop:
        image = (await shop.importer.run(DOCUMENT)).image
        assert shop.stored == {DOCUMENT.storage_key: DATA}
    assert image.facts == {"one": {"color": "#fff"}}
    assert image_facts(image)["facts"] == {"one": {"color": "#fff"}}
    assert "source_sha256" not in image_facts(image)


@pytest.mark.gen_test
@pytest.mark.parametrize("size", [10, 70_000], ids=["in memory", "on disk"])
async def test_what_a_processor_makes_is_recognised_and_stored(size: int) -> None:
    data = DATA[:1] * size

    async def detect(path: Path) -> ImageInfo:
        return OTHER if len(path.read_bytes()) == 2 * size else INFO

    detector = ScriptedDetector()
    detector.on_detect = detect
    with shop_of(detector, processors=[guarded(replacing(doubled, {"a": 1}), "double")]) as shop:
        shop.fetcher.chunks = lambda _source: pieces(data)
        image = (await shop.importer.run(DOCUMENT)).image
        assert shop.stored == {DOCUMENT.storage_key: data * 2}
        announced = shop.storage.metadata[DOCUMENT.storage_key]
    assert (image.format, image.width, image.byte_size) == (OTHER.format, OTHER.width, 2 * size)
    assert image.sha256 == announced.sha256 == hashlib.sha256(data * 2).hexdigest()
    assert announced.content_type == OTHER.content_type
    assert image.source_sha256 == hashlib.sha256(data).hexdigest()
    assert image_facts(image)["source_sha256"] == image.source_sha256
    assert image.etag is image.source is None, "an origin that has not changed says nothing of what processors do"


@pytest.mark.gen_test
async def test_each_processor_sees_what_the_one_before_made_and_whose_it_is() -> None:
    first, second = ScriptedProcessor(replacing(doubled)), ScriptedProcessor(replacing(lambda data: data[:7]))
    document = replace(
        DOCUMENT, params={**DOCUMENT.params, "album_id": "a", "filename": "f.png", "metadata": {"k": "v"}}
    )
    with shop_of(answering(OTHER), processors=_guards(first, second)) as shop:
        image = (await shop.importer.run(document)).image
        assert shop.stored == {document.storage_key: DATA[:7]}
        announced = shop.storage.metadata[document.storage_key]
    assert announced.filename == image.filename == "f.jpg", "the name fits the format"
    assert [picture.byte_size for picture in (*first.seen, *second.seen)] == [len(DATA), 2 * len(DATA)]
    seen = second.seen[0]
    assert (seen.sha256, seen.info) == (hashlib.sha256(DATA * 2).hexdigest(), OTHER)
    assert (seen.organization_id, seen.issuer_id, seen.album_id) == ("organization", "issuer", "a")
    assert (seen.filename, seen.metadata, seen.import_id) == ("f.png", {"k": "v"}, document.id)
    assert "'v'" not in repr(seen)
    assert image.source_sha256 == SHA256


def _guards(*processors: ScriptedProcessor) -> Sequence[Any]:
    found = [guarded(leaving(), f"number-{number}") for number in range(len(processors))]
    for guard, processor in zip(found, processors, strict=True):
        guard._processor = processor
    return found


@pytest.mark.gen_test
async def test_the_same_bytes_are_no_other_image() -> None:
    with shop_of(processors=[guarded(replacing(lambda data: data))]) as shop:
        image = (await shop.importer.run(DOCUMENT)).image
        assert len(shop.detectors[0].asked) == 1
    assert image.source_sha256 is None


@pytest.mark.gen_test
async def test_expectations_judge_what_came() -> None:
    for wanted, is_met in ((SHA256, True), (hashlib.sha256(DATA * 2).hexdigest(), False)):
        document = replace(DOCUMENT, params={**DOCUMENT.params, "expect": {"sha256": wanted}})
        with shop_of(processors=[guarded(replacing(doubled))]) as shop:
            if is_met:
                await shop.importer.run(document)
            else:
                with pytest.raises(ExpectationFailed):
                    await shop.importer.run(document)


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize("error", [ImageRefused(), ProcessorUnavailable()], ids=type)
async def test_a_refused_image_is_not_stored(error: PluginError) -> None:
    found, _ = await failure_of(replacing(doubled), raising(error))
    assert (found, found.plugin) == (error, "number-1")


@pytest.mark.gen_test
async def test_the_next_source_is_tried_after_a_refusal() -> None:
    urls = [f"{DOCUMENT.url}/1", f"{DOCUMENT.url}/2"]
    refused: list[bytes] = []

    async def act(picture: Picture, _output: Output) -> Processed:
        if not refused:
            refused.append(picture.path.read_bytes())
            raise ImageRefused
        return Processed()

    with shop_of(processors=[guarded(act)]) as shop:
        await shop.importer.run(replace(DOCUMENT, params={**DOCUMENT.params, "url": urls}))
        assert shop.fetcher.opened == urls


@pytest.mark.gen_test
async def test_a_processor_that_hangs_says_nothing_about_the_image() -> None:
    async def hang(_picture: Picture, _output: Output) -> Processed:
        await asyncio.Event().wait()
        raise AssertionError

    found, _ = await failure_of(hang, deadline=0.05)
    assert isinstance(found, ProcessorStalled)


@pytest.mark.gen_test
@pytest.mark.parametrize("size", [10, 70_000], ids=["in memory", "on disk"])
@pytest.mark.parametrize("hides", [False, True])
async def test_an_input_that_is_changed_is_found(size: int, hides: bool) -> None:
    async def act(picture: Picture, _output: Output) -> Processed:
        before = picture.path.stat().st_mtime_ns
        with picture.path.open("r+b") as file:
            file.write(b"changed")
        if hides:
            os.utime(picture.path, ns=(before, before))
        return Processed()

    found, _ = await failure_of(act, data=bytes(size))
    assert isinstance(found, PluginFault)
    assert found.plugin == "number-0"


@pytest.mark.gen_test
async def test_what_is_written_after_the_answer_is_not_stored() -> None:
    kept = []

    async def act(picture: Picture, output: Output) -> Processed:
        file = output.path.open("r+b", buffering=0)
        kept.append(file)
        file.write(picture.path.read_bytes() * 2)
        return Processed(replaced=True)

    async def detect(_path: Path) -> ImageInfo:
        for file in kept:
            file.seek(0)
            file.write(b"other bytes")
        return INFO

    detector = ScriptedDetector()
    detector.on_detect = detect
    with shop_of(detector, processors=[guarded(act)]) as shop:
        await shop.importer.run(DOCUMENT)
        assert shop.stored == {DOCUMENT.storage_key: DATA * 2}
    for file in kept:
        file.close()


@pytest.mark.gen_test
async def test_an_output_that_is_too_long_fails_the_import() -> None:
    found, _ = await failure_of(replacing(lambda data: data * 200))
    assert isinstance(found, OutputTooLarge)
    assert found.facts == {"limit": MOST_PROCESSED}


@pytest.mark.gen_test
@pytest.mark.parametrize(("error", "kind"), [(ImageCorrupt(), PluginFault), (DetectorCrashed(), DetectorCrashed)])
async def test_an_output_that_no_detector_accepts(error: PluginError, kind: type[PluginError]) -> None:
    async def detect(path: Path) -> ImageInfo:
        if path.read_bytes() != DATA:
            raise error
        return INFO

    detector = ScriptedDetector()
    detector.on_detect = detect
    with shop_of(detector, processors=[guarded(replacing(doubled))]) as shop:
        with pytest.raises(kind):
            await shop.importer.run(DOCUMENT)
        assert shop.stored == {}


@pytest.mark.gen_test
async def test_a_cancelled_attempt_leaves_nothing() -> None:
    begun = asyncio.Event()

    async def act(_picture: Picture, output: Output) -> Processed:
        output.path.write_bytes(DATA)
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    with shop_of(processors=[guarded(act)]) as shop:
        await asyncio.get_running_loop().run_in_executor(shop.executor, lambda: None)  # its thread is the shop's
        async with no_leaks():
            task = asyncio.create_task(shop.importer.run(DOCUMENT))
            await begun.wait()
            task.cancel()
            await asyncio.wait((task,))
        assert task.cancelled()
        assert shop.stored == {}


# --- attempts that are repeated ---------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("first", "is_kept"),
    [(None, False), (replacing(lambda data: data[1:]), False), (replacing(doubled, {"attempt": 1}), True)],
    ids=["none", "others", "the same"],
)
async def test_a_stored_object_is_the_image_only_if_the_processors_make_it(first: Act | None, is_kept: bool) -> None:
    """The first attempt ends between its save and its result. Then the service starts again with other processors."""
    async with claimed() as shop:
        if first is not None:
            use_processor(shop, first)
        await shop.importer.run(shop.document)
        assert list(shop.backend._objects) == [shop.document.own_key]
        use_processor(shop, replacing(doubled, {"attempt": 2}))
        await shop.attempts.run(shop.document)
        image = (await shop.result()).image
        assert image is not None
        came = body_of(shop.document.url or "")
        assert {key: bytes(body) for key, body in shop.backend._objects.items()} == {image.key: doubled(came)}
        assert image.sha256 == hashlib.sha256(doubled(came)).hexdigest()
        assert image.source_sha256 == hashlib.sha256(came).hexdigest()
        assert image.facts == {"scripted": {"attempt": 2}}
        assert (image.key == shop.document.own_key) is is_kept


@pytest.mark.gen_test
async def test_an_attempt_whose_save_failed_is_repeated_whole() -> None:
    with shop_of(processors=[guarded(replacing(doubled))]) as shop:

        async def away() -> None:
            raise StorageUnavailable

        shop.storage.before_save = away
        with pytest.raises(StorageUnavailable):
            await shop.importer.run(DOCUMENT)
        shop.storage.before_save = None
        assert (await shop.importer.run(DOCUMENT)).image.source_sha256 == SHA256


# --- duplicates and previews ------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_images_that_become_the_same_share_one_object() -> None:
    async with claimed() as shop:
        documents = []
        for host in ("one", "two"):
            use_processor(shop, replacing(lambda _data: b"the same", {"host": host}))
            document = await shop.claim(host=host, params={"url": f"test://{host}/issuer/x", "dedupe": "organization"})
            await shop.attempts.run(document)
            documents.append(document)
        first, second = [await shop.get(document) for document in documents]
        assert first.image is not None
        assert second.duplicate is not None
        assert second.duplicate.key == first.image.key
        came = [hashlib.sha256(body_of(f"test://{host}/issuer/x")).hexdigest() for host in ("one", "two")]
        assert [first.image.source_sha256, second.duplicate.source_sha256] == came
        assert second.duplicate.facts == {"scripted": {"host": "two"}}


@pytest.mark.gen_test
async def test_an_unmodified_source_is_processed_again() -> None:
    async with claimed() as shop:
        params = {"url": "test://one/issuer/x", "dedupe": "organization"}
        asked: list[str | None] = []

        async def note(source: Source) -> None:
            asked.append(source.if_none_match)

        shop.fetcher.on_open = note
        document = await shop.claim(params=params)
        await shop.attempts.run(document)
        done = await shop.get(document)
        assert done.image is not None
        shop.store._imports[done.id] = replace(done, image=replace(done.image, etag='"1"'))
        await shop.attempts.run(await shop.claim(params=params))
        use_processor(shop, leaving())
        await shop.attempts.run(await shop.claim(params=params))
        assert asked[1:] == ['"1"', None]


@pytest.mark.gen_test
async def test_a_preview_says_what_each_processor_would_do() -> None:
    with shop_of(processors=[guarded(leaving({"a": 1}), "one"), guarded(replacing(doubled), "two")]) as shop:
        found = await shop.importer.preview(DOCUMENT, [Source(DOCUMENT.url or "")], lambda _: None)
        assert shop.stored == {}
    assert list(found.processors) == [
        {"plugin": "one", "replaced": False, "facts": {"a": 1}},
        {"plugin": "two", "replaced": True, "facts": {}},
    ]
    assert (found.facts["source_sha256"], found.facts["facts"]) == (SHA256, {"one": {"a": 1}})
