"""Deletions that were begun and not completed are completed without anybody asking."""

import asyncio
import hashlib
import random
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

import lading.service.images.purger
from lading.backends.guard.storage import GuardedStorage
from lading.backends.memory import MemoryStorage, MemoryStorageOptions
from lading.plugins.contracts import ObjectMetadata
from lading.plugins.errors import StorageUnavailable
from lading.service.errors.catalogue import ApiError
from lading.service.images.operations import Images, StoredImage, places_for_downloads
from lading.service.images.purger import AGE, FAILURES, Purger
from lading.service.models import Image, Import, Status
from lading.service.models.issuers import Issuer
from lading.service.storages.copies import once
from lading.service.storages.routes import Storages
from tests.support.clock import SettableClock
from tests.support.core import ScriptedStore, opened_with
from tests.support.images import noise, store_image
from tests.support.plugins.scripted import make_import, until
from tests.support.plugins.storages import ScriptedStorage, failing

DATA = noise(100)


class Shop:
    def __init__(self) -> None:
        self.clock = SettableClock()
        self.store = ScriptedStore(self.clock)
        self.backend = MemoryStorage(MemoryStorageOptions())
        self.storage = GuardedStorage(self.backend, name="memory")
        self.images = Images(
            self.store, Storages({"memory": self.storage}, "memory"), self.clock, places_for_downloads(1)
        )
        self.purger = Purger(self.images, self.store, self.clock, random.Random(7))

    async def begun(self, storage_name: str = "memory") -> Import:
        """A deletion that has come no further than its first step."""
        found: StoredImage = await store_image(self.store, self.storage, storage_name, self.clock, DATA)
        deleted = found.document.image_deleted(self.clock.now())
        assert await self.store.update(deleted)
        return deleted

    async def grow_old(self) -> None:
        """What was begun is found, and old enough after that."""
        assert await self.purger.sweep() == 0
        self.clock.advance(AGE)

    async def is_completed(self, document: Import) -> bool:
        found = await self.store.get(document.id)
        assert found is not None
        return found.image_purged_at is not None and not await self.storage.exists(document.storage_key)


opened = partial(opened_with, Shop)


@pytest.mark.gen_test
async def test_an_old_one_is_completed_and_a_young_one_left_to_its_request() -> None:
    async with opened() as shop:
        old = await shop.begun()
        await shop.grow_old()
        shop.clock.advance(-timedelta(milliseconds=1))
        young = await shop.begun()
        assert await shop.purger.sweep() == 0
        shop.clock.advance(timedelta(milliseconds=1))
        assert await shop.purger.sweep() == 1
        assert (await shop.is_completed(old), await shop.is_completed(young)) == (True, False)
        assert await shop.purger.sweep() == 0


@pytest.mark.gen_test
async def test_one_that_a_clock_ahead_began_waits_no_longer_than_others() -> None:
    async with opened() as shop:
        shop.clock.advance(timedelta(hours=1))
        ahead = await shop.begun()
        shop.clock.advance(-timedelta(hours=1))
        assert await shop.purger.sweep() == 0, "it may still be under way"
        shop.clock.advance(AGE - timedelta(milliseconds=1))
        assert await shop.purger.sweep() == 0
        shop.clock.advance(timedelta(milliseconds=1))
        assert await shop.purger.sweep() == 1
        assert await shop.is_completed(ahead)
        assert (await shop.purger.sweep(), shop.purger.found) == (0, {})


@pytest.mark.gen_test
async def test_what_is_left_anew_is_as_young_as_that() -> None:
    """The clock of the machine has stepped back meanwhile, so that the second moment is the earlier one."""
    async with opened() as shop:
        left = await shop.begun()
        await shop.grow_old()
        anew = replace(left, revision=left.revision + 1, image_deleted_at=shop.clock.now() - timedelta(hours=1))
        assert await shop.store.update(anew)
        await shop.grow_old()
        assert await shop.purger.sweep() == 1


@pytest.mark.gen_test
async def test_it_remembers_nothing_that_is_completed() -> None:
    async with opened() as shop:
        await shop.begun()
        await shop.grow_old()
        assert await shop.purger.sweep() == 1
        assert await shop.purger.sweep() == 0
        assert shop.purger.found == {}


@pytest.mark.gen_test
async def test_several_at_once_complete_each_once() -> None:
    async with opened() as shop:
        documents = [await shop.begun() for _ in range(20)]
        await shop.grow_old()
        await asyncio.gather(*(shop.purger.sweep() for _ in range(5)))
        for document in documents:
            assert await shop.is_completed(document)
            found = await shop.store.get(document.id)
            assert found is not None
            assert found.revision == document.revision + 1


@pytest.mark.gen_test
async def test_one_that_fails_keeps_no_other_from_being_completed() -> None:
    async with opened() as shop:
        first, elsewhere, last = [await shop.begun(name) for name in ("memory", "glacier", "memory")]
        await shop.grow_old()
        with pytest.raises(ApiError, match="image_elsewhere"):
            await shop.purger.sweep()
        done = [await shop.is_completed(document) for document in (first, elsewhere, last)]
        assert done == [True, False, True]


