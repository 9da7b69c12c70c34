"""One object for several imports: in every order of steps, and whoever dies between two, it stays as long as a done
import refers to it, and goes with the last.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime
from itertools import permutations
from typing import Any

import pytest
from structlog.testing import capture_logs

from lading.service.models import Failure, Import, Share, Status
from tests.support.orders import every_death, every_order, finish
from tests.support.stepping import DATA, World

FAILURE = Failure("origin_not_found", "It is not there any more.", retryable=False)


Actor = Callable[[World], Coroutine[Any, Any, Any]]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


def shared(*, mirror: str | None = None) -> World:
    """A has the object; B and C share it."""
    world = World(mirror)
    world.done("A")
    for name in ("B", "C"):
        world.done(name, sharing="A")
    world.check_promise()
    return world


def about_to_share() -> World:
    """A has the object; C has come so far that it looks for it."""
    world = World()
    world.done("A")
    world.running("C")
    return world


def image_deleted(name: str) -> Actor:
    return lambda world: world.delete_image(name)


def import_deleted(name: str) -> Actor:
    return lambda world: world.delete_import(name)


def import_retired(name: str) -> Actor:
    return lambda world: world.retire(name)


DELETIONS = [image_deleted, import_deleted, import_retired]


def imported(name: str) -> Actor:
    return lambda world: world.import_same(name)


@pytest.mark.parametrize("order", list(permutations("ABC")))
@pytest.mark.parametrize("delete", DELETIONS)
@pytest.mark.parametrize("mirror", [None, "mirror"])
def test_whichever_goes_first_the_bytes_go_with_the_last(
    order: tuple[str, ...], delete: Callable[[str], Actor], mirror: str | None
) -> None:
    world = shared(mirror=mirror)
    for number, name in enumerate(order, 1):
        finish(delete(name)(world))
        world.check_promise()
        is_last = number == len(order)
        for place in world.places.values():
            assert bool(place.objects) is not is_last
        assert finish(world.store.stored_bytes("organization")) == (0 if is_last else len(DATA)), "at once"
        gone = world.present(name)
        assert gone is None or not gone.is_stopping
    world.purge()
    world.check_settled()


@pytest.mark.parametrize("first", DELETIONS)
@pytest.mark.parametrize("names", ["AB", "BC"])
def test_two_are_deleted_at_once(first: Callable[[str], Actor], names: str) -> None:
    orders = 0
    for world in every_order(shared, [first(names[0]), image_deleted(names[1])]):
        world.purge()
        world.check_settled()
        orders += 1
    assert orders >= 4


@pytest.mark.parametrize("delete", DELETIONS)
def test_an_import_ends_while_what_it_shares_is_deleted(delete: Callable[[str], Actor]) -> None:
    ends = set()
    for world in every_order(about_to_share, [imported("C"), delete("A")]):
        done = world.present("C")
        assert done is not None
        assert done.status is Status.DONE, "in whatever order"
        world.purge()
        world.check_settled()
        done = world.present("C")
        assert done is not None
        assert done.image is not None
        ends.add(done.image.key == done.own_key)
    assert ends == {False, True}, "it has adopted the object, or stored its own"


def test_an_import_ends_while_an_adopted_object_is_deleted() -> None:
    def adopted() -> World:
        world = shared()
        finish(world.delete_import("A"))
        (owner,) = (name for name in "BC" if (found := world.present(name)) is not None and found.image is not None)
        world.names["owner"] = world.present(owner) or world.names[owner]
        world.running("D")
        return world

    for world in every_order(adopted, [imported("D"), image_deleted("owner")]):
        world.purge()
        world.check_settled()


@pytest.mark.parametrize("delete", DELETIONS)
@pytest.mark.parametrize("name", ["A", "B"])
def test_a_deletion_that_dies_anywhere_is_completed(delete: Callable[[str], Actor], name: str) -> None:
    deaths = 0
    for world in every_death(shared, delete(name)):
        world.purge()
        world.check_settled()
        deaths += 1
    assert deaths >= 3


@pytest.mark.parametrize(
    "ends", [None, lambda one, now: one.failed(FAILURE, "url", now), Import.cancelled], ids=["done", "failed", "gone"]
)
@pytest.mark.parametrize("is_deleted", [False, True])
def test_an_attempt_that_dies_anywhere_leaves_neither_an_orphan_nor_a_lock(
    ends: Callable[[Import, datetime], Import] | None, is_deleted: bool
) -> None:
    for world in every_death(about_to_share, imported("C")):
        if is_deleted:
            finish(world.delete_image("A"))
        world.recover()
        world.attempt("C", ends)
        world.purge()
        world.check_settled()


@pytest.mark.parametrize(
    "ends", [None, lambda one, now: one.failed(FAILURE, "url", now), Import.cancelled], ids=["done", "failed", "gone"]
)
def test_what_a_dead_attempt_has_stored_goes_however_the_import_ends(
    ends: Callable[[Import, datetime], Import] | None,
) -> None:
    """An attempt stores its own object and dies; meanwhile another import stores the same bytes."""

    def alone() -> World:
        world = World()
        world.running("C")
        return world

    seen = set()
    for world in every_death(alone, imported("C")):
        seen.add(bool(world.storage.objects))
        world.done("A")
        world.recover()
        world.attempt("C", ends)
        ended = world.present("C")
        assert ended is not None
        assert ended.own_key not in world.storage.objects, "at once"
        world.purge()
        world.check_settled()
    assert seen == {False, True}


def test_what_is_saved_late_by_a_worker_that_was_frozen_goes_too() -> None:
    world = World()
    document = world.running("C")
    frozen = world.import_same("C")
    frozen.send(None)  # it looks for duplicates, and stops there
    world.recover()
    world.attempt("C", lambda one, now: one.failed(FAILURE, "url", now))
    finish(frozen)
    assert document.own_key in world.storage.objects
    world.purge()
    world.check_settled()


def test_an_owner_waits_for_an_attempt_that_may_share_its_object() -> None:
    world = about_to_share()
    attempt = world.import_same("C")
    while (found := world.present("C")) is None or found.duplicate is None:
        attempt.send(None)
    finish(world.delete_image("A"))
    owner = world.present("A")
    assert owner is not None
    assert owner.is_stopping, "202"
    assert world.storage.objects
    world.recover()  # it dies
    attempt.close()
    world.purge()
    owner = world.present("A")
    assert owner is not None
    assert (owner.is_stopping, world.storage.objects) == (False, {})


# --- copies -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def _without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps have no event loop."""

    async def at_once(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", at_once)


def beside_another() -> World:
    """A has the object in the main storage, B and C share it; there is another storage."""
    world = World(other="other")
    world.done("A")
    for name in ("B", "C"):
        world.done(name, sharing="A")
    return world


def moved(world: World) -> Coroutine[Any, Any, None]:
    return world.move("A", "other")


def mirrored(world: World) -> Coroutine[Any, Any, None]:
    return world.mirror("A", "other")


@pytest.mark.usefixtures("_without_threads")
@pytest.mark.parametrize("delete", DELETIONS)
@pytest.mark.parametrize("copied", [moved, mirrored])
def test_an_object_is_copied_while_it_is_adopted(copied: Actor, delete: Callable[[str], Actor]) -> None:
    ends = set()
    for world in every_order(beside_another, [copied, delete("A")]):
        owner = owner_in(world)
        ends.add(owner.image is not None and "other" in owner.image.places)
        world.purge()
        world.names["A"] = owner  # the next run finds the copy that was left, where nobody had adopted it yet
        finish(copied(world))
        world.check_settled()
    assert ends == {False, True}


@pytest.mark.usefixtures("_without_threads")
@pytest.mark.parametrize("copied", [moved, mirrored])
def test_what_was_copied_belongs_to_who_has_adopted_the_object(copied: Actor) -> None:
    world = beside_another()
    copying = copied(world)
    while not world.places["other"].objects:
        copying.send(None)
    finish(world.delete_import("A"))
    finish(copying)
    image = owner_in(world).image
    assert image is not None
    assert "other" in image.places
    world.purge()
    world.check_settled()


@pytest.mark.usefixtures("_without_threads")
def test_an_adopted_object_is_moved_while_its_first_owner_still_goes() -> None:
    deaths = 0
    for world in every_death(beside_another, image_deleted("A")):
        for adopter in owners_in(world):
            world.names["A"] = adopter
            finish(moved(world))
            world.check_promise()
            world.purge()
            world.check_settled()
            deaths += 1
    assert deaths == 1, "between the adoption and the last step"


def owners_in(world: World) -> list[Import]:
    """The imports, but the first, whose own image the object is."""
    return [one for one in world.store.documents if one.share is Share.OWNER]


def owner_in(world: World) -> Import:
    (owner,) = owners_in(world)
    return owner
