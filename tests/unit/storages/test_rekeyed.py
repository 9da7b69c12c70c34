"""An attempt with processors finds bytes that were saved before there were any: in every order of steps, and whoever
dies between two, the import ends with processed bytes, and the others go.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from lading.plugins.contracts import ImageInfo, ObjectMetadata
from lading.plugins.errors import ObjectExists, ObjectNotFound
from lading.service.models import Import, Status
from lading.service.models.fields import next_key
from lading.service.storages.copies import once
from lading.service.work.pipeline.outcomes import TakenOver
from lading.service.work.pipeline.processing import Done, Ready
from lading.service.work.results import Result
from tests.support.orders import every_death, every_order, finish
from tests.support.stepping import DATA, FakeDetector, FakeSpool, World

RAW = b"what came, and no processor saw"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


class Replacing:
    """Processors that make ``DATA`` of whatever came."""

    processors = ("one",)

    @asynccontextmanager
    async def run(self, *_image: object) -> AsyncIterator[Ready]:
        yield Ready(cast("Any", FakeSpool(DATA)), ImageInfo("PNG", "image/png", 3, 2), done=(Done("one", True, {}),))


def left_behind(mirror: str | None = None) -> World:
    """An attempt at C has saved its bytes as they came, and died. C runs again, with processors."""
    world = World(mirror)
    world.importer._processing = cast("Any", Replacing())
    first = world.running("C")
    world.names["earlier"] = first
    for place in world.places.values():
        place.objects[first.own_key] = RAW
    world.recover()
    queued = world.present("C")
    assert queued is not None
    world.names["C"] = world.store.put(queued.claimed("worker", world.clock.now()))
    return world


async def attempt(world: World) -> None:
    with suppress(TakenOver):
        await world.import_same("C")


async def late(world: World) -> None:
    """The first attempt was frozen: it saves its bytes, and wants to end the import with them."""
    document = world.names["earlier"]
    storage: Any = world.storage
    with suppress(ObjectExists):
        await storage.save(document.own_key, once(RAW), ObjectMetadata(len(RAW), "", "image/png"))
    image = world.importer._storing.image(
        ImageInfo("PNG", "image/png", 3, 2), cast("Any", FakeSpool(RAW)), "main", document.own_key, None
    )
    outbox = world.images.outbox
    ended = await Result(world.store, outbox, document, lambda one: one.succeeded(image, "url", one.updated_at)).write()
    assert ended is None
    await world.images.removal.settle_lost(document)


def check(world: World) -> None:
    """C is done with the processed bytes, and nothing else is left, in any storage."""
    world.recover()
    world.attempt("C")
    world.purge()
    world.check_settled()
    done = world.present("C")
    assert done is not None
    assert (done.status, done.leftover_keys) == (Status.DONE, (world.names["earlier"].own_key,))


def test_the_earlier_bytes_go_at_once() -> None:
    world = left_behind("mirror")
    finish(attempt(world))
    world.check_promise()
    assert list(world.storage.objects.values()) == [DATA]
    check(world)


def test_an_attempt_gives_up_after_three_keys_and_never_writes_a_fourth(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []

    async def detect(_detector: FakeDetector, path: Path) -> ImageInfo:
        looks.append(path)
        return ImageInfo("PNG", "image/png", 3, 2)

    world = left_behind()
    monkeypatch.setattr(FakeDetector, "detect", detect)
    key = world.names["earlier"].own_key
    keys = [key, next_key(key), next_key(next_key(key))]
    world.storage.objects.update(dict.fromkeys(keys, RAW))
    with pytest.raises(ObjectExists):
        finish(world.import_same("C"))
    document = world.present("C")
    assert document is not None
    assert document.own_key == keys[-1]
    assert len(looks) == 1, "bytes that the attempt must not use need no detector"


def test_the_objects_of_an_import_that_is_gone_go_under_every_key_of_the_attempt() -> None:
    world = left_behind()
    document = world.names.pop("C")
    del world.store._imports[document.id]
    keys = [document.own_key, next_key(document.own_key), next_key(next_key(document.own_key))]
    world.storage.objects.update(dict.fromkeys(keys, DATA))
    finish(world.images.removal.settle_lost(document))
    assert world.storage.objects == {}


def test_an_attempt_that_dies_anywhere_is_made_good() -> None:
    deaths = 0
    for world in every_death(left_behind, attempt):
        world.check_promise()
        check(world)
        deaths += 1
    assert deaths >= 6


def test_an_attempt_that_wakes_up_late_changes_nothing() -> None:
    for world in every_order(left_behind, [attempt, late]):
        check(world)


def test_an_import_that_is_stopped_meanwhile_leaves_nothing() -> None:
    async def stop(world: World) -> None:
        await world.images.purge(
            await world.images.removal.write(world.names["C"], lambda one: one.status.is_final, Import.cancelled)
        )

    async def tried(world: World) -> None:
        document = world.names["C"]
        try:
            await world.import_same("C")
        except (TakenOver, ObjectNotFound):  # the second, if the earlier bytes have gone at that moment
            await world.images.removal.settle_lost(document)
        else:
            found = world.present("C")
            if found is None or found.status is not Status.DONE:
                await world.images.removal.settle_lost(document)

    orders = 0
    for world in every_order(left_behind, [tried, stop]):
        world.purge()
        world.check_settled()
        orders += 1
    assert orders >= 4
