"""Cases of the document store suite: objects that several imports share, what attempts leave behind, and imports that
end at the same time with equal bytes.
"""

import asyncio
import hashlib
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from lading.backends.guard.storage import GuardedStorage
from lading.backends.memory import MemoryStorage, MemoryStorageOptions
from lading.plugins.contracts import ObjectMetadata
from lading.service.documents import DocumentStore, StoredAlready
from lading.service.images.operations import Images, places_for_downloads
from lading.service.models import Import, Share, Status
from lading.service.models.grants import Grant
from lading.service.storages.copies import once
from lading.service.storages.routes import Storages
from lading.service.storages.sharing import image_of
from tests.conformance.documents.cases.base import (
    FAILURE,
    IMAGE,
    SECOND,
    DocumentStoreCases,
    SettableClock,
    add_all,
    make_import,
    stored,
)

DATA = b"the bytes of an image"


def running_import(clock: SettableClock, **changes: Any) -> Import:
    return replace(make_import(clock).claimed("worker", clock.now()), **changes)


def owner(clock: SettableClock) -> Import:
    """A done import with an object of its own."""
    running = running_import(clock)
    return running.succeeded(replace(IMAGE, key=running.own_key), "url", clock.now())


def sharing(clock: SettableClock, other: Import) -> Import:
    """A running import that refers to the object of another."""
    assert other.image is not None
    return running_import(clock).referring(other.image, clock.now())


def ended(one: Import, clock: SettableClock) -> Import:
    assert one.duplicate is not None
    return one.duplicated(one.duplicate, "url", clock.now())


async def heir(store: DocumentStore, document: Import) -> Import | None:
    assert document.image is not None
    return await store.heir(document.image.key)


def duplicates_of_an_earlier_version(clock: SettableClock) -> list[Import]:
    """Three imports of one object, all with one image id; the first has stored it."""
    first = owner(clock)
    assert first.image is not None
    first = replace(first, image=replace(first.image, byte_size=len(DATA), sha256=hashlib.sha256(DATA).hexdigest()))
    others = [replace(ended(sharing(clock, first), clock), image_id=first.image_id) for _ in range(2)]
    return [first, *others]


async def check_that_they_are_deleted_one_by_one(
    store: DocumentStore, clock: SettableClock, documents: list[Import]
) -> None:
    """They are read until the last is deleted, and count once; with that the bytes go."""
    first, *others = documents
    assert first.image is not None
    backend = GuardedStorage(
        MemoryStorage(MemoryStorageOptions()), name=first.image.storage, deadline=30 * SECOND.seconds
    )
    metadata = ObjectMetadata(len(DATA), first.image.sha256, first.image.content_type)
    await backend.save(first.image.key, once(DATA), metadata)
    images = Images(store, Storages({backend.name: backend}, backend.name, None), clock, places_for_downloads(1))
    grant = Grant("issuer", "organization", "token", admin=True)
    assert (await images.get(grant, first.image_id or "")).document == first
    assert await store.stored_bytes("organization") == len(DATA)
    deleted = await images.delete(grant, first.image_id or "")
    assert not deleted.is_stopping
    for left in (2, 1):
        assert await store.stored_bytes("organization") == len(DATA), "they count once"
        heirs = [await stored(store, one) for one in others]
        owners = [one for one in heirs if one is not None and one.share is Share.OWNER]
        (has_it,) = owners
        assert has_it.image_id != first.image_id, "that is the first one's"
        for one in heirs:
            if one is not None and one.image_deleted_at is None:
                image = await image_of(store, one)
                assert image is not None
                async with backend.open(image.key) as read:
                    assert b"".join([chunk async for chunk in read.chunks]) == DATA
        await images.delete(grant, has_it.image_id or "")
        assert await backend.exists(first.image.key) is (left == 2)
    assert await store.stored_bytes("organization") == 0


