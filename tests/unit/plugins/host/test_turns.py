"""Places that issuers get in turn."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lading.plugins.host.turns import Turns, on_behalf_of


class Queue:
    """Calls that wait for a place, and the order in which they got theirs."""

    def __init__(self, places: int = 1) -> None:
        self.turns = Turns(places)
        self.served: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def ask(self, issuer: str, number: int = 1) -> None:
        """So many calls of the issuer begin to wait."""
        with on_behalf_of(issuer):
            self.tasks += [asyncio.create_task(self._wait(issuer)) for _ in range(number)]
        await asyncio.sleep(0)

    async def serve(self, number: int) -> list[str]:
        """Give a place back so many times; the issuers that got it."""
        before = len(self.served)
        for _ in range(number):
            self.turns.release()
            await asyncio.sleep(0)
        return self.served[before:]

    async def _wait(self, issuer: str) -> None:
        await self.turns.acquire()
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
        assert queue.turns.locked()


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
        await asyncio.sleep(0)
        assert "nobody" in await queue.serve(2)


@pytest.mark.gen_test
async def test_a_wait_that_is_cancelled_takes_no_place() -> None:
    queue = Queue()
    with ended(queue):
        await queue.ask("hog", 2)
        await queue.ask("gone")
        await queue.ask("guest")
        queue.tasks[2].cancel()
        await asyncio.sleep(0)
        assert await queue.serve(2) == ["hog", "guest"]
        await queue.serve(1)
        assert not queue.turns.locked()


@pytest.mark.gen_test
async def test_a_place_that_comes_with_the_cancellation_goes_to_the_next() -> None:
    queue = Queue()
    with ended(queue):
        await queue.ask("first")
        await queue.ask("gone")
        await queue.ask("guest")
        queue.turns.release()
        queue.tasks[1].cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        assert queue.served == ["first", "guest"]


@pytest.mark.gen_test
async def test_a_block_that_fails_gives_its_place_back() -> None:
    turns = Turns(1)
    with pytest.raises(KeyError):
        async with turns.turn():
            raise KeyError
    assert not turns.locked()
