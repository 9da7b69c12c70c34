"""Images move from storage to storage: whole, once, and whatever fails or happens meanwhile."""

import asyncio
import random
from typing import Any

import pytest

import lading.service.storages.sweep
from lading.backends.guard.storage import GuardedStorage
from lading.plugins.errors import ContentMismatch, ObjectNotFound, StorageDenied, StorageUnavailable
from lading.service.documents import StoreUnavailable
from lading.service.models import Import
from lading.service.storages.copies import are_one_place
from lading.service.storages.migration import Mover
from lading.service.storages.sweep import ATTEMPTS, GIVE_UP_AFTER, Failed, Outcome
from tests.support.plugins.storages import Warehouse, deleting, failing, warehouse


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.storages.sweep, "PAUSE", 0.0001)
    monkeypatch.setattr(lading.service.storages.sweep, "BATCH", 3)


def mover(shop: Warehouse, **options: Any) -> Mover:
    return Mover(shop.store, shop.guards["a"], shop.guards["b"], shop.clock, random.Random(7), **options)


async def moved(shop: Warehouse, concurrency: int = 4, **options: Any) -> list[Outcome | Failed]:
    outcomes: list[Outcome | Failed] = []
    assert await mover(shop, **options).run(concurrency, lambda _document, outcome: outcomes.append(outcome))
    return outcomes


@pytest.mark.parametrize("concurrency", [1, 4, 50])
@pytest.mark.gen_test
async def test_every_image_of_the_source_moves_and_no_other(concurrency: int) -> None:
    async with warehouse() as shop:
        documents = await shop.add(10)
        await shop.add(2, "b")
        before = shop.a.objects
        assert await moved(shop, concurrency) == [Outcome.COPIED] * 10
        assert {await shop.storage_of(document) for document in documents} == {"b"}
        assert shop.a.objects == before, "the source keeps what it has"
        assert before.items() <= shop.b.objects.items()
        assert len(shop.b.objects) == 12
        assert await moved(shop) == []


@pytest.mark.gen_test
async def test_one_organization_moves_alone() -> None:
    async with warehouse() as shop:
        others = await shop.add(5)
        documents = await shop.add(5, organization_id="acme")
        await shop.add(1, "b", organization_id="acme")
        options: dict[str, Any] = {"delete_source": True, "verify": True, "organization_id": "acme"}
        assert await moved(shop, **options) == [Outcome.COPIED] * 5
        assert {await shop.storage_of(document) for document in documents} == {"b"}
        assert {await shop.storage_of(document) for document in others} == {"a"}
        assert set(shop.a.objects) == {document.storage_key for document in others}
        assert await moved(shop, **options) == []
        assert await moved(shop, organization_id="nobody") == []


@pytest.mark.gen_test
async def test_the_target_learns_whose_the_image_is() -> None:
    async with warehouse() as shop:
        [document] = await shop.add(1)
        assert await moved(shop) == [Outcome.COPIED]
        metadata = shop.b.metadata[document.storage_key]
        assert (metadata.import_id, metadata.organization_id) == (document.id, document.organization_id)
        assert (metadata.issuer_id, metadata.album_id) == (document.issuer_id, document.album_id)
        assert None not in (metadata.organization_id, metadata.issuer_id)


@pytest.mark.gen_test
async def test_sources_go_only_when_their_documents_are_written() -> None:
    async with warehouse() as shop:
        documents = await shop.add(5)
        by_key = {document.storage_key: document for document in documents}

        async def before(name: str, key: str) -> None:
            if name == "delete":
                assert await shop.storage_of(by_key[key]) == "b"

        shop.a.before = before
        assert await moved(shop, delete_source=True) == [Outcome.COPIED] * 5
        assert shop.a.objects == {}
        assert len(shop.b.objects) == 5


@pytest.mark.gen_test
async def test_what_the_target_has_already_is_compared_and_not_copied() -> None:
    async with warehouse() as shop:
        (document,) = await shop.add(1)
        shop.b._objects[document.storage_key] = bytearray(shop.a.objects[document.storage_key])
        shop.a.before = failing(StorageUnavailable("the old disk is dead"), "open")
        assert await moved(shop) == [Outcome.FOUND]
        assert await shop.storage_of(document) == "b"


@pytest.mark.parametrize("other", [b"", b"other", bytes(100)], ids=["empty", "short", "same size"])
@pytest.mark.gen_test
async def test_what_the_target_has_and_is_another_stops_the_move(other: bytes) -> None:
    async with warehouse() as shop:
        (document,) = await shop.add(1)
        shop.b._objects[document.storage_key] = bytearray(other)
        (failure,) = await moved(shop, delete_source=True)
        assert isinstance(failure, ContentMismatch)
        assert await shop.storage_of(document) == "a"
        assert shop.b.objects[document.storage_key] == other, "it is not ours to replace"
        assert document.storage_key in shop.a.objects


