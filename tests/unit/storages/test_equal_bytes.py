"""Imports that end at the same time with equal bytes: in every order of steps one keeps its object, and whichever
fails, dies or is deleted, nothing dangles and nothing is left over.
"""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from lading.service.models import Failure, Import, Status
from tests.support.orders import every_death, every_order, finish
from tests.support.stepping import DATA, World

FAILURE = Failure("origin_not_found", "It is not there any more.", retryable=False)
MANY = 20_000
Actor = Callable[[World], Coroutine[Any, Any, Any]]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


def racing(*names: str) -> World:
    """Imports whose bytes have come, and are the same."""
    world = World()
    for name in names:
        world.running(name)
    return world


def imported(name: str) -> Actor:
    return lambda world: world.import_same(name)


def check_single(world: World, *names: str) -> None:
    """All are done, with one object among them."""
    for name in names:
        found = world.present(name)
        assert found is not None
        assert found.status is Status.DONE
    assert len(world.storage.objects) == 1, world.told()
    world.purge()
    world.check_settled()
    assert finish(world.store.stored_bytes("organization")) == len(DATA)


def test_of_two_at_once_one_keeps_its_object() -> None:
    winners: set[str] = set()
    for world in every_order(lambda: racing("A", "B"), [imported("A"), imported("B")]):
        check_single(world, "A", "B")
        owners = [name for name in "AB" if (one := world.present(name)) is not None and one.image is not None]
        winners.add(*owners)
    assert winners == {"A", "B"}


def test_of_eight_at_once_one_keeps_its_object() -> None:
    """All have saved before the first ends."""
    names = "ABCDEFGH"
    world = racing(*names)
    actors = [world.import_same(name) for name in names]
    while len(world.storage.objects) < len(names):
        for actor in actors:
            actor.send(None)
    while actors:
        for actor in tuple(actors):
            try:
                actor.send(None)
            except StopIteration:
                actors.remove(actor)
            world.check_promise()
    check_single(world, *names)


@pytest.mark.parametrize("delete", ["image", "import"])
def test_the_first_is_deleted_as_soon_as_it_is_done(delete: str) -> None:
    async def deleted_when_done(world: World) -> None:
        await world.import_same("A")
        done = world.present("A")
        assert done is not None
        world.names["A"] = done
        await (world.delete_image("A") if delete == "image" else world.delete_import("A"))

    ends = set()
    for world in every_order(lambda: racing("A", "B"), [deleted_when_done, imported("B")], MANY):
        other = world.present("B")
        assert other is not None
        assert other.status is Status.DONE
        world.purge()
        world.check_settled()
        assert len(world.storage.objects) == 1
        other = world.present("B")
        assert other is not None
        assert other.image is not None
        ends.add(other.image.key == other.own_key)
    assert ends == {False, True}, "it has adopted the object of the first, or kept its own"


@pytest.mark.parametrize(
    "ends", [None, lambda one, now: one.failed(FAILURE, "url", now), Import.cancelled], ids=["done", "failed", "gone"]
)
def test_one_dies_anywhere_while_the_other_ends(ends: Callable[[Import, Any], Import] | None) -> None:
    """Also between its save and its end; its import is run again, and ends like that."""
    for is_first in (True, False):
        deaths = 0
        for world in every_death(lambda: racing("A", "B"), imported("A")):
            if not is_first:
                world.recover_one("A")
                world.attempt("A", ends)
            finish(world.import_same("B"))
            world.check_promise()
            if is_first:
                world.recover_one("A")
                world.attempt("A", ends)
            world.purge()
            world.check_settled()
            assert len(world.storage.objects) == 1
            deaths += 1
        assert deaths >= 3


def test_one_that_loses_dies_anywhere() -> None:
    """It has saved its own object, and is about to end, when the other has ended."""

    def lost(world: World) -> Coroutine[Any, Any, Any]:
        async def losing() -> None:
            await world.import_same("B")

        actor = losing()
        while world.names["B"].own_key not in world.storage.objects:
            actor.send(None)
        finish(world.import_same("A"))
        return actor

    deaths = 0
    for world in every_death(lambda: racing("A", "B"), lost):
        world.recover_one("B")
        world.attempt("B")
        world.purge()
        check_single(world, "A", "B")
        deaths += 1
    assert deaths >= 4
