"""Old imports are removed as a client would delete them: which they are, what stays, and who removes them."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from lading.backends.guard.storage import GuardedStorage
from lading.plugins.errors import StorageUnavailable
from lading.service.config.sections.retention import RetentionSettings
from lading.service.documents import StoreUnavailable
from lading.service.errors.catalogue import ApiError
from lading.service.images.retention import removing
from lading.service.images.retention.policy import FINAL, Policy
from lading.service.images.retention.removing import FAILURES, LEASE, Retention
from lading.service.models import Import, Status
from lading.service.observe.metrics.meter import Meter
from lading.service.storages.routes import Storages
from tests.support.clock import SettableClock
from tests.support.core import ScriptedStore, opened_with
from tests.support.images import noise, store_image
from tests.support.orders import every_death, every_order, finish
from tests.support.plugins.scripted import make_import
from tests.support.plugins.storages import ScriptedStorage
from tests.support.servers.service import ORGANIZATION
from tests.support.stepping import World

HOUR = timedelta(hours=1)
DATA = noise(100)
DELETING = Policy(dict.fromkeys(FINAL, HOUR), keeps_images=False)
KEEPING = replace(DELETING, keeps_images=True)


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removing, "LEAST_PAUSE", 0.0)


class Counted(Meter):
    def __init__(self) -> None:
        self.retireds: list[tuple[str, int]] = []

    def retired(self, status: str, byte_size: int) -> None:
        self.retireds.append((status, byte_size))


class Shop:
    def __init__(self) -> None:
        self.clock = SettableClock()
        self.store = ScriptedStore(self.clock)
        self.backend = ScriptedStorage()
        self.storages = Storages({"memory": GuardedStorage(self.backend, name="memory")}, "memory")
        self.meter = Counted()

    def retention(self, policy: Policy = DELETING) -> Retention:
        return Retention(self.store, self.storages, self.clock, random.Random(7), policy, self.meter)

    async def sweep(self, policy: Policy = DELETING) -> int:
        """The number of removed imports."""
        with capture_logs():
            removed = await self.retention(policy).sweep()
        assert removed is not None
        return removed.imports

    async def done(self, number: int = 1, **changes: Any) -> list[Import]:
        storage = self.storages.backend
        found = [await store_image(self.store, storage, "memory", self.clock, DATA, **changes) for _ in range(number)]
        return [one.document for one in found]

    async def add(self, status: Status, album: str | None = None, issuer: str = "issuer") -> Import:
        document = make_import(self.clock, status=status, issuer=issuer)
        if album is not None:
            document = replace(document, params={**document.params, "album_id": album})
        await self.store.add(document)
        return document

    def left(self) -> set[str]:
        return {one.id for one in self.store.imports}


opened = partial(opened_with, Shop)


# --- which imports ----------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_by_default_nothing_goes_however_old() -> None:
    async with opened() as shop:
        for status in Status:
            await shop.add(status)
        await shop.done()
        before = shop.left()
        shop.clock.advance(timedelta(days=36500))
        assert await shop.sweep(Policy.of(RetentionSettings())) == 0
        assert shop.left() == before


@pytest.mark.parametrize("status", Status)
@pytest.mark.gen_test
async def test_a_state_goes_after_its_own_time_and_what_is_unfinished_never(status: Status) -> None:
    async with opened() as shop:
        documents = {one: await shop.add(one) for one in Status}
        policy = Policy({status: HOUR}, keeps_images=False)
        shop.clock.advance(HOUR)
        assert await shop.sweep(policy) == 0, "not older than that"
        shop.clock.advance(timedelta(milliseconds=1))
        assert await shop.sweep(policy) == status.is_final
        gone = {documents[status].id} if status.is_final else set()
        assert shop.left() == {one.id for one in documents.values()} - gone


@pytest.mark.gen_test
async def test_an_album_has_its_own_time() -> None:
    settings = RetentionSettings(done=7200, album_exceptions="drafts-*=3600, archive=0, *=10800")
    async with opened() as shop:
        albums = (None, "drafts-1", "archive", "other", "Drafts-1")
        documents = {album: await shop.add(Status.DONE, album) for album in albums}
        failed = await shop.add(Status.FAILED, "drafts-1")
        gone = []
        for _ in range(4):
            shop.clock.advance(HOUR + timedelta(milliseconds=1))
            before = shop.left()
            await shop.sweep(Policy.of(settings))
            gone.append(before - shop.left())
        assert gone == [
            {documents["drafts-1"].id, failed.id},
            {documents[None].id},
            {documents["other"].id, documents["Drafts-1"].id},
            set(),
        ]
        assert shop.left() == {documents["archive"].id}


@pytest.mark.gen_test
async def test_an_import_that_is_retried_before_its_turn_stays() -> None:
    async with opened() as shop:
        old = await shop.add(Status.FAILED)
        shop.clock.advance(2 * HOUR)
        assert await shop.store.update(old.retried(shop.clock.now(), shop.clock.now()))
        assert await shop.retention().retire(old) is None
        assert shop.left() == {old.id}
        assert shop.meter.retireds == []


# --- what becomes of images -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "kept"), [(DELETING, 0), (KEEPING, 5)])
@pytest.mark.gen_test
async def test_images_go_or_stay_and_quotas_are_given_back(policy: Policy, kept: int) -> None:
    async with opened() as shop:
        documents = await shop.done(5)
        shop.clock.advance(2 * HOUR)
        await shop.done()
        assert await shop.sweep(policy) == 5
        assert shop.left().isdisjoint(one.id for one in documents)
        assert len(shop.backend.objects) == kept + 1
        assert await shop.store.stored_bytes(ORGANIZATION) == len(DATA)
        assert shop.meter.retireds == [("done", 0 if kept else len(DATA))] * 5


def shared() -> World:
    """A has the object; B and C share it, and D may end with it."""
    world = World()
    world.done("A")
    for name in "BC":
        world.done(name, sharing="A")
    world.running("D")
    return world


def kept(world: World) -> Coroutine[Any, Any, None]:
    return world.retire("A", keeps_images=True)


def test_a_kept_image_stays_for_whoever_shares_it_and_goes_when_a_client_deletes_that() -> None:
    for world in every_order(
        shared, [lambda world: world.retire("A", keeps_images=True), lambda world: world.import_same("D")]
    ):
        world.purge()
        world.check_settled()
        for name in "BCD":
            finish(world.delete_import(name))
            world.check_promise()
        assert world.storage.objects == {}


def test_a_removal_that_dies_anywhere_keeps_the_image_that_it_was_to_keep() -> None:
    def alone() -> World:
        world = World()
        world.done("A")
        return world

    deaths = 0
    for world in every_death(alone, kept):
        is_done = world.present("A") is None
        world.purge()
        assert world.storage.objects, "whether it was begun or not"
        if world.present("A") is not None:
            finish(kept(world))
            world.purge()
        assert (world.present("A"), len(world.storage.objects)) == (None, 1)
        deaths += not is_done
    assert deaths >= 3


# --- who removes, and how ---------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize("is_killed", [True, False])
async def test_one_process_at_a_time_removes_and_another_goes_on_after_its_death(
    monkeypatch: pytest.MonkeyPatch, is_killed: bool
) -> None:
    async with opened() as shop:
        await shop.done(60)
        shop.clock.advance(2 * HOUR)
        other, first = shop.retention(), shop.retention()
        seen = []
        if is_killed:
            monkeypatch.setattr(first._lease, "give_back", lambda: asyncio.sleep(0))

        async def look(name: str) -> None:
            if name == "update" and shop.store.calls["update"] == 50:
                seen.append(await other.sweep())
                sweep.cancel()

        shop.store.on_call = look
        sweep = asyncio.create_task(first.sweep())
        with capture_logs(), pytest.raises(asyncio.CancelledError):
            await sweep
        assert seen == [None]
        shop.store.on_call = None
        left = len([one for one in shop.store.imports if one.deleted_at is None])
        assert 0 < left < 60
        assert not is_killed or await other.sweep() is None, "the lease lasts"
        shop.clock.advance(LEASE if is_killed else timedelta())
        with capture_logs():
            removed = await other.sweep()
        assert removed is not None
        assert removed.imports == left
        assert await shop.sweep() == 0, "the lease was given back"


@pytest.mark.gen_test
async def test_an_outage_of_storage_ends_a_sweep_before_it_has_begun_everything() -> None:
    async with opened() as shop:
        documents = await shop.done(30)
        shop.clock.advance(2 * HOUR)

        async def fails(name: str, _key: str) -> None:
            if name == "delete":
                raise StorageUnavailable("away")

        shop.backend.before = fails
        removed = await shop.retention().sweep()
        assert removed is not None
        assert removed.failure is not None
        assert removed.failure.code == "image_unavailable"
        begun = [one for one in shop.store.imports if one.deleted_at is not None]
        assert len(begun) == FAILURES
        assert len(shop.store.imports) == len(documents) == len(shop.backend.objects)


@pytest.mark.gen_test
async def test_images_of_a_storage_that_is_not_configured_stay_and_keep_nothing_else() -> None:
    async with opened() as shop:
        elsewhere = [await shop.done() for _ in range(FAILURES + 2)]
        moved = [document.image_moved("gone", shop.clock.now()) for (document,) in elsewhere]
        for document in moved:
            assert await shop.store.update(document)
        shop.clock.advance(HOUR)
        await shop.done(3)
        shop.clock.advance(2 * HOUR)
        assert await shop.sweep() == 3
        assert {one.id: one.deleted_at for one in shop.store.imports} == {one.id: None for one in moved}


@pytest.mark.gen_test
async def test_an_outage_of_the_database_is_told_and_nothing_is_lost() -> None:
    async with opened() as shop:
        await shop.done(3)
        shop.clock.advance(2 * HOUR)
        shop.store.fault = lambda name, number: "before" if name == "update" and number == 3 else None
        removed = await shop.retention().sweep()
        assert removed is not None
        assert removed.failure is not None
        assert removed.failure.code == "documents_unavailable"
        await shop.store.close()
        with pytest.raises(StoreUnavailable):
            await shop.retention().sweep()


@pytest.mark.gen_test
async def test_another_policy_holds_from_the_next_import_on() -> None:
    async with opened() as shop:
        await shop.done(40)
        shop.clock.advance(2 * HOUR)
        retention = shop.retention()
        with capture_logs():
            removed = await retention.sweep(lambda _: retention.take_over(Policy()))
        assert removed is not None
        assert removed.imports == removing.BATCH


@pytest.mark.gen_test
async def test_imports_go_in_groups_and_each_group_is_followed_by_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removing, "LEAST_PAUSE", 0.001)
    pauses: list[float] = []
    batches: list[int] = []
    sleep = asyncio.sleep

    async def slept(seconds: float) -> None:
        if seconds:
            pauses.append(seconds)
        await sleep(0)

    async with opened() as shop:
        await shop.done(40)
        shop.clock.advance(2 * HOUR)
        monkeypatch.setattr(asyncio, "sleep", slept)
        monkeypatch.setattr(removing, "RENEWED", 0.002)  # seconds: the lease is looked after too
        rare = Policy({Status.DONE: 9 * HOUR}, [("rare-*", HOUR)])
        assert await shop.sweep(rare) == 0
        assert len(pauses) == 3, "one for each page that was read in vain"
        at_once: set[asyncio.Task[None] | None] = set()
        groups: list[int] = []

        async def looked(name: str) -> None:
            if name == "update":
                at_once.add(asyncio.current_task())

        async def told(seconds: float) -> None:
            if seconds:
                groups.append(len(at_once))
                at_once.clear()
            await slept(seconds)

        shop.store.on_call = looked
        monkeypatch.setattr(asyncio, "sleep", told)
        with capture_logs():
            await shop.retention().sweep(lambda removed: batches.append(removed.imports))
    assert batches == [16, 32, 40]
    assert groups == [1, 15, 16, 8], "the first by itself: a storage that is away costs one import"
    assert len(pauses) == 3 + 4
    assert max(pauses) <= removing.RENEWED


@pytest.mark.gen_test
async def test_to_read_what_stays_costs_a_short_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    seconds, sleep = count(step=1), asyncio.sleep  # each look at the clock is a second later

    async def slept(pause: float) -> None:
        pauses.extend([pause] if pause else ())
        await sleep(0)

    monkeypatch.setattr(removing, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    monkeypatch.setattr(removing, "RENEWED", 1000)
    async with opened() as shop:
        await shop.done(20)
        shop.clock.advance(2 * HOUR)
        monkeypatch.setattr(asyncio, "sleep", slept)
        await shop.sweep(Policy({Status.DONE: 9 * HOUR}, [("rare-*", HOUR)], rest=40))
        assert pauses
        assert max(pauses) <= 2 * 3
        pauses.clear()
        await shop.sweep(replace(DELETING, rest=40))
        assert min(pauses) >= 40


@pytest.mark.gen_test
async def test_an_import_that_somebody_else_has_removed_costs_no_patience() -> None:
    async with opened() as shop:
        (document,) = await shop.done()
        shop.clock.advance(2 * HOUR)
        assert await shop.sweep() == 1
        before = shop.store.calls["update"]
        with pytest.raises(ApiError, match="write_conflict"):
            await shop.retention().retire(document)
        assert shop.store.calls["update"] == before + 1, "it does not come back"