class ShareCases(DocumentStoreCases):
    @pytest.mark.gen_test
    async def test_an_object_of_one_import_has_no_heir(self) -> None:
        clock = SettableClock()
        documents = [owner(clock), owner(clock), make_import(clock), running_import(clock)]
        async with self.opened(clock) as store:
            await add_all(store, documents)
            assert await heir(store, documents[0]) is None
            assert await store.heir("") is None
            assert await store.shared_keys("", 10) == []

    @pytest.mark.gen_test
    async def test_who_has_adopted_an_object_comes_before_who_is_done_before_who_runs(self) -> None:
        clock = SettableClock()
        first = owner(clock)
        runs = [sharing(clock, first) for _ in range(20)]
        done = [ended(sharing(clock, first), clock) for _ in range(20)]
        other = owner(clock)
        async with self.opened(clock) as store:
            await add_all(store, [first, other, *runs])
            found = await heir(store, first)
            assert found in runs
            assert found.share is Share.CANDIDATE
            await add_all(store, done)
            found = await heir(store, first)
            assert found in done
            assert first.image is not None
            adopted = done[7].adopted(replace(first.image, storage="moved"), first.image_id, clock.now())
            assert await store.update(adopted)
            assert await heir(store, first) == adopted == await stored(store, done[7])
            assert await store.get_by_image(done[7].image_id or "") == adopted
            assert await heir(store, other) is None
            assert await store.update(adopted.image_deleted(clock.now()))
            found = await heir(store, first)
            assert found in done
            assert found.share is Share.REFERRER

    @pytest.mark.gen_test
    async def test_whose_image_is_deleted_or_whose_attempt_has_ended_is_no_heir(self) -> None:
        clock = SettableClock()
        first = owner(clock)
        now = clock.now()
        async with self.opened(clock) as store:
            await store.add(first)
            for end in (
                lambda one: ended(one, clock).image_deleted(now),
                lambda one: ended(one, clock).deleted(now),
                lambda one: one.unreferring(now),
                lambda one: one.failed(FAILURE, "url", now),
                lambda one: one.requeued(FAILURE, now, now),
                lambda one: one.handed_back(now, now),
                lambda one: one.recovered(now),
                lambda one: one.cancelled(now),
                lambda one: one.deleted(now),
                lambda one: one.succeeded(replace(IMAGE, key=one.own_key), "url", now),
            ):
                one = sharing(clock, first)
                await store.add(one)
                assert await heir(store, first) == one
                after = end(one)
                if after.revision > one.revision + 1:  # two transitions
                    assert await store.update(ended(one, clock))
                assert await store.update(after)
                assert await heir(store, first) is None
                assert await stored(store, one) == after

    @pytest.mark.gen_test
    async def test_what_was_written_before_is_seen(self) -> None:
        """Who deletes an image and who begins to share it: one of them sees the other."""
        clock = SettableClock()
        async with self.opened(clock) as store:
            for _ in range(20):
                first = owner(clock)
                assert first.image is not None
                one = running_import(clock)
                await add_all(store, [first, one])
                deleted, referring = first.image_deleted(clock.now()), one.referring(first.image, clock.now())

                async def deletes(deleted: Import = deleted) -> bool:
                    assert await store.update(deleted)
                    return await heir(store, deleted) is not None

                async def shares(referring: Import = referring, owner_id: str = first.id) -> bool:
                    assert await store.update(referring)
                    found = await store.get(owner_id)
                    return found is not None and found.image_deleted_at is not None

                assert any(await asyncio.gather(deletes(), shares()))

    @pytest.mark.gen_test
    async def test_shared_keys_come_in_their_order(self) -> None:
        clock = SettableClock()
        owners = [owner(clock) for _ in range(5)]
        sharers = [ended(sharing(clock, one), clock) for one in owners for _ in range(3)]
        keys = sorted(one.image.key for one in owners if one.image is not None)
        async with self.opened(clock) as store:
            await add_all(store, [*owners, *sharers])
            found: list[str] = []
            while some := await store.shared_keys(found[-1] if found else "", 2):
                assert len(some) <= 2
                found += some
            assert found == keys

    @pytest.mark.gen_test
    async def test_a_duplicate_of_an_earlier_version_is_found_when_who_stored_the_image_is_gone(self) -> None:
        clock = SettableClock()
        first = owner(clock)
        old = replace(ended(sharing(clock, first), clock), image_id=first.image_id)
        async with self.opened(clock) as store:
            await add_all(store, [old, first])
            assert await store.get_by_image(first.image_id or "") == first
            assert await store.remove(first)
            assert await store.get_by_image(first.image_id or "") == old

    @pytest.mark.gen_test
    async def test_duplicates_of_an_earlier_version_are_deleted_one_by_one(self) -> None:
        clock = SettableClock()
        documents = duplicates_of_an_earlier_version(clock)
        async with self.opened(clock) as store:
            await add_all(store, documents)
            await check_that_they_are_deleted_one_by_one(store, clock, documents)

    @pytest.mark.gen_test
    async def test_bytes_that_are_shared_count_once_and_for_who_has_adopted_them(self) -> None:
        clock = SettableClock()
        first = owner(clock)
        done = ended(sharing(clock, first), clock)
        async with self.opened(clock) as store:
            await add_all(store, [first, done])
            assert await store.stored_bytes("organization") == IMAGE.byte_size
            deleted = first.image_deleted(clock.now())
            assert first.image is not None
            adopted = done.adopted(first.image, first.image_id, clock.now())
            for after in (deleted, adopted, deleted.image_purged(clock.now())):
                assert await store.update(after)
            assert await store.stored_bytes("organization") == IMAGE.byte_size
            gone = adopted.image_deleted(clock.now())
            assert await store.update(gone)
            assert await store.update(gone.image_purged(clock.now()))
            assert await store.stored_bytes("organization") == 0

    @pytest.mark.gen_test
    async def test_what_an_ended_import_has_left_is_listed_until_it_is_gone_for_good(self) -> None:
        clock = SettableClock()
        left = running_import(clock).failed(FAILURE, "url", clock.now()).with_leftover(clock.now())
        clock.move(SECOND)
        deleted = owner(clock).image_deleted(clock.now())
        clock.move(SECOND)
        hidden = replace(owner(clock).image_deleted(clock.now()).image_purged(clock.now())).deleted(clock.now())
        still = replace(running_import(clock), leftover_at=left.leftover_at)
        async with self.opened(clock) as store:
            await add_all(store, [hidden, still, deleted, left, owner(clock)])
            assert await store.unpurged(10) == [left, deleted, hidden]
            assert await store.unpurged(2) == [left, deleted]
            removed = left.leftover_removed(clock.now(), for_good=False)
            assert await store.update(removed)
            assert (await store.unpurged(10))[0] == removed == await stored(store, left)
            taken = removed.leftover_found(clock.now())
            assert await store.update(taken)
            assert (await store.unpurged(10))[0] == deleted
            assert await store.update(taken.leftover_removed(clock.now(), for_good=True))
            ending = still.failed(FAILURE, "url", clock.now())
            assert await store.update(ending)
            assert [one.status for one in await store.unpurged(10)].count(Status.FAILED) == 1


