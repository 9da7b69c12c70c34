"""Cases of the document store suite: imports are found by their images, which are deleted."""

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lading.service.documents import DocumentStore
from lading.service.models import Held, Import, Status
from tests.conformance.documents.cases.base import (
    FAILURE,
    IMAGE,
    LEASE,
    DocumentStoreCases,
    SettableClock,
    add_all,
    make_import,
    stored,
)


def done_import(clock: SettableClock, **changes: Any) -> Import:
    """A done import; fields of its image may be changed."""
    return make_import(clock).claimed("worker", clock.now()).succeeded(replace(IMAGE, **changes), "url", clock.now())


async def all_in(store: DocumentStore, storage: str, held: Held, limit: int = 3) -> list[Import]:
    """Every image that the storage has, read in batches."""
    found: list[Import] = []
    while batch := await store.images_in(storage, held, found[-1].id if found else "", limit):
        assert len(batch) <= limit
        found += batch
    return found


def in_order(*documents: Import) -> list[Import]:
    return sorted(documents, key=lambda document: document.id)


async def found(store: DocumentStore, document: Import) -> Import | None:
    assert document.image_id is not None
    return await store.get_by_image(document.image_id)


class ImageCases(DocumentStoreCases):
    @pytest.mark.gen_test
    async def test_an_import_is_found_by_its_image(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await store.add(make_import(clock))
            await store.register("worker", LEASE)
            (claimed,) = await store.claim("worker", 1)
            done = claimed.succeeded(IMAGE, "url", clock.now())
            assert await found(store, done) is None
            assert await store.update(done)
            assert await found(store, done) == done

    @pytest.mark.gen_test
    async def test_each_image_leads_to_its_own_import(self) -> None:
        clock = SettableClock()
        documents = [done_import(clock) for _ in range(100)]
        async with self.opened(clock) as store:
            await add_all(store, documents)
            assert await asyncio.gather(*(found(store, document) for document in documents)) == documents

    @pytest.mark.parametrize("image_id", ["", "unknown", "%", "' OR '1'='1", "$ne", '{"$ne": null}', "a\0b", "🖼"])
    @pytest.mark.gen_test
    async def test_an_unknown_image_leads_to_nothing(self, image_id: str) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await add_all(store, [done_import(clock), make_import(clock)])
            assert await store.get_by_image(image_id) is None

    @pytest.mark.gen_test
    async def test_image_ids_are_compared_exactly_and_are_not_those_of_imports(self) -> None:
        clock = SettableClock()
        done = done_import(clock)
        async with self.opened(clock) as store:
            await store.add(done)
            image_id = done.image_id or ""
            for other in (done.id, image_id.upper(), image_id + " ", image_id + "\0", image_id[:-1]):
                if other != image_id:
                    assert await store.get_by_image(other) is None

    @pytest.mark.parametrize("status", [status for status in Status if status is not Status.DONE])
    @pytest.mark.gen_test
    async def test_an_import_that_is_not_done_is_not_found_by_an_image(self, status: Status) -> None:
        clock = SettableClock()
        document = make_import(clock, status=status, image_id=str(uuid.uuid4()), error=FAILURE)
        async with self.opened(clock) as store:
            await store.add(document)
            assert await found(store, document) is None

    @pytest.mark.gen_test
    async def test_a_deletion_is_written_step_by_step(self) -> None:
        clock = SettableClock()
        done = done_import(clock)
        async with self.opened(clock) as store:
            await store.add(done)
            clock.move(timedelta(milliseconds=1234))
            deleted = done.image_deleted(clock.now())
            assert await store.update(deleted)
            assert await found(store, done) == await stored(store, done) == deleted
            clock.move(timedelta(milliseconds=1))
            purged = deleted.image_purged(clock.now())
            assert await store.update(purged)
            assert await found(store, done) == await stored(store, done) == purged

    @pytest.mark.gen_test
    async def test_of_concurrent_deletions_one_is_written(self) -> None:
        clock = SettableClock()
        done = done_import(clock)
        rivals = [done.image_deleted(clock.now() + timedelta(seconds=number)) for number in range(50)]
        async with self.opened(clock) as store:
            await store.add(done)
            outcomes = await asyncio.gather(*map(store.update, rivals))
            winners = [rival for rival, won in zip(rivals, outcomes, strict=True) if won]
            assert [await stored(store, done)] == winners

    @pytest.mark.gen_test
    async def test_deletions_in_progress_are_listed_the_first_first(self) -> None:
        clock = SettableClock()
        begun = clock.now()
        done, purged, *deleted = [done_import(clock) for _ in range(8)]
        deleted = [one.image_deleted(begun + timedelta(seconds=number)) for number, one in enumerate(deleted)]
        purged = purged.image_deleted(begun).image_purged(begun)
        async with self.opened(clock) as store:
            await add_all(store, [done, purged, *reversed(deleted), make_import(clock)])
            assert await store.unpurged(100) == deleted
            assert await store.unpurged(2) == deleted[:2]
            assert await store.update(deleted[0].image_purged(clock.now()))
            assert await store.unpurged(2) == deleted[1:3]

    @pytest.mark.gen_test
    async def test_the_images_of_a_storage_come_in_batches_in_the_order_of_their_ids(self) -> None:
        clock = SettableClock()
        here = [done_import(clock) for _ in range(10)]
        there = [done_import(clock, storage="other") for _ in range(4)]
        unfinished = [make_import(clock, status=status) for status in Status if status is not Status.DONE]
        async with self.opened(clock) as store:
            assert await store.images_in("local", Held.MAIN, "", 10) == []
            await add_all(store, [*here, *there, *unfinished])
            assert await all_in(store, "local", Held.MAIN) == in_order(*here)
            assert await all_in(store, "other", Held.MAIN) == in_order(*there)
            assert await store.images_in("local", Held.MAIN, in_order(*here)[6].id, 100) == in_order(*here)[7:]
            assert (await store.count_images_in("local"), await store.count_images_in("other")) == (10, 4)
            for name in ("", "loca", "LOCAL", "local ", "%", "$ne"):
                assert await store.images_in(name, Held.MAIN, "", 10) == []
                assert await store.count_images_in(name) == 0

    @pytest.mark.gen_test
    async def test_the_images_of_an_organization_are_found_among_others(self) -> None:
        clock = SettableClock()
        theirs = [replace(done_import(clock), organization_id="acme") for _ in range(3)]
        others = [done_import(clock) for _ in range(5)]
        async with self.opened(clock) as store:
            elsewhere = replace(done_import(clock, storage="other"), organization_id="acme")
            await add_all(store, [*theirs, *others, elsewhere])
            first, *rest = in_order(*theirs)
            assert await store.images_in("local", Held.MAIN, "", 1, "acme") == [first]
            assert await store.images_in("local", Held.MAIN, first.id, 100, "acme") == rest
            assert await store.images_in("local", Held.PENDING, "", 100, "acme") == []
            assert await store.count_images_in("local", "acme") == 3
            for nobody in ("", "ACME", "$ne"):
                assert await store.images_in("local", Held.MAIN, "", 100, nobody) == []
                assert await store.count_images_in("local", nobody) == 0

    @pytest.mark.gen_test
    async def test_a_moved_image_is_in_its_new_storage_alone(self) -> None:
        clock = SettableClock()
        first, second = in_order(done_import(clock), done_import(clock))
        async with self.opened(clock) as store:
            await add_all(store, [first, second])
            moved = first.image_moved("other", clock.now())
            assert await store.update(moved)
            assert await all_in(store, "local", Held.MAIN) == [second]
            assert await all_in(store, "other", Held.MAIN) == [moved]
            assert await found(store, first) == moved
            assert not await store.update(first.image_moved("third", clock.now())), "another was quicker"

    @pytest.mark.gen_test
    async def test_second_copies_that_are_pending_and_that_are_made(self) -> None:
        clock = SettableClock()
        none = done_import(clock)
        pending = [done_import(clock, mirror="mirror") for _ in range(5)]
        made = [done_import(clock, mirror="mirror", is_mirrored=True) for _ in range(5)]
        other = done_import(clock, mirror="other", is_mirrored=True)
        async with self.opened(clock) as store:
            await add_all(store, [none, *pending, *made, other])
            assert await all_in(store, "mirror", Held.PENDING) == in_order(*pending)
            assert await all_in(store, "mirror", Held.MIRRORED) == in_order(*made)
            assert await all_in(store, "other", Held.MIRRORED) == [other]
            assert await all_in(store, "local", Held.PENDING) == await all_in(store, "local", Held.MIRRORED) == []
            assert await all_in(store, "local", Held.MAIN) == in_order(none, *pending, *made, other)
            copied = in_order(*pending)[2].image_mirrored("mirror", clock.now())
            assert await store.update(copied)
            assert copied in await all_in(store, "mirror", Held.MIRRORED)
            assert len(await all_in(store, "mirror", Held.PENDING)) == 4

    @pytest.mark.gen_test
    async def test_a_storage_has_a_deleted_image_until_it_is_purged(self) -> None:
        clock = SettableClock()
        done = done_import(clock, mirror="mirror", is_mirrored=True)
        async with self.opened(clock) as store:
            await store.add(done)
            deleted = done.image_deleted(clock.now())
            assert await store.update(deleted)
            assert await all_in(store, "local", Held.MAIN) == await all_in(store, "mirror", Held.MIRRORED) == [deleted]
            assert await store.update(deleted.image_purged(clock.now()))
            assert await all_in(store, "local", Held.MAIN) == await all_in(store, "mirror", Held.MIRRORED) == []
            assert await store.count_images_in("local") == 0