@pytest.mark.gen_test
async def test_a_damaged_or_lost_image_stays_where_it_is_and_keeps_no_other_from_moving() -> None:
    async with warehouse() as shop:
        documents = await shop.add(6)
        shop.a._objects[documents[1].storage_key][0] ^= 1
        del shop.a._objects[documents[2].storage_key]
        del shop.a._objects[documents[3].storage_key][-1:]
        outcomes = await moved(shop, delete_source=True)
        assert outcomes.count(Outcome.COPIED) == 3
        failures = [type(outcome) for outcome in outcomes if not isinstance(outcome, Outcome)]
        assert sorted(failures, key=str) == [ContentMismatch, ContentMismatch, ObjectNotFound]
        assert [await shop.storage_of(document) for document in documents] == ["b", "a", "a", "a", "b", "b"]
        assert len(shop.b.objects) == 3
        assert len(shop.a.objects) == 2


@pytest.mark.gen_test
async def test_verify_finds_a_target_that_does_not_keep_what_it_was_given() -> None:
    class Rots(GuardedStorage):
        async def save(self, key: str, *arguments: Any) -> None:
            await super().save(key, *arguments)
            shop.b._objects[key][0] ^= 1

    async with warehouse() as shop:
        (document,) = await shop.add(1)
        shop.guards["b"] = Rots(shop.b, name="b")
        (failure,) = await moved(shop, verify=True, delete_source=True)
        assert isinstance(failure, ContentMismatch)
        assert await shop.storage_of(document) == "a"
        assert document.storage_key in shop.a.objects


# --- outages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["exists", "save"])
@pytest.mark.gen_test
async def test_a_short_outage_is_waited_for(name: str) -> None:
    async with warehouse() as shop:
        await shop.add(1)
        shop.b.before = failing(StorageUnavailable("down"), name, times=ATTEMPTS - 1)
        assert await moved(shop) == [Outcome.COPIED]


@pytest.mark.parametrize("error", [StorageUnavailable("down"), StorageDenied("read-only")])
@pytest.mark.gen_test
async def test_a_long_one_ends_the_run_and_loses_nothing(error: Exception) -> None:
    async with warehouse() as shop:
        documents = await shop.add(GIVE_UP_AFTER + 20)
        shop.b.before = failing(error, "save")
        outcomes: list[Outcome | Failed] = []
        assert not await mover(shop, delete_source=True).run(2, lambda _document, outcome: outcomes.append(outcome))
        assert GIVE_UP_AFTER <= len(outcomes) <= GIVE_UP_AFTER + 2
        assert not any(isinstance(outcome, Outcome) for outcome in outcomes)
        assert len(shop.a.objects) == len(documents)
        shop.b.before = None
        assert await moved(shop, delete_source=True) == [Outcome.COPIED] * len(documents)


@pytest.mark.parametrize("fault", ["before", "after"])
@pytest.mark.gen_test
async def test_a_write_whose_answer_is_lost(fault: Any) -> None:
    async with warehouse() as shop:
        (document,) = await shop.add(1)
        shop.store.fault = lambda name, number: fault if (name, number) == ("update", 1) else None
        (outcome,) = await moved(shop, delete_source=True)
        assert outcome is Outcome.FOUND
        assert shop.a.objects == {}, "what was moved goes from the source all the same"
        assert (await shop.current(document)).revision == document.revision + 1
        assert await shop.storage_of(document) == "b"


@pytest.mark.gen_test
async def test_a_listing_that_fails_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    async with warehouse() as shop:
        await shop.add(3)
        await shop.store.close()
        with pytest.raises(StoreUnavailable):
            await moved(shop)


# --- others at work ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("purged", [True, False])
@pytest.mark.gen_test
async def test_what_is_deleted_while_it_is_copied_leaves_no_copy(purged: bool) -> None:
    async with warehouse() as shop:
        (document,) = await shop.add(1)

        async def delete(name: str, key: str) -> None:
            if name == "save":
                deleted = document.image_deleted(shop.clock.now())
                assert await shop.store.update(deleted)
                if purged:
                    await shop.a.delete(key)
                    assert await shop.store.update(deleted.image_purged(shop.clock.now()))

        shop.b.before = delete
        assert await moved(shop, delete_source=True) == [Outcome.SKIPPED]
        assert shop.b.objects == {}
        found = await shop.current(document)
        assert found.image_deleted_at is not None
        assert await shop.storage_of(document) == "a", "the deletion says where its bytes are"


@pytest.mark.gen_test
async def test_a_copy_of_a_deleted_image_that_cannot_be_removed_at_once_is_removed_later() -> None:
    async with warehouse() as shop:
        (document,) = await shop.add(1)
        shop.b.before = deleting(shop, document, failures=ATTEMPTS - 1)
        assert await moved(shop) == [Outcome.SKIPPED]
        assert shop.b.objects == {}


@pytest.mark.gen_test
async def test_a_deleted_image_is_left_to_its_deletion() -> None:
    async with warehouse() as shop:
        (document,) = await shop.add(1)
        assert await shop.store.update(document.image_deleted(shop.clock.now()))
        assert await moved(shop) == [Outcome.SKIPPED]
        assert shop.b.objects == {}


