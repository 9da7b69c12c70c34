"""Actors that work on one world, a step at a time: every order of their steps is tried.

A step is one operation of a store or of a storage. No event loop is needed: nothing waits but for its turn, so an order
that failed once fails each time. An actor can be killed before each operation, which is after the one before it.
"""

from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar


class Checked(Protocol):
    """A world that actors work in."""

    def check_promise(self) -> None:
        """Make sure of what is so between any two steps."""


_World = TypeVar("_World", bound=Checked)


@dataclass(frozen=True, slots=True)
class Turn:
    """What an actor waits for before each step: the operation that comes next.

    Attributes:
        place: what it works on: ``documents``, or a storage.
        item: the document, or the object, that it works on; None for all of them.
        writes: whether it changes it.
    """

    place: str
    item: str | None
    writes: bool = False

    def __await__(self) -> Generator["Turn", None, None]:
        yield self

    def commutes(self, other: "Turn") -> bool:
        """Whether nobody can tell in which order the two operations were made."""
        if self.place != other.place or not (self.writes or other.writes):
            return True
        return self.item != other.item and None not in (self.item, other.item)


def finish(actor: Coroutine[Any, Any, Any]) -> Any:
    """Let an actor, or a single call, take all its steps."""
    while True:
        try:
            actor.send(None)
        except StopIteration as ended:
            return ended.value


@dataclass
class _Step:
    """A step that was taken.

    Attributes:
        asleep: actors whose step at this point leads to nothing new: an order was tried in which they took it earlier,
            and all that was done since commutes with it.
        tried: the actors whose step was tried at this point; the last of them takes it now.
    """

    asleep: frozenset[int]
    tried: list[int]

    def closed(self) -> frozenset[int]:
        """Those that need not be tried any more."""
        return self.asleep.union(self.tried)


def every_order(
    make: Callable[[], _World], actors: Sequence[Callable[[_World], Coroutine[Any, Any, Any]]], limit: int = 5_000
) -> Iterator[_World]:
    """Every order of the actors' steps, each in a world of its own, which is checked after every step.

    Of the orders that differ in steps that commute, a single order is tried: sleep sets (Godefroid, Partial-Order
    Methods for the Verification of Concurrent Systems, 1996, section 5), which come through every state that there is.

    Args:
        make: a new world.
        actors: what works in it at the same time.
        limit: how many orders at most; more are a mistake of the test's.
    """
    path: list[_Step] = []
    for _ in range(limit):
        run = _Run(make(), actors)
        if run.follow(path):
            yield run.world
        run.close()
        while path and len(path[-1].closed()) == len(actors):
            path.pop()
        if not path:
            return
        step = path[-1]
        step.tried.append(min(set(range(len(actors))) - step.closed()))
    raise AssertionError("there are more orders than that")


class _Run(Generic[_World]):
    """Actors in a world, each before its next step."""

    def __init__(self, world: _World, actors: Sequence[Callable[[_World], Coroutine[Any, Any, Any]]]) -> None:
        self.world = world
        self._living = dict(enumerate(actor(world) for actor in actors))
        self._turns: dict[int, Turn] = {}
        self._ended: frozenset[int] = frozenset()
        for number in range(len(actors)):
            self._go_on(number)

    def follow(self, path: list[_Step]) -> bool:
        """Take the steps of the path, of which the last was never taken, and others after it, which are added.

        Returns:
            whether all actors have come to their ends, rather than to where nothing new follows.
        """
        checked = len(path) - 1
        asleep: frozenset[int] = frozenset()
        number = 0
        while self._living:
            if number == len(path):
                awake = self._living.keys() - asleep
                if not awake:
                    return False
                path.append(_Step(asleep | self._ended, [min(awake)]))
            step = path[number]
            actor = step.tried[-1]
            others = step.closed() - {actor}
            asleep = frozenset(
                one for one in others if one in self._turns and self._turns[one].commutes(self._turns[actor])
            )
            self._go_on(actor)
            if number >= checked:
                self.world.check_promise()
            number += 1
        return True

    def close(self) -> None:
        """End those that have not come to their ends."""
        for actor in self._living.values():
            actor.close()

    def _go_on(self, number: int) -> None:
        try:
            self._turns[number] = self._living[number].send(None)
        except StopIteration:
            del self._living[number]
            self._turns.pop(number, None)
            self._ended = frozenset((*self._ended, number))


def every_death(make: Callable[[], _World], actor: Callable[[_World], Coroutine[Any, Any, Any]]) -> Iterator[_World]:
    """The actor dies before each of its steps, one after another; each time in a world of its own."""
    steps = 0
    while True:
        world = make()
        living = actor(world)
        try:
            for _ in range(steps + 1):
                living.send(None)  # it comes to the step after those, and waits for its turn
        except StopIteration:
            return
        living.close()
        world.check_promise()
        yield world
        steps += 1