@pytest.mark.gen_test
async def test_storage_that_does_not_work_is_left_alone_for_the_rest_of_a_look() -> None:
    async with opened() as shop:
        dead = ScriptedStorage()
        guard = GuardedStorage(dead, name="dead")
        storages = Storages({"memory": shop.storage, "dead": guard}, "memory")
        images = Images(shop.store, storages, shop.clock, places_for_downloads(1))
        purger = Purger(images, shop.store, shop.clock, random.Random(7))
        stuck = [await shop.begun("dead") for _ in range(20)]
        others = [await shop.begun() for _ in range(20)]
        assert await purger.sweep() == 0
        shop.clock.advance(AGE)
        dead.before = failing(StorageUnavailable("down"), "delete")
        with pytest.raises(ApiError, match="image_unavailable"):
            await purger.sweep()
        assert len(dead.calls) == FAILURES
        assert all([await shop.is_completed(document) for document in others])
        dead.before = failing(StorageUnavailable("down"), "delete", times=FAILURES - 1)
        with pytest.raises(ApiError, match="image_unavailable"):
            await purger.sweep()
        assert len(dead.calls) == FAILURES + len(stuck), "few failures are those of the images"


@pytest.mark.gen_test
async def test_it_goes_on_through_outages_and_bugs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.images.purger, "INTERVAL", 0.001)
    async with opened() as shop:
        document = await shop.begun()
        await shop.grow_old()
        errors: list[Exception | None] = [StorageUnavailable("down"), StorageUnavailable("down"), None]
        delete = shop.backend.delete
        backend: Any = shop.backend

        async def failing(key: str) -> None:
            error = errors.pop(0)
            if error is not None:
                raise error
            await delete(key)

        backend.delete = failing
        shop.store.fault = lambda name, number: RuntimeError("a bug") if (name, number) == ("update", 2) else None
        with capture_logs() as lines:
            task = asyncio.create_task(shop.purger.run())
            await until(lambda: not errors)
            errors.append(None)  # the step after it failed: the bytes are deleted once more
            while not await shop.is_completed(document):
                await asyncio.sleep(0.001)
            task.cancel()
            await asyncio.wait({task})
        events = [line["event"] for line in lines]
        assert events.count("a component is down") == events.count("a component recovered") == 1
        assert events.count("removing deleted images failed unexpectedly") == 1
        assert events.count("completed a deletion") == 1


@pytest.mark.gen_test
async def test_previous_keys_of_issuers_are_dropped_also_while_storage_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.images.purger, "INTERVAL", 0.01)
    async with opened() as shop:
        await shop.begun("elsewhere")
        await shop.grow_old()
        issuer = Issuer("key", "organization", "new", previous_key="old", previous_until=shop.clock.now())
        await shop.store.add_issuer(issuer)
        task = asyncio.create_task(shop.purger.run())
        while await shop.store.get_issuer("key") == issuer:
            await asyncio.sleep(0.01)
        assert await shop.store.get_issuer("key") == Issuer("key", "organization", "new")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.gen_test
async def test_what_was_retried_since_a_look_began_keeps_its_image() -> None:
    """Another process completes the deletions meanwhile; after that, a client may retry one."""
    async with opened() as shop:
        documents = [make_import(shop.clock) for _ in range(5)]
        for document in documents:
            await shop.store.add(document)
            running = document.claimed("worker", shop.clock.now())
            assert await shop.store.update(running)
            assert await shop.store.update(running.cancelled(shop.clock.now()))
        another = Purger(shop.images, shop.store, shop.clock, random.Random(2))
        assert await another.sweep() == 0
        await shop.grow_old()
        delete, go_on = shop.backend.delete, asyncio.Event()
        hung: list[str] = []

        async def hangs(key: str) -> None:
            hung.append(key)
            await go_on.wait()
            await delete(key)

        vars(shop.backend)["delete"] = hangs
        late = asyncio.create_task(shop.purger.sweep())
        await until(lambda: bool(hung))
        vars(shop.backend)["delete"] = delete
        assert await another.sweep() == 4
        stuck = next(document for document in documents if document.storage_key in hung)
        with pytest.raises(ValueError, match="still being stopped"):  # no other removes it, and it is not retried
            (await shop.store.get(stuck.id) or stuck).retried(shop.clock.now(), shop.clock.now())
        (one, *_) = (document for document in documents if document.storage_key not in hung)
        purged = await shop.store.get(one.id)
        assert purged is not None
        again = purged.retried(shop.clock.now(), shop.clock.now())
        assert await shop.store.update(again)
        running = again.claimed("worker", shop.clock.now())
        assert await shop.store.update(running)
        metadata = ObjectMetadata(len(DATA), hashlib.sha256(DATA).hexdigest(), "image/png")
        await shop.storage.save(running.storage_key, once(DATA), metadata)
        image = Image("PNG", "image/png", 1, 1, 1, len(DATA), metadata.sha256, "memory", running.storage_key)
        assert await shop.store.update(running.succeeded(image, "url", shop.clock.now()))
        go_on.set()
        assert await late == 1, "the one that hung"
        assert await shop.storage.exists(running.storage_key)
        found = await shop.store.get(one.id)
        assert found is not None
        assert (found.status, found.image_deleted_at) == (Status.DONE, None)
