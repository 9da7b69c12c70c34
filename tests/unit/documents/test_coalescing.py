"""Concurrent writes go together, and nobody waits, fails or is cancelled for another."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from lading.plugins.host.turns import on_behalf_of, present_issuer
from lading.service.documents import StoreUnavailable
from lading.service.documents.mongo.coalescing import Coalescer


class Database:
    """Notes the batches that are sent, and lets them go on when told to."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[str]] = []
        self.failing: Exception | None = None
        self.under_way = 0
        self.most_under_way = 0
        self._gate = asyncio.Semaphore(0 if held else 1_000_000)

    def let_go(self, batches: int = 1_000_000) -> None:
        for _ in range(batches):
            self._gate.release()

    async def send(self, batch: Sequence[str]) -> Sequence[str | Exception]:
        self.batches.append(list(batch))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self._gate.acquire()
            if self.failing is not None:
                raise self.failing
            return [LookupError(item) if item.startswith("bad") else item.upper() for item in batch]
        finally:
            self.under_way -= 1


def coalescer(database: Database, **options: Any) -> Coalescer[str, str]:
    return Coalescer(database.send, size=len, **{"patience": 10.0, **options})


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def submit(writes: Coalescer[str, str], *items: str) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(writes.submit(item)) for item in items]


@pytest.mark.gen_test
async def test_alone_an_item_goes_at_once() -> None:
    database = Database()
    writes = coalescer(database)
    assert await writes.submit("a") == "A"
    assert await writes.submit("b") == "B"
    assert database.batches == [["a"], ["b"]]


@pytest.mark.gen_test
async def test_a_timer_runs_only_where_there_is_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    patience: list[float] = []
    timeout = asyncio.timeout

    def noted(seconds: float) -> asyncio.Timeout:
        patience.append(seconds)
        return timeout(seconds)

    monkeypatch.setattr(asyncio, "timeout", noted)
    database = Database(held=True)
    writes = coalescer(database, capacity=2)
    tasks = submit(writes, "a", "b", "c")
    await settle()
    assert patience == [10.0]
    database.let_go()
    assert await asyncio.gather(*tasks) == list("ABC")


@pytest.mark.gen_test
async def test_what_comes_together_goes_together_and_the_rest_follows() -> None:
    database = Database(held=True)
    writes = coalescer(database, in_flight=2)
    tasks = submit(writes, "a", "b")
    await settle()
    tasks += submit(writes, "c")
    await settle()
    tasks += submit(writes, "d", "e")
    await settle()
    tasks += submit(writes, "f")
    await settle()
    assert database.batches == [["a", "b"], ["c"]]
    database.let_go()
    assert await asyncio.gather(*tasks) == list("ABCDEF")
    assert database.batches == [["a", "b"], ["c"], ["d", "e", "f"]]
    assert database.most_under_way == 2


@pytest.mark.parametrize("in_flight", [1, 2])
@pytest.mark.gen_test
async def test_no_item_is_forgotten(in_flight: int) -> None:
    database = Database()
    writes = coalescer(database, in_flight=in_flight, max_items=3, capacity=10)

    async def work(name: str) -> None:
        for number in range(50):
            assert await writes.submit(f"{name}{number}") == f"{name}{number}".upper()
            if number % 7 == 0:
                await asyncio.sleep(0)

    await asyncio.gather(*(work(name) for name in "abcdefghijklmnopqrst"))
    assert sum(map(len, database.batches)) == 1000
    assert database.most_under_way <= in_flight


@pytest.mark.gen_test
async def test_batches_are_bounded_by_number_and_by_bytes() -> None:
    database = Database()
    writes = coalescer(database, max_items=3, max_bytes=10)
    items = ["a", "b", "c", "d", "12345", "123456", "x" * 50, "e"]
    await asyncio.gather(*submit(writes, *items))
    assert database.batches == [["a", "b", "c"], ["d", "12345"], ["123456"], ["x" * 50], ["e"]]


@pytest.mark.gen_test
async def test_an_item_fails_alone() -> None:
    database = Database()
    writes = coalescer(database)
    outcomes = await asyncio.gather(*submit(writes, "a", "bad", "b"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [str, LookupError, str]
    assert len(database.batches) == 1


@pytest.mark.gen_test
async def test_when_a_batch_fails_each_has_an_error_of_its_own() -> None:
    database = Database()
    writes = coalescer(database)
    database.failing = StoreUnavailable("gone")
    outcomes = await asyncio.gather(*submit(writes, "a", "b"), return_exceptions=True)
    assert [(type(outcome), str(outcome)) for outcome in outcomes] == [(StoreUnavailable, "gone")] * 2
    assert outcomes[0] is not outcomes[1]
    database.failing = ValueError("a fault of ours")
    with pytest.raises(RuntimeError) as caught:
        await writes.submit("c")
    assert caught.value.__cause__ is database.failing
    database.failing = None
    assert await writes.submit("d") == "D"


@pytest.mark.gen_test
async def test_one_who_is_cancelled_leaves_the_others_alone() -> None:
    database = Database(held=True)
    writes = coalescer(database, in_flight=1)
    under_way = submit(writes, "a", "b")
    await settle()
    waiting = submit(writes, "c", "d")
    await settle()
    under_way[0].cancel()
    waiting[0].cancel()
    await settle()
    database.let_go()
    outcomes = await asyncio.gather(*under_way, *waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, str, asyncio.CancelledError, str]
    assert database.batches == [["a", "b"], ["d"]]


@pytest.mark.gen_test
async def test_where_all_places_are_taken_callers_wait_and_then_give_up() -> None:
    database = Database(held=True)
    writes = coalescer(database, capacity=2, patience=0.05)
    tasks = submit(writes, "a", "b")
    await settle()
    with pytest.raises(StoreUnavailable, match="too many"):
        await writes.submit("c")
    database.let_go()
    assert await asyncio.gather(*tasks) == ["A", "B"]
    assert await writes.submit("d") == "D"
    assert ["c"] not in database.batches


@pytest.mark.gen_test
async def test_close_waits_for_what_was_taken_and_takes_nothing_more() -> None:
    database = Database(held=True)
    writes = coalescer(database, in_flight=1, max_items=1)
    tasks = submit(writes, "a", "b")
    await settle()
    closing = asyncio.create_task(writes.close())
    await settle()
    assert not closing.done()
    with pytest.raises(StoreUnavailable, match="closed"):
        await writes.submit("c")
    database.let_go()
    await closing
    assert await asyncio.gather(*tasks) == ["A", "B"]
    await writes.close()


@pytest.mark.gen_test
async def test_the_writes_of_all_issuers_wait_in_the_queue_of_none() -> None:
    """The issuer that submits first may have a long queue of reads."""
    issuers: list[str] = []

    async def send(batch: Sequence[str]) -> Sequence[str]:
        issuers.append(present_issuer())
        return batch

    writes: Coalescer[str, str] = Coalescer(send, size=len, patience=10.0)
    with on_behalf_of("hog"):
        tasks = submit(writes, "a")
    tasks += submit(writes, "b")
    assert await asyncio.gather(*tasks) == ["a", "b"]
    assert issuers == [""]
