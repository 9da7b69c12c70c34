"""The sweep that makes the copies which a mirror lacks."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

import lading.service.storages.backfill
import lading.service.storages.mirror
import lading.service.storages.sweep
from lading.backends.guard.storage import GuardedStorage
from lading.plugins.errors import ContentMismatch, ObjectNotFound, StorageFull, StorageUnavailable
from lading.service.documents import StoreUnavailable
from lading.service.models import Held, Import
from lading.service.storages.backfill import AGE, Copyist, Mirroring
from lading.service.storages.sweep import ATTEMPTS, GIVE_UP_AFTER, Outcome
from tests.support.plugins.scripted import until
from tests.support.plugins.storages import ScriptedStorage, Warehouse, deleting, failing, warehouse

DOWN = StorageUnavailable("the mirror is down")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.storages.sweep, "PAUSE", 0.0001)


def mirroring(shop: Warehouse, seed: int = 7) -> Mirroring:
    return Mirroring(Copyist(shop.store, shop.storages, shop.clock), random.Random(seed))


async def pending(shop: Warehouse, number: int) -> list[Import]:
    documents = await shop.add(number, mirror="b")
    shop.clock.advance(AGE)
    return documents


async def left(shop: Warehouse) -> int:
    return len(await shop.store.images_in("b", Held.PENDING, "", 1000))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.gen_test
async def test_pending_copies_are_made(seed: int) -> None:
    async with warehouse("b") as shop:
        documents = await pending(shop, 10)
        assert await mirroring(shop, seed).sweep() == 10
        assert shop.b.objects == shop.a.objects
        for document in documents:
            image = (await shop.current(document)).image
            assert image is not None
            assert (image.storage, image.mirror, image.is_mirrored) == ("a", "b", True)
        assert await mirroring(shop).sweep() == 0


@pytest.mark.gen_test
async def test_a_young_one_is_left_to_its_import() -> None:
    async with warehouse("b") as shop:
        await shop.add(1, mirror="b")
        assert await mirroring(shop).sweep() == 0
        shop.clock.advance(AGE)
        assert await mirroring(shop).sweep() == 1


@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.gen_test
async def test_one_of_another_time_does_not_wait_for_that(hours: int) -> None:
    async with warehouse("b") as shop:
        await shop.add(1, mirror="b")
        shop.clock.advance(timedelta(hours=hours))
        assert await mirroring(shop).sweep() == 1


@pytest.mark.gen_test
async def test_several_at_once_write_each_document_once() -> None:
    async with warehouse("b") as shop:
        documents = await pending(shop, 20)
        await asyncio.gather(*(mirroring(shop, seed).sweep() for seed in range(4)))
        assert shop.b.objects == shop.a.objects
        for document in documents:
            assert (await shop.current(document)).revision == document.revision + 1


@pytest.mark.gen_test
async def test_a_mirror_that_is_down_is_asked_once_a_look() -> None:
    async with warehouse("b") as shop:
        await pending(shop, 10)
        shop.b.before = failing(DOWN, "ping", "exists", "save")
        with pytest.raises(StorageUnavailable):
            await mirroring(shop).sweep()
        assert [name for name, _ in shop.b.calls if name != "ping"] == []
        assert await left(shop) == 10
        shop.b.before = None
        assert await mirroring(shop).sweep() == 10


@pytest.mark.gen_test
async def test_images_that_cannot_be_copied_keep_no_others_from_it() -> None:
    async with warehouse("b") as shop:
        documents = await pending(shop, 10)
        lost, other = documents[3], documents[4]
        del shop.a._objects[lost.storage_key]
        shop.b._objects[other.storage_key] = bytearray(b"other")
        with pytest.raises((ObjectNotFound, ContentMismatch)):
            await mirroring(shop).sweep()
        waiting = await shop.store.images_in("b", Held.PENDING, "", 100)
        assert {document.id for document in waiting} == {lost.id, other.id}
        assert shop.b.objects[other.storage_key] == b"other"


@pytest.mark.gen_test
async def test_many_failures_in_a_row_end_a_look() -> None:
    async with warehouse("b") as shop:
        await pending(shop, 5 * GIVE_UP_AFTER)
        shop.b.before = failing(StorageFull("full"), "save")
        with pytest.raises(StorageFull):
            await mirroring(shop).sweep()
        tried = {key for name, key in shop.b.calls if name == "save"}
        assert len(tried) <= 2 * (GIVE_UP_AFTER + lading.service.storages.backfill.CONCURRENCY)


@pytest.mark.gen_test
async def test_what_is_deleted_while_it_is_copied_leaves_no_copy() -> None:
    async with warehouse("b") as shop:
        (document,) = await pending(shop, 1)

        async def delete(name: str, _key: str) -> None:
            if name == "save":
                deleted = document.image_deleted(shop.clock.now())
                assert await shop.store.update(deleted)
                assert await shop.store.update(deleted.image_purged(shop.clock.now()))

        shop.b.before = delete
        assert await mirroring(shop).sweep() == 0
        assert shop.b.objects == {}


@pytest.mark.gen_test
async def test_a_copy_of_a_deleted_image_that_cannot_be_removed_at_once_is_removed_later() -> None:
    async with warehouse("b") as shop:
        (document,) = await pending(shop, 1)
        shop.b.before = deleting(shop, document, failures=ATTEMPTS - 1)
        assert await mirroring(shop).sweep() == 0
        assert shop.b.objects == {}


@pytest.mark.gen_test
async def test_an_image_that_is_moved_meanwhile_is_mirrored_all_the_same() -> None:
    async with warehouse("b") as shop:
        (document,) = await pending(shop, 1)

        async def move(name: str, _key: str) -> None:
            if name == "save":
                assert await shop.store.update(document.image_moved("c", shop.clock.now()))

        shop.b.before = move
        assert await mirroring(shop).sweep() == 1
        image = (await shop.current(document)).image
        assert image is not None
        assert (image.storage, image.mirror, image.is_mirrored) == ("c", "b", True)


@pytest.mark.gen_test
async def test_it_goes_on_through_outages_and_bugs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.storages.backfill, "INTERVAL", 0.001)
    async with warehouse("b") as shop:
        await pending(shop, 3)
        errors: list[Exception] = [DOWN, DOWN, RuntimeError("a bug"), StoreUnavailable("down")]
        images_in = shop.store.images_in
        store: Any = shop.store

        async def first_failing(*arguments: Any) -> Any:
            if errors:
                raise errors.pop(0)
            return await images_in(*arguments)

        store.images_in = first_failing
        with capture_logs() as lines:
            task = asyncio.create_task(mirroring(shop).run())
            await until(lambda: len(shop.b.objects) == 3)
            while await left(shop):
                await asyncio.sleep(0.001)
            await until(lambda: any(line["event"] == "a component recovered" for line in lines))
            task.cancel()
            await asyncio.wait({task})
        events = [line["event"] for line in lines]
        assert events.count("a component is down") == events.count("a component recovered") == 1
        assert events.count("making second copies failed unexpectedly") == 1
        assert events.count("made a second copy") == 3


@pytest.mark.gen_test
async def test_images_of_before_the_mirror_are_copied_when_asked() -> None:
    async with warehouse("b") as shop:
        (document,) = await shop.add(1)
        (old,) = await shop.add(1, mirror="retired", is_mirrored=True)
        copyist = Copyist(shop.store, shop.storages, shop.clock)
        for one in (document, old):
            assert await copyist.mirror("b", one) is Outcome.COPIED
            current = await shop.current(one)
            assert current.image is not None
            assert (current.image.mirror, current.image.is_mirrored) == ("b", True)
            assert await copyist.mirror("b", current) is Outcome.SKIPPED
        deleted = (await shop.current(document)).image_deleted(shop.clock.now() + timedelta(seconds=1))
        assert await copyist.mirror("b", deleted) is Outcome.SKIPPED


def moving_mirror(shop: Warehouse, *cleared: str) -> Copyist:
    """To ``b``, from an earlier one."""
    shop.backends["old"] = ScriptedStorage()
    shop.guards["old"] = GuardedStorage(shop.backends["old"], name="old")
    return Copyist(shop.store, shop.storages, shop.clock, cleared)


@pytest.mark.parametrize("cleared", [("old",), ()])
@pytest.mark.gen_test
async def test_a_new_mirror_takes_the_place_of_the_old_one(cleared: tuple[str, ...]) -> None:
    async with warehouse("b") as shop:
        copyist = moving_mirror(shop, *cleared)
        (document,) = await shop.add(1, mirror="old", is_mirrored=True)
        shop.backends["old"]._objects.update(shop.a._objects)
        assert await copyist.mirror("b", document) is Outcome.COPIED
        assert shop.b.objects == shop.a.objects
        assert shop.backends["old"].objects == ({} if cleared else shop.a.objects)


@pytest.mark.gen_test
async def test_an_old_mirror_that_fails_or_is_a_place_of_the_image_again_keeps_its_copy() -> None:
    async with warehouse("b") as shop:
        copyist = moving_mirror(shop, "old")
        failed, moved = await shop.add(2, mirror="old", is_mirrored=True)
        old = shop.backends["old"]
        old._objects.update(shop.a._objects)

        async def moves(name: str) -> None:
            if name == "update":
                shop.store.on_call = None
                now = await shop.current(moved)
                assert await shop.store.update(now.image_moved("old", shop.clock.now()))

        old.before = failing(DOWN, "delete")
        assert await copyist.mirror("b", failed) is Outcome.COPIED
        old.before = None
        shop.store.on_call = moves
        assert await copyist.mirror("b", moved) is Outcome.COPIED
        assert old.objects == shop.a.objects
