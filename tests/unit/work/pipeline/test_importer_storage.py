"""What the importer makes of what storage says."""

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from lading.plugins.contracts import ImageInfo, ObjectMetadata
from lading.plugins.errors import (
    ContentMismatch,
    DeadlineExceeded,
    NotAnImage,
    ObjectNotFound,
    PluginError,
    StorageFull,
    StorageUnavailable,
)
from lading.service.models import Image
from tests.support.importing import DATA, DOCUMENT, OTHER, Shop, shop_of
from tests.support.plugins.scripted import INFO, pieces

# --- storage ----------------------------------------------------------------------------------------------------------


async def save(shop: Shop, data: bytes) -> None:
    metadata = ObjectMetadata(len(data), hashlib.sha256(data).hexdigest(), "image/png")
    await shop.storage.save(DOCUMENT.storage_key, pieces(data), metadata)


@pytest.mark.gen_test
async def test_where_an_object_is_stored_already_the_outcome_describes_that_object() -> None:
    """The origin has changed its mind since an attempt that died between saving and finishing."""
    before = b"what the attempt that died had saved" * 10

    async def detect(path: Path) -> ImageInfo:
        return OTHER if path.read_bytes() == before else INFO

    with shop_of() as shop:
        shop.detectors[0].on_detect = detect
        await save(shop, before)
        outcome = await shop.importer.run(DOCUMENT)
        assert outcome.image == Image(
            format="JPEG",
            content_type="image/jpeg",
            width=30,
            height=20,
            frames=2,
            orientation=1,
            byte_size=len(before),
            sha256=hashlib.sha256(before).hexdigest(),
            storage="memory",
            key=DOCUMENT.storage_key,
            filename="origin.png",
        )
        assert shop.stored == {DOCUMENT.storage_key: before}
        assert len(shop.spools.opened) == 2


@pytest.mark.gen_test
async def test_a_stored_object_that_is_no_image_is_refused_and_not_replaced() -> None:
    async def detect(path: Path) -> ImageInfo:
        if path.read_bytes() == DATA:
            return INFO
        raise NotAnImage

    with shop_of() as shop:
        shop.detectors[0].on_detect = detect
        await save(shop, b"not an image")
        with pytest.raises(NotAnImage):
            await shop.importer.run(DOCUMENT)
        assert shop.stored == {DOCUMENT.storage_key: b"not an image"}


@pytest.mark.gen_test
async def test_an_object_that_vanishes_before_it_is_read_is_a_failure_of_storage() -> None:
    with shop_of() as shop:
        await save(shop, b"here and gone")

        async def vanish() -> None:
            await shop.storage.delete(DOCUMENT.storage_key)

        shop.storage.before_open = vanish
        with pytest.raises(ObjectNotFound):
            await shop.importer.run(DOCUMENT)


@pytest.mark.gen_test
@pytest.mark.parametrize("operation", ["save", "open"])
async def test_storage_that_is_too_slow_is_unavailable(operation: str) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    with shop_of(deadline=0.02) as shop:
        if operation == "save":
            shop.storage.before_save = hang
        else:
            await save(shop, b"stored already")
            shop.storage.before_open = hang
        with pytest.raises(StorageUnavailable) as caught:
            await shop.importer.run(DOCUMENT)
        assert caught.value.plugin == "memory"
        assert isinstance(caught.value.__cause__, DeadlineExceeded)
        assert operation in caught.value.internal


@pytest.mark.gen_test
@pytest.mark.parametrize("error", [StorageFull(), StorageUnavailable("down"), ContentMismatch()])
async def test_other_errors_of_storage_pass_unchanged(error: PluginError) -> None:
    async def fail() -> None:
        raise error

    with shop_of() as shop:
        shop.storage.before_save = fail
        with pytest.raises(type(error)) as caught:
            await shop.importer.run(DOCUMENT)
        assert caught.value is error
        shop.storage.before_save = None
        shop.storage.before_open = fail
        await save(shop, b"stored already")
        with pytest.raises(type(error)) as caught:
            await shop.importer.run(DOCUMENT)
        assert caught.value is error


@pytest.mark.gen_test
async def test_of_two_attempts_at_once_both_describe_the_one_object() -> None:
    """A worker that has lost its lease without knowing, and the one that has taken over."""
    with shop_of() as shop:
        bodies = iter((b"first" * 99, b"second" * 99))
        shop.fetcher.chunks = lambda _source: pieces(next(bodies))
        outcomes = await asyncio.gather(*(shop.importer.run(DOCUMENT) for _ in range(2)))
        # Where the stored bytes came from is known to the one alone that has stored them.
        images = [replace(outcome.image, source=None) for outcome in outcomes]
        assert images[0] == images[1]
        assert [outcome.image.source is None for outcome in outcomes].count(True) == 1
        (stored,) = shop.stored.values()
        assert outcomes[0].image.sha256 == hashlib.sha256(stored).hexdigest()
