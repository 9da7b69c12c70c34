"""Each image is kept twice; an outage of the mirror stops no import and is made up for, and nothing is forgotten."""

import asyncio
import hashlib
import os
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

import lading.service.storages.backfill
import lading.service.storages.mirror
import lading.service.storages.sweep
from lading.backends.guard.files import files_of
from lading.backends.guard.storage import GuardedStorage
from lading.backends.local.storage import LocalStorage, LocalStorageOptions
from lading.plugins.contracts import ObjectMetadata
from lading.plugins.errors import ContentMismatch, ObjectNotFound, StorageFull, StorageUnavailable
from lading.service.documents import StoreUnavailable
from lading.service.models import Held, Image, Import
from lading.service.secrets.vault import Vault
from lading.service.storages.backfill import AGE, Copyist, Mirroring
from lading.service.storages.mirror import Mirror
from lading.service.storages.spool import Spools
from lading.service.storages.sweep import ATTEMPTS, GIVE_UP_AFTER, Outcome
from lading.service.work.pipeline.importer import Importer
from tests.support.importing import DATA, DOCUMENT, Shop, TakesFiles, shop_of
from tests.support.plugins.scripted import pieces, until
from tests.support.plugins.storages import ScriptedStorage, Warehouse, deleting, failing, warehouse

DOWN = StorageUnavailable("the mirror is down")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.storages.sweep, "PAUSE", 0.0001)


# --- an import --------------------------------------------------------------------------------------------------------


def mirrored(shop: Shop, backend: ScriptedStorage) -> Importer:
    return Importer(
        fetchers={"test": shop.fetcher},
        detectors=shop.detectors,
        storage=GuardedStorage(shop.storage, name="memory"),
        storage_name="memory",
        spools=shop.spools,
        vault=Vault(),
        mirror=Mirror(GuardedStorage(backend, name="mirror")),
    )


async def image_of(importer: Importer) -> Image:
    return (await importer.run(DOCUMENT)).image


@pytest.mark.gen_test
async def test_an_import_is_in_both_when_it_is_done() -> None:
    with shop_of() as shop:
        backend = ScriptedStorage()
        image = await image_of(mirrored(shop, backend))
        assert (image.storage, image.mirror, image.is_mirrored) == ("memory", "mirror", True)
        assert shop.stored == backend.objects == {DOCUMENT.storage_key: DATA}
        assert image.places == ("memory", "mirror")


@pytest.mark.gen_test
async def test_a_mirror_that_takes_files_is_given_the_file() -> None:
    with shop_of() as shop:
        backend = ScriptedStorage()
        importer, files = mirrored(shop, backend), TakesFiles(backend)
        importer._mirror = Mirror(GuardedStorage(backend, name="mirror"), files)
        image = await image_of(importer)
        assert (image.is_mirrored, files.saved) == (True, 1)
        assert shop.stored == backend.objects == {DOCUMENT.storage_key: DATA}


@pytest.mark.gen_test
async def test_a_file_becomes_two_objects_on_one_disk(tmp_path: Path) -> None:
    """Its file may become the first; the second is a file of its own."""
    here = [GuardedStorage(LocalStorage(LocalStorageOptions(path=tmp_path / name)), name=name) for name in ("a", "b")]
    with shop_of() as shop:
        for storage in here:
            await storage.ping()
        files = files_of(here[0])
        assert files is not None
        made: list[int] = []

        def make_file() -> int | None:
            descriptor = files.make_file()
            if descriptor is None:
                pytest.skip("this file system has no files without a name")
            made.append(os.fstat(descriptor).st_ino)
            return descriptor

        importer = Importer(
            fetchers={"test": shop.fetcher},
            detectors=shop.detectors,
            storage=here[0],
            storage_name="a",
            files=files,
            spools=Spools(0, None, shop.executor, make_file),
            vault=Vault(),
            mirror=Mirror(here[1], files_of(here[1])),
        )
        image = await image_of(importer)
        stored = [tmp_path / name / DOCUMENT.storage_key for name in ("a", "b")]
        assert image.is_mirrored
        assert [path.read_bytes() for path in stored] == [DATA, DATA]
        assert [stored[0].stat().st_ino] == made, "the file has become the first object"
        assert stored[1].stat().st_ino not in made
        for storage in here:
            await storage.close()