# --- equal bytes ------------------------------------------------------------------------------------------------------

Albums = Collection[str] | None


def running_in(clock: SettableClock, album: str, **changes: str) -> Import:
    params = {"album_id": album, "dedupe": "album", "controller": "api/v1/imports", "action": "create"}
    return replace(make_import(clock, params=params, **changes).claimed("worker", clock.now()))


def ending(running: Import, clock: SettableClock, sha256: str = IMAGE.sha256) -> Import:
    return running.succeeded(replace(IMAGE, key=running.own_key, sha256=sha256), "url", clock.now())


async def outcome_of(store: DocumentStore, done: Import, albums: Albums) -> Import | bool:
    """What came of the end: whether it is written, or the import that stood in its way."""
    try:
        return await store.update_unless_stored(done, albums)
    except StoredAlready as other:
        return other.found


class EqualBytesCases(DocumentStoreCases):
    @pytest.mark.parametrize("albums", [None, ("one",)])
    @pytest.mark.gen_test
    async def test_of_eight_at_once_one_keeps_its_own(self, albums: Albums) -> None:
        """Through two stores, where they share their documents: as two processes do."""
        clock = SettableClock()
        async with AsyncExitStack() as stack:
            stores = [await stack.enter_async_context(self.opened(clock)) for _ in range(1 if self.not_durable else 2)]
            for number in range(5):
                runs = [running_in(clock, "one") for _ in range(8)]
                await add_all(stores[0], runs)
                done = [ending(run, clock, f"{number:064x}") for run in runs]
                outcomes = await asyncio.gather(
                    *(outcome_of(stores[place % len(stores)], one, albums) for place, one in enumerate(done))
                )
                winners = [one for one, outcome in zip(done, outcomes, strict=True) if outcome is True]
                assert len(winners) == 1
                assert [one.id for one in outcomes if isinstance(one, Import)] == [winners[0].id] * 7
                for run in runs:
                    assert await stored(stores[0], run) == (winners[0] if run.id == winners[0].id else run)

    @pytest.mark.gen_test
    async def test_only_an_import_that_would_be_found_stands_in_the_way(self) -> None:
        clock = SettableClock()
        cases: Sequence[tuple[str, Albums, str, str]] = (
            ("one", ("one",), "organization", IMAGE.sha256),  # the first
            ("two", ("two",), "organization", IMAGE.sha256),
            ("three", ("three", "four"), "organization", IMAGE.sha256),
            ("one", None, "another", IMAGE.sha256),
            ("one", ("one",), "organization", "1" * 64),
        )
        async with self.opened(clock) as store:
            for album, albums, organization_id, sha256 in cases:
                run = running_in(clock, album, organization_id=organization_id)
                await store.add(run)
                assert await outcome_of(store, ending(run, clock, sha256), albums) is True
                again = running_in(clock, album, organization_id=organization_id)
                await store.add(again)
                found = await outcome_of(store, ending(again, clock, sha256), albums)
                assert isinstance(found, Import)
                assert found.id == run.id

    @pytest.mark.gen_test
    async def test_a_deleted_image_and_a_shared_one_stand_in_nobodys_way(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            first, second, third = (running_in(clock, "one") for _ in range(3))
            await add_all(store, [first, second, third])
            done = ending(first, clock)
            assert await store.update_unless_stored(done, None)
            assert done.image is not None
            referring = second.referring(done.image, clock.now())
            assert await store.update(referring)
            assert await store.update(referring.duplicated(done.image, "url", clock.now()))
            assert await store.update(done.image_deleted(clock.now()))
            assert await outcome_of(store, ending(third, clock), None) is True

    @pytest.mark.gen_test
    async def test_it_is_an_update(self) -> None:
        """Of the present revision alone, which is said first; events are added."""
        clock = SettableClock()
        async with self.opened(clock) as store:
            first, second = running_in(clock, "one"), running_in(clock, "one")
            await add_all(store, [first, second])
            stale = replace(ending(first, clock), revision=first.revision + 2)
            assert await outcome_of(store, stale, None) is False
            assert await outcome_of(store, ending(running_in(clock, "one"), clock), None) is False, "it does not exist"
            done = replace(ending(first, clock), new_events=({"id": "event", "type": "import.done"},))
            assert await outcome_of(store, done, None) is True
            assert await outcome_of(store, done, None) is False
            assert (await stored(store, first)).outbox == done.new_events
            lost = replace(ending(second, clock), revision=second.revision + 2)
            assert await outcome_of(store, lost, None) is False
            assert await stored(store, second) == second
