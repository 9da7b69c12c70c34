"""An image is read from wherever it is, and deleted from everywhere: its storage, its mirror, where it was moved."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lading.plugins.contracts import StoredObject
from lading.plugins.errors import PluginError, StorageDenied, StorageUnavailable
from lading.service.errors.catalogue import ApiError
from lading.service.images.content.ranges import ByteRange
from lading.service.images.operations import Images, StoredImage, places_for_downloads
from lading.service.models import Import
from lading.service.models.grants import Grant
from lading.service.storages.routes import Storages
from tests.support.images import noise, store_image
from tests.support.plugins.storages import Warehouse, failing, warehouse
from tests.support.servers.service import ISSUER, ORGANIZATION

GRANT = Grant(issuer_id=ISSUER, organization_id=ORGANIZATION, token="", admin=True)
SIZE = 3 * 1024 * 1024 + 7
DATA = noise(SIZE)
DOWN = StorageUnavailable("down")


def images_of(shop: Warehouse) -> Images:
    return Images(shop.store, shop.storages, shop.clock, places_for_downloads(1))


async def kept_twice(shop: Warehouse, **changes: Any) -> StoredImage:
    facts = {"mirror": "b", "is_mirrored": True, **changes}
    found = await store_image(shop.store, shop.guards["a"], "a", shop.clock, DATA, **facts)
    shop.b._objects[found.image.key] = bytearray(DATA)
    return found


async def content(shop: Warehouse, document: Import, part: ByteRange | None = None) -> bytes:
    images = images_of(shop)
    found = await images.readable(GRANT, document.image_id or "")
    return b"".join([chunk async for chunk in images.read(found, part or found.whole)])


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["down", "denied", "lost", "cut"])
@pytest.mark.parametrize("part", [None, ByteRange(5, SIZE - 10), ByteRange(SIZE - 1, 1)])
@pytest.mark.gen_test
async def test_the_mirror_is_read_where_the_storage_fails(trouble: str, part: ByteRange | None) -> None:
    async with warehouse("b") as shop:
        found = await kept_twice(shop)
        if trouble == "lost":
            del shop.a._objects[found.image.key]
        elif trouble == "cut":
            del shop.a._objects[found.image.key][-1:]
        else:
            shop.a.before = failing(DOWN if trouble == "down" else StorageDenied("no"), "open")
        expected = DATA if part is None else DATA[part.offset : part.offset + part.length]
        assert await content(shop, found.document, part) == expected


@pytest.mark.gen_test
async def test_the_main_storage_is_read_where_it_works() -> None:
    async with warehouse("b") as shop:
        found = await kept_twice(shop)
        assert await content(shop, found.document) == DATA
        assert ("open", found.image.key) not in shop.b.calls


@pytest.mark.parametrize("pieces", [0, 1, 2, 3])
@pytest.mark.gen_test
async def test_a_storage_that_fails_midway_is_gone_on_from_in_the_mirror(pieces: int) -> None:
    async with warehouse("b") as shop:
        found = await kept_twice(shop)
        opened = shop.a.open

        @asynccontextmanager
        async def breaking(key: str, **options: Any) -> AsyncIterator[StoredObject]:
            async with opened(key, **options) as stored:
                yield StoredObject(stored.byte_size, broken(stored.chunks))

        async def broken(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
            for _ in range(pieces):
                yield await anext(chunks)
            raise DOWN

        shop.a.open = breaking  # type: ignore[method-assign]
        assert await content(shop, found.document) == DATA


@pytest.mark.parametrize(
    ("main", "mirror", "code"),
    [
        (None, None, "image_lost"),
        (DOWN, None, "image_unavailable"),
        (None, DOWN, "image_unavailable"),
        (DOWN, StorageDenied("no"), "image_unavailable"),
    ],
)
@pytest.mark.gen_test
async def test_where_both_fail_the_answer_says_whether_to_try_again(
    main: PluginError | None, mirror: PluginError | None, code: str
) -> None:
    async with warehouse("b") as shop:
        found = await kept_twice(shop)
        for backend, error in ((shop.a, main), (shop.b, mirror)):
            if error is None:
                del backend._objects[found.image.key]
            else:
                backend.before = failing(error, "open")
        with pytest.raises(ApiError, match=code):
            await content(shop, found.document)


@pytest.mark.gen_test
async def test_a_pending_copy_is_not_read() -> None:
    async with warehouse("b") as shop:
        found = await kept_twice(shop, is_mirrored=False)
        shop.a.before = failing(DOWN, "open")
        with pytest.raises(ApiError, match="image_unavailable"):
            await content(shop, found.document)


@pytest.mark.gen_test
async def test_an_image_that_is_moved_between_its_document_and_its_bytes_is_read_all_the_same() -> None:
    async with warehouse() as shop:
        found = await store_image(shop.store, shop.guards["a"], "a", shop.clock, DATA)

        async def move(name: str, key: str) -> None:
            if name == "open":
                shop.b._objects[key] = shop.a._objects.pop(key)
                assert await shop.store.update(found.document.image_moved("b", shop.clock.now()))

        shop.a.before = move
        assert await content(shop, found.document) == DATA


@pytest.mark.gen_test
async def test_a_mirror_is_read_also_where_the_main_storage_is_not_configured() -> None:
    async with warehouse() as shop:
        found = await kept_twice(shop)
        shop.storages = Storages({"b": shop.guards["b"]}, "b")
        assert await content(shop, found.document) == DATA
        shop.storages = Storages({"c": shop.guards["b"]}, "c")
        with pytest.raises(ApiError, match="image_elsewhere"):
            await content(shop, found.document)


@pytest.mark.gen_test
async def test_an_image_that_is_moved_meanwhile_to_where_nobody_reads_is_not_called_lost() -> None:
    async with warehouse() as shop:
        found = await store_image(shop.store, shop.guards["a"], "a", shop.clock, DATA)

        async def move(name: str, key: str) -> None:
            if name == "open":
                del shop.a._objects[key]
                assert await shop.store.update(found.document.image_moved("c", shop.clock.now()))

        shop.a.before = move
        with pytest.raises(ApiError, match="image_elsewhere"):
            await content(shop, found.document)


# --- deleting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_mirrored", [True, False])
@pytest.mark.gen_test
async def test_both_copies_go(is_mirrored: bool) -> None:
    async with warehouse("b") as shop:
        found = await kept_twice(shop, is_mirrored=is_mirrored)
        after = await images_of(shop).delete(GRANT, found.document.image_id or "")
        assert after.image_purged_at is not None
        assert shop.a.objects == shop.b.objects == {}


@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.gen_test
async def test_a_deletion_is_not_complete_before_both_are_gone(name: str) -> None:
    async with warehouse("b") as shop:
        found = await kept_twice(shop)
        images = images_of(shop)
        shop.backends[name].before = failing(DOWN, "delete")
        with pytest.raises(ApiError, match="image_unavailable"):
            await images.delete(GRANT, found.document.image_id or "")
        begun = await shop.current(found.document)
        assert begun.image_deleted_at is not None
        assert begun.image_purged_at is None
        shop.backends[name].before = None
        assert (await images.purge(begun)).image_purged_at is not None
        assert shop.a.objects == shop.b.objects == {}


@pytest.mark.gen_test
async def test_an_image_is_deleted_from_where_it_is_by_then() -> None:
    async with warehouse() as shop:
        found = await store_image(shop.store, shop.guards["a"], "a", shop.clock, DATA)
        shop.b._objects[found.image.key] = bytearray(DATA)
        update = shop.store.update
        moved = found.document.image_moved("b", shop.clock.now())

        async def moved_first(document: Import) -> bool:
            if document.image_deleted_at is not None and not moves:
                moves.append(await update(moved))
            return await update(document)

        moves: list[bool] = []
        shop.store.update = moved_first  # type: ignore[method-assign]
        await images_of(shop).delete(GRANT, found.document.image_id or "")
        assert found.image.key not in shop.b.objects
        assert found.image.key in shop.a.objects, "what a move leaves behind is not the deletion's"


@pytest.mark.gen_test
async def test_nothing_is_begun_where_a_copy_is_out_of_reach() -> None:
    async with warehouse() as shop:
        found = await kept_twice(shop)
        shop.storages = Storages({"a": shop.guards["a"]}, "a")
        with pytest.raises(ApiError, match="image_elsewhere"):
            await images_of(shop).delete(GRANT, found.document.image_id or "")
        assert (await shop.current(found.document)).image_deleted_at is None
        assert await content(shop, found.document) == DATA