@pytest.mark.gen_test
async def test_without_a_mirror_there_is_one_copy() -> None:
    with shop_of() as shop:
        image = (await shop.importer.run(DOCUMENT)).image
        assert (image.mirror, image.is_mirrored, image.places) == (None, False, ("memory",))


@pytest.mark.parametrize("error", [DOWN, StorageFull("full"), RuntimeError("a bug in the plugin")])
@pytest.mark.gen_test
async def test_a_mirror_that_fails_fails_no_import(error: Exception) -> None:
    with shop_of() as shop:
        backend = ScriptedStorage()
        backend.before = failing(error, "save")
        with capture_logs() as lines:
            image = await image_of(mirrored(shop, backend))
        assert (image.mirror, image.is_mirrored) == ("mirror", False)
        assert shop.stored == {DOCUMENT.storage_key: DATA}
        assert [line["component"] for line in lines if line["event"] == "does not work"] == ["the mirror mirror"]


@pytest.mark.gen_test
async def test_a_mirror_that_fails_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    with shop_of() as shop:
        backend = ScriptedStorage()
        importer = mirrored(shop, backend)
        backend.before = failing(DOWN, "save")
        assert not (await image_of(importer)).is_mirrored
        shop.storage._objects.clear()
        assert not (await image_of(importer)).is_mirrored
        assert len(backend.calls) == 1, "no import waits for it"
        monkeypatch.setattr(importer._mirror, "_resume_at", 0.0)
        shop.storage._objects.clear()
        backend.before = None
        assert (await image_of(importer)).is_mirrored
        assert [name for name, _ in backend.calls] == ["save", "ping", "save"], "it may have to prepare itself"


@pytest.mark.gen_test
async def test_one_import_tries_a_mirror_that_hangs_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = ObjectMetadata(len(DATA), hashlib.sha256(DATA).hexdigest(), "image/png")
    with shop_of() as shop, shop.spools.open() as spool:
        await spool.fill(pieces(DATA))
        backend = ScriptedStorage()
        mirror = Mirror(GuardedStorage(backend, name="mirror"))
        backend.before = failing(DOWN, "save", times=1)
        assert not await mirror.save("a", spool, metadata)
        answers = asyncio.Event()

        async def hangs(_name: str, _key: str) -> None:
            await answers.wait()

        backend.before = hangs
        monkeypatch.setattr(mirror, "_resume_at", 0.0)
        trying = asyncio.create_task(mirror.save("b", spool, metadata))
        await until(lambda: backend.calls[-1] == ("ping", ""))
        async with asyncio.timeout(10):
            assert not await mirror.save("c", spool, metadata)
        answers.set()
        assert await trying
        assert await mirror.save("d", spool, metadata), "it works again, for all"


class Unreadable(TakesFiles):
    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        raise OSError("the bytes of a spool were changed")


@pytest.mark.gen_test
async def test_a_body_that_cannot_be_read_for_the_mirror_fails_no_import() -> None:
    with shop_of() as shop:
        backend = ScriptedStorage()
        importer = mirrored(shop, backend)
        importer._mirror = mirror = Mirror(GuardedStorage(backend, name="mirror"), Unreadable(backend))
        image = await image_of(importer)
        assert (image.mirror, image.is_mirrored) == ("mirror", False)
        assert shop.stored == {DOCUMENT.storage_key: DATA}
        assert not mirror._failed, "it is no fault of the mirror"


@pytest.mark.gen_test
async def test_what_an_earlier_attempt_left_in_the_mirror_is_compared_later() -> None:
    with shop_of() as shop:
        backend = ScriptedStorage()
        importer = mirrored(shop, backend)
        await image_of(importer)
        again = await image_of(importer)
        assert (again.mirror, again.is_mirrored) == ("mirror", False)
        shop.storage._objects.clear()
        third = await image_of(importer)
        assert not third.is_mirrored, "who saved it is not known"


# --- what is pending --------------------------------------------------------------------------------------------------


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
            await until(lambda: any(line["event"] == "works again" for line in lines))
            task.cancel()
            await asyncio.wait({task})
        events = [line["event"] for line in lines]
        assert events.count("does not work") == events.count("works again") == 1
        assert events.count("the making of second copies failed unexpectedly") == 1
        assert events.count("a second copy was made") == 3


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