@pytest.mark.gen_test
async def test_another_write_meanwhile_is_kept() -> None:
    async with warehouse() as shop:
        (document,) = await shop.add(1)

        async def mirrored(name: str, _key: str) -> None:
            if name == "save":
                assert await shop.store.update(document.image_mirrored("c", shop.clock.now()))

        shop.b.before = mirrored
        assert await moved(shop) == [Outcome.COPIED]
        image = (await shop.current(document)).image
        assert image is not None
        assert (image.storage, image.mirror, image.is_mirrored) == ("b", "c", True)


@pytest.mark.parametrize(("elsewhere", "outcome"), [("b", Outcome.FOUND), ("c", Outcome.SKIPPED)])
@pytest.mark.gen_test
async def test_what_another_run_has_moved_meanwhile_is_no_failure(elsewhere: str, outcome: Outcome) -> None:
    async with warehouse() as shop:
        (document,) = await shop.add(1)
        body = shop.a.objects[document.storage_key]

        async def moved_by_another(name: str, key: str) -> None:
            if name == "open":
                shop.b._objects[key] = shop.a._objects.pop(key)
                assert await shop.store.update(document.image_moved(elsewhere, shop.clock.now()))
                shop.a.before = None

        shop.a.before = moved_by_another
        assert await moved(shop, delete_source=True) == [outcome]
        assert shop.b.objects == {document.storage_key: body}
        assert (await shop.current(document)).revision == document.revision + 1


@pytest.mark.gen_test
async def test_what_another_run_moves_to_a_third_place_keeps_its_source() -> None:
    async with warehouse() as shop:
        (document,) = await shop.add(1)

        async def moved_by_another(name: str, _key: str) -> None:
            if name == "exists":
                shop.b.before = failing(StorageDenied("no"), "exists")
                assert await shop.store.update(document.image_moved("c", shop.clock.now()))
                raise StorageUnavailable("down")

        shop.b.before = moved_by_another
        assert await moved(shop, delete_source=True) == [Outcome.SKIPPED]
        assert document.storage_key in shop.a.objects


@pytest.mark.gen_test
async def test_two_runs_at_once_move_each_image_once() -> None:
    async with warehouse() as shop:
        documents = await shop.add(30)
        first, second = await asyncio.gather(moved(shop, delete_source=True), moved(shop, delete_source=True))
        assert all(isinstance(outcome, Outcome) for outcome in (*first, *second))
        for document in documents:
            found = await shop.current(document)
            assert (await shop.storage_of(document), found.revision) == ("b", document.revision + 1)
        assert (len(shop.a.objects), len(shop.b.objects)) == (0, 30)


@pytest.mark.parametrize("back", ["moved", "mirrored", "deleted"])
@pytest.mark.gen_test
async def test_a_source_that_is_a_place_of_the_image_again_keeps_it(back: str) -> None:
    async with warehouse() as shop:
        (document,) = await shop.add(1)
        body = shop.a.objects[document.storage_key]

        async def others(name: str) -> None:
            if name != "update":
                return
            shop.store.on_call = None
            now = await shop.current(document)
            if back == "mirrored":
                assert await shop.store.update(now.image_mirrored("a", shop.clock.now()))
            elif back == "deleted":
                assert await shop.store.update(now.image_deleted(shop.clock.now()))
            else:
                opposite = Mover(
                    shop.store, shop.guards["b"], shop.guards["a"], shop.clock, random.Random(7), delete_source=True
                )
                assert await opposite.move(now) is Outcome.FOUND
                assert shop.b.objects == {}

        shop.store.on_call = others
        assert await moved(shop, delete_source=True) == [Outcome.COPIED]
        assert shop.a.objects == ({} if back == "deleted" else {document.storage_key: body})
        image = (await shop.current(document)).image
        assert image is not None
        assert shop.backends[image.storage].objects == {document.storage_key: body}


@pytest.mark.gen_test
async def test_the_mirror_becomes_the_main_storage() -> None:
    async with warehouse() as shop:
        (document,) = await shop.add(1, mirror="b", is_mirrored=True)
        shop.b._objects[document.storage_key] = bytearray(shop.a.objects[document.storage_key])
        assert await moved(shop) == [Outcome.FOUND]
        image = (await shop.current(document)).image
        assert image is not None
        assert (image.storage, image.mirror, image.is_mirrored) == ("b", None, False)


# --- one place under two names ----------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_one_place_is_told_from_two() -> None:
    async with warehouse() as shop:
        assert not await are_one_place(shop.guards["a"], shop.guards["b"])
        assert await are_one_place(shop.guards["a"], GuardedStorage(shop.a, name="alias"))
        assert shop.a.objects == shop.b.objects == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda document, now: document.image_moved("b", now),
        lambda document, now: document.image_mirrored("b", now),
    ],
)
@pytest.mark.gen_test
async def test_only_a_present_image_moves(change: Any) -> None:
    async with warehouse() as shop:
        (document,) = await shop.add(1)
        now = shop.clock.now()
        deleted: Import = document.image_deleted(now)
        for one in (deleted, deleted.image_purged(now)):
            with pytest.raises(ValueError, match="has no image, or a deleted one"):
                change(one, now)
        with pytest.raises(ValueError, match="is in a itself"):
            document.image_mirrored("a", now)
