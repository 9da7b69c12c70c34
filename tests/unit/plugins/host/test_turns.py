"""Places that issuers get in turn; all of them, or each a bounded number."""

import asyncio
import gc
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context

import pytest

from lading.plugins.host.turns import Occupancy, Turns, named_places, on_behalf_of, present_issuer
from tests.support.plugins.scripted import rounds


class Queue:
    """Calls that wait for a place, and the order in which they got theirs."""

    def __init__(self, places: int = 1) -> None:
        self.turns = Turns(places)
        self.served: list[str] = []
        self.held: deque[Callable[[], None]] = deque()
        self.tasks: list[asyncio.Task[None]] = []

    async def ask(self, issuer: str, number: int = 1) -> None:
        """So many calls of the issuer begin to wait."""
        with on_behalf_of(issuer):
            self.tasks += [asyncio.create_task(self._wait(issuer)) for _ in range(number)]
        await rounds(5)

    async def serve(self, number: int) -> list[str]:
        """Give a place back so many times; the issuers that got it."""
        before = len(self.served)
        for _ in range(number):
            self.held.popleft()()
            await rounds(5)
        return self.served[before:]

    async def _wait(self, issuer: str) -> None:
        self.held.append(await self.turns.take())
        self.served.append(issuer)


@contextmanager
def ended(queue: Queue) -> Iterator[None]:
    yield
    for task in queue.tasks:
        task.cancel()


@pytest.mark.gen_test
async def test_nobody_waits_while_a_place_is_free() -> None:
    queue = Queue(3)
    with ended(queue):
        await queue.ask("hog", 4)
        assert queue.served == ["hog"] * 3
        assert not queue.turns.has_room()


@pytest.mark.gen_test
async def test_issuers_take_turns_however_many_calls_each_has() -> None:
    queue = Queue()
    with ended(queue):
        await queue.ask("hog", 10)
        await queue.ask("guest", 2)
        await queue.ask("third")
        assert await queue.serve(6) == ["hog", "guest", "third", "hog", "guest", "hog"]
        await queue.ask("late")
        assert (await queue.serve(2)).index("late") <= 1


@pytest.mark.gen_test
async def test_calls_outside_of_any_issuer_are_one_more() -> None:
    queue = Queue()
    with ended(queue):
        await queue.ask("hog", 5)
        queue.tasks.append(asyncio.create_task(queue._wait("nobody")))
        await rounds(5)
        assert "nobody" in await queue.serve(2)


@pytest.mark.gen_test
async def test_a_wait_that_is_cancelled_takes_no_place() -> None:
    queue = Queue()
    with ended(queue):
        await queue.ask("hog", 2)
        await queue.ask("gone")
        await queue.ask("guest")
        queue.tasks[2].cancel()
        await rounds(5)
        assert await queue.serve(2) == ["hog", "guest"]
        await queue.serve(1)
        assert queue.turns.has_room()


@pytest.mark.gen_test
async def test_a_place_that_comes_with_the_cancellation_goes_to_the_next() -> None:
    queue = Queue()
    with ended(queue):
        await queue.ask("first")
        await queue.ask("gone")
        await queue.ask("guest")
        queue.held.popleft()()
        queue.tasks[1].cancel()
        await rounds(5)
        assert queue.served == ["first", "guest"]


@pytest.mark.gen_test
async def test_a_block_that_fails_gives_its_place_back() -> None:
    turns = Turns(1)
    with pytest.raises(KeyError):
        async with turns.turn():
            raise KeyError
    assert turns.has_room()


class Row:
    """Takes places of which each issuer may hold some, and writes down who got one, in order."""

    def __init__(self, places: int, per_issuer: int) -> None:
        self.turns = Turns(places, per_issuer)
        self.served: list[str] = []
        self.held: dict[str, list[Callable[[], None]]] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def come(self, *tenants: str) -> None:
        for one in tenants:
            with on_behalf_of(one):
                self.tasks.append(asyncio.create_task(self._take(one)))
        await rounds(5)

    async def leave(self, tenant: str) -> None:
        self.held[tenant].pop()()
        await rounds(5)

    async def _take(self, tenant: str) -> None:
        give_back = await self.turns.take(60)
        self.served.append(tenant)
        self.held.setdefault(tenant, []).append(give_back)

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for places in self.held.values():
            while places:
                places.pop()()
        assert (self.turns._held, self.turns._waiting) == ({}, {})


@pytest.mark.gen_test
async def test_a_tenant_holds_its_bound_and_leaves_the_rest_to_others() -> None:
    row = Row(4, 2)
    await row.come("a", "a", "a", "a", "b")
    assert row.served == ["a", "a", "b"]
    await row.end()


@pytest.mark.gen_test
async def test_places_that_become_free_go_to_the_tenants_in_turn() -> None:
    row = Row(2, 1)
    await row.come("a", "b", "a", "a", "c", "c", "d")
    assert row.served == ["a", "b"]
    for leaver in ("b", "c", "a", "d", "c", "a"):
        await row.leave(leaver)
    assert row.served == ["a", "b", "c", "d", "a", "c", "a"]
    await row.end()


@pytest.mark.gen_test
async def test_who_waits_in_vain_leaves_nothing_behind() -> None:
    row = Row(1, 1)
    await row.come("a")
    with on_behalf_of("b"), pytest.raises(TimeoutError):
        await row.turns.take(0.01)
    await row.come("b", "c")
    row.tasks[1].cancel()
    await rounds(5)
    await row.leave("a")
    assert row.served == ["a", "c"]
    await row.end()


@pytest.mark.gen_test
async def test_a_place_that_comes_as_its_wait_is_cancelled_goes_to_the_next() -> None:
    row = Row(1, 1)
    await row.come("a", "b", "c")
    row.held["a"].pop()()  # which gives it to b, who does not know yet
    row.tasks[1].cancel()
    await rounds(5)
    assert row.served == ["a", "c"]
    row.tasks[1] = row.tasks[2]
    await row.come("b", "d")
    row.tasks[-2].cancel()
    row.held["c"].pop()()  # while b is cancelled, and does not know yet
    await rounds(5)
    assert row.served == ["a", "c", "d"]
    await row.end()


def test_a_tenant_is_the_one_that_the_block_acts_for() -> None:
    def blocks() -> Iterator[str]:
        yield present_issuer()
        with on_behalf_of("a"):
            with on_behalf_of("b"):
                yield present_issuer()
            yield present_issuer()
        yield present_issuer()

    # In a context of its own: the tests before it may have acted for an issuer.
    assert Context().run(list, blocks()) == ["", "b", "a", ""]


@pytest.mark.gen_test
async def test_named_places_are_told_of_and_those_of_one_name_are_added_up() -> None:
    async def use() -> None:
        one, other, unnamed = Turns(2, name="test places"), Turns(3, name="test places"), Turns(5)
        async with one.turn(), unnamed.turn():
            assert (one.occupancy, other.occupancy) == (Occupancy(1, 1, 0), Occupancy(0, 3, 0))
            assert named_places()["test places"] == Occupancy(1, 4, 0)
            second = await one.take()
            waiting = asyncio.create_task(one.take())
            await asyncio.sleep(0)
            assert named_places()["test places"] == Occupancy(2, 3, 1)
        (await waiting)()
        second()

    await asyncio.create_task(use())
    gc.collect()
    assert "test places" not in named_places(), "places that nobody has any more"
