"""What a storage has is compared with the documents: each kind of finding, and what is under way is none."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import lading.service.storages.audit.compare
from lading.plugins.errors import StorageUnavailable
from lading.service.models import Failure, Import, Status
from lading.service.models.fields import next_key
from lading.service.models.key_templates import DEFAULT_KEYS, KeyTemplate
from lading.service.storages.audit.compare import GIVE_UP_AFTER, Auditor, TooManyUnknown
from lading.service.storages.audit.report import Finding, Kind, Totals
from tests.support.images import noise
from tests.support.plugins.scripted import make_import
from tests.support.plugins.storages import Warehouse, warehouse

DAY = timedelta(days=1)
FAILURE = Failure("fetch_timeout", "too slow", retryable=True)


@pytest.fixture(autouse=True, params=[2, 500])
def _batches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.storages.audit.compare, "BATCH", request.param)


async def audited(shop: Warehouse, name: str = "a", **options: Any) -> tuple[list[Finding], Totals]:
    found: list[Finding] = []
    totals = await Auditor(shop.store, shop.storages, name, shop.clock, found.append, **options).run()
    return sorted(found, key=lambda one: one.key), totals


def put(shop: Warehouse, key: str, data: bytes = b"orphan", *, name: str = "a", age: timedelta = 2 * DAY) -> str:
    """An object that was saved so long ago."""
    backend = shop.backends[name]
    backend._objects[key] = bytearray(data)
    backend._saved_at[key] = shop.clock.now() - age
    return key


def stray() -> str:
    """A key of an import that there is not."""
    return make_import().storage_key


async def orphans(shop: Warehouse) -> dict[Kind, str]:
    """An old orphan of each kind in ``a``, beside five images; their keys."""
    documents = await shop.add(5)
    for document in documents:
        shop.a._saved_at[document.storage_key] = shop.clock.now() - 2 * DAY
    failed = make_import(shop.clock, status=Status.FAILED, error=FAILURE)
    await shop.store.add(failed)
    (purged,) = await shop.add(1)
    deleted = purged.image_deleted(shop.clock.now())
    assert await shop.store.update(deleted)
    assert await shop.store.update(deleted.image_purged(shop.clock.now()))
    (moved,) = await shop.add(1, "b")
    return {
        Kind.FOREIGN: put(shop, "notes.txt"),
        Kind.UNKNOWN: put(shop, stray()),
        Kind.UNUSED: put(shop, failed.storage_key),
        Kind.PURGED: put(shop, purged.storage_key),
        Kind.COPY: put(shop, moved.storage_key, noise(100, 0)),
    }


# --- nothing wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.gen_test
async def test_images_where_they_should_be_are_no_finding(verify: bool) -> None:
    async with warehouse() as shop:
        await shop.add(5)
        mirrored = await shop.add(3, "b", mirror="a", is_mirrored=True)
        for document in mirrored:
            put(shop, document.storage_key, shop.b.objects[document.storage_key])
        await shop.add(2, "b")
        found, totals = await audited(shop, verify=verify, delete=True)
        assert found == []
        assert (totals.objects, totals.images, totals.remaining) == (8, 8, 0)
        assert (len(shop.a.objects), len(shop.b.objects)) == (8, 5)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.WAITING])
@pytest.mark.gen_test
async def test_an_import_that_is_about_to_be_done_has_no_orphan(status: Status) -> None:
    async with warehouse() as shop:
        document = make_import(shop.clock, status=status)
        await shop.store.add(document)
        key = put(shop, document.storage_key)
        found, _ = await audited(shop, delete=True)
        assert found == []
        assert key in shop.a.objects


@pytest.mark.gen_test
async def test_deletions_mirrors_and_moves_that_are_under_way_are_no_findings() -> None:
    async with warehouse() as shop:
        begun, half = await shop.add(2)
        for document in (begun, half):
            assert await shop.store.update(document.image_deleted(shop.clock.now()))
        del shop.a._objects[half.storage_key]
        await shop.add(1, "b", mirror="a")
        (made,) = await shop.add(1, "b", mirror="a")
        put(shop, made.storage_key, age=timedelta())
        (moving,) = await shop.add(1, "b")
        put(shop, moving.storage_key, age=timedelta(minutes=5))
        found, totals = await audited(shop, delete=True, verify=True)
        assert (found, totals.images) == ([], 0)
        assert moving.storage_key in shop.a.objects


# --- orphans ----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_every_kind_of_orphan_is_found_and_none_is_deleted_unasked() -> None:
    async with warehouse() as shop:
        keys = await orphans(shop)
        before = shop.a.objects
        found, totals = await audited(shop)
        assert {one.kind: one.key for one in found} == keys
        assert totals.findings == dict.fromkeys(keys, 1)
        assert (totals.deleted, totals.remaining) == (0, 5)
        assert shop.a.objects == before
        (copy,) = [one for one in found if one.kind is Kind.COPY]
        assert (copy.detail, copy.byte_size, copy.image_id is not None) == ("its image is in b", 100, True)


@pytest.mark.gen_test
async def test_old_orphans_are_deleted_but_what_is_not_ours() -> None:
    async with warehouse() as shop:
        keys = await orphans(shop)
        kept = {key for key in shop.a.objects if key not in keys.values()} | {keys[Kind.FOREIGN]}
        found, totals = await audited(shop, delete=True)
        assert {one.kind for one in found if one.deleted} == set(keys) - {Kind.FOREIGN}
        assert (totals.deleted, totals.remaining) == (4, 1)
        assert set(shop.a.objects) == kept
        again, _ = await audited(shop, delete=True)
        assert [one.kind for one in again] == [Kind.FOREIGN]


@pytest.mark.gen_test
async def test_young_orphans_are_told_and_kept() -> None:
    async with warehouse() as shop:
        await shop.add(2)
        young, old = put(shop, stray(), age=DAY - timedelta(seconds=1)), put(shop, stray(), age=DAY)
        found, totals = await audited(shop, delete=True)
        assert {one.key: one.deleted for one in found} == {young: False, old: True}
        assert {one.detail for one in found} == {"", "too young to be deleted"}
        assert totals.remaining == 1
        assert young in shop.a.objects
        _, totals = await audited(shop, delete=True, grace=timedelta(hours=1))
        assert young not in shop.a.objects
        assert totals.remaining == 0


@pytest.mark.parametrize("change", [Import.image_moved, Import.image_mirrored])
@pytest.mark.gen_test
async def test_an_object_that_is_needed_a_moment_before_it_would_go_is_kept(change: Callable[..., Import]) -> None:
    """The document is looked up right before the deletion, and not from what was read at the beginning."""
    async with warehouse() as shop:
        await shop.add(3)
        (document,) = await shop.add(1, "b")
        key = put(shop, document.storage_key, noise(100, 0))
        get = shop.store.get
        asked = []

        async def moved_at_the_last_moment(import_id: str) -> Import | None:
            asked.append(import_id)
            if asked.count(document.id) == 2:
                assert await shop.store.update(change(document, "a", shop.clock.now()))
            return await get(import_id)

        shop.store.get = moved_at_the_last_moment  # type: ignore[method-assign]
        found, _ = await audited(shop, delete=True)
        assert found == []
        assert key in shop.a.objects


@pytest.mark.parametrize("loss", ["gone", "cut", "storage not configured", "one place"])
@pytest.mark.gen_test
async def test_a_copy_is_kept_where_it_may_be_the_only_one(loss: str) -> None:
    async with warehouse() as shop:
        await shop.add(2)
        (document,) = await shop.add(1, "b")
        key = put(shop, document.storage_key, noise(100, 0))
        if loss == "gone":
            del shop.b._objects[key]
        elif loss == "cut":
            del shop.b._objects[key][-1:]
        elif loss == "storage not configured":
            assert await shop.store.update(document.image_moved("elsewhere", shop.clock.now()))
        elif loss == "one place":
            shop.b._objects = shop.a._objects
            shop.b._saved_at = shop.a._saved_at
        found, _ = await audited(shop, delete=True)
        (copy,) = [one for one in found if one.key == key]
        assert (copy.kind, copy.deleted) == (Kind.COPY, False)
        assert "which does not have it, or is this one under another name" in copy.detail
        assert key in shop.a.objects


@pytest.mark.gen_test
async def test_documents_that_know_next_to_nothing_delete_nothing() -> None:
    """The wrong database, or an empty one: most objects would seem to be orphans."""
    async with warehouse() as shop:
        await shop.add(2)
        for _ in range(3):
            put(shop, stray())
        before = shop.a.objects
        with pytest.raises(TooManyUnknown, match="3 objects in a are unknown to the documents, and 2 are known"):
            await audited(shop, delete=True)
        assert shop.a.objects == before
        found, _ = await audited(shop)
        assert [one.kind for one in found] == [Kind.UNKNOWN] * 3


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (stray, Kind.UNKNOWN),
        (lambda: f"lading-check-{uuid.uuid4()}", Kind.UNKNOWN),
        (lambda: stray()[3:], Kind.FOREIGN),
        (lambda: f"backup/{stray()}", Kind.FOREIGN),
        (lambda: f"{stray()}.bak", Kind.FOREIGN),
        (lambda: "00/00/" + stray()[6:], Kind.FOREIGN),
    ],
)
@pytest.mark.gen_test
async def test_what_lading_would_never_call_so_is_not_its_own(key: Callable[[], str], kind: Kind) -> None:
    async with warehouse() as shop:
        await shop.add(2)
        name = put(shop, key())
        found, _ = await audited(shop, delete=True)
        assert [(one.kind, one.deleted) for one in found] == [(kind, kind is Kind.UNKNOWN)]
        assert (name in shop.a.objects) is (kind is Kind.FOREIGN)


@pytest.mark.gen_test
async def test_orphans_under_the_keys_of_present_and_earlier_templates_are_known() -> None:
    present, earlier = (KeyTemplate.parsed(text) for text in ("img/{organization}/{album}/{id}", "old/{date}/{id}"))
    async with warehouse() as shop:
        shop.storages = replace(shop.storages, templates=(present, earlier))
        documents = await shop.add(2)
        for template in (present, earlier):
            one = make_import(shop.clock)
            documents += await shop.add(1, id=one.id, key=template.key_of(one))
        ours = [template.key_of(make_import(shop.clock)) for template in (present, earlier, DEFAULT_KEYS)]
        ours.append(next_key(present.key_of(make_import(shop.clock))))
        foreign = [f"{folder}/{documents[-1].id}" for folder in ("old/today", "a/b/c", "old")]
        for key in (*ours, *foreign):
            put(shop, key)
        found, totals = await audited(shop, delete=True)
        assert {one.key: one.kind for one in found} == dict.fromkeys(ours, Kind.UNKNOWN) | dict.fromkeys(
            foreign, Kind.FOREIGN
        )
        assert (totals.images, set(shop.a.objects)) == (4, {*foreign, *(one.storage_key for one in documents)})


@pytest.mark.gen_test
async def test_an_object_under_an_earlier_key_is_left_to_the_purger_or_is_of_no_use() -> None:
    async with warehouse() as shop:
        for is_left, kind in ((True, None), (False, Kind.UNUSED)):
            (done,) = await shop.add(1)
            key = next_key(done.own_key)
            assert done.image is not None
            moved = replace(done, key=key, revision=done.revision + 1, image=replace(done.image, key=key))
            assert await shop.store.update(replace(moved, leftover_at=shop.clock.now() if is_left else None))
            put(shop, key, bytes(shop.a._objects[done.own_key]))
            found, _ = await audited(shop)
            assert {one.key: one.kind for one in found} == ({} if kind is None else {done.own_key: kind})


# --- documents without their object -----------------------------------------------------------------------------------


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.gen_test
async def test_missing_and_other_objects_are_found(verify: bool) -> None:
    async with warehouse() as shop:
        lost, cut, changed, whole = await shop.add(4)
        (mirror,) = await shop.add(1, "b", mirror="a", is_mirrored=True)
        del shop.a._objects[lost.storage_key]
        del shop.a._objects[cut.storage_key][-1:]
        shop.a._objects[changed.storage_key][0] ^= 1
        found, totals = await audited(shop, verify=verify, delete=True)
        expected = {
            lost.storage_key: Kind.MISSING,
            cut.storage_key: Kind.SIZE,
            mirror.storage_key: Kind.MISSING,
            **({changed.storage_key: Kind.CONTENT} if verify else {}),
        }
        assert {one.key: one.kind for one in found} == expected
        assert {one.image_id for one in found} <= {one.image_id for one in (lost, cut, changed, mirror)}
        assert totals.remaining == len(expected)
        assert whole.storage_key in shop.a.objects


@pytest.mark.gen_test
async def test_an_object_that_came_after_the_listing_is_not_missing() -> None:
    async with warehouse() as shop:
        (document,) = await shop.add(1)
        body = shop.a._objects.pop(document.storage_key)

        async def before(name: str, key: str) -> None:
            if name == "open":
                shop.a._objects.setdefault(key, body)

        shop.a.before = before
        assert (await audited(shop))[0] == []


@pytest.mark.parametrize("change", ["deleted", "moved"])
@pytest.mark.gen_test
async def test_what_was_deleted_or_moved_meanwhile_is_not_missing(change: str) -> None:
    async with warehouse() as shop:
        (document,) = await shop.add(1)
        del shop.a._objects[document.storage_key]

        async def before(name: str, _key: str) -> None:
            now = shop.clock.now()
            if name == "open":
                after = document.image_deleted(now) if change == "deleted" else document.image_moved("b", now)
                assert await shop.store.update(after)

        shop.a.before = before
        assert (await audited(shop))[0] == []


@pytest.mark.gen_test
async def test_a_storage_that_cannot_list_has_its_images_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.storages.audit.compare, "lister_of", lambda _storage: None)
    async with warehouse() as shop:
        documents = await shop.add(5)
        del shop.a._objects[documents[3].storage_key]
        found, totals = await audited(shop, delete=True)
        assert [(one.kind, one.key) for one in found] == [(Kind.MISSING, documents[3].storage_key)]
        assert (totals.objects, totals.images) == (0, 5)


# --- outages ----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_an_image_that_cannot_be_read_is_a_finding_and_many_are_an_outage() -> None:
    async with warehouse() as shop:
        (bad, *_) = documents = await shop.add(GIVE_UP_AFTER + 5)

        async def before(name: str, key: str) -> None:
            if name == "open" and key in broken:
                raise StorageUnavailable("a bad sector")

        shop.a.before = before
        broken = {bad.storage_key}
        found, _ = await audited(shop, verify=True)
        assert [(one.kind, one.key) for one in found] == [(Kind.UNREADABLE, bad.storage_key)]
        broken = {document.storage_key for document in documents}
        with pytest.raises(StorageUnavailable):
            await audited(shop, verify=True)
