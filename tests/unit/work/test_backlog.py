"""The bound on unfinished imports."""

import asyncio
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from lading.plugins.host.turns import on_behalf_of, present_issuer
from lading.service.documents import StoreUnavailable
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.work import backlog as backlog_module
from lading.service.work.backlog import OLDEST, Backlog
from tests.support.clock import SettableClock
from tests.support.plugins.scripted import make_import

HOG, GUEST = "hog", "guest"


class CountingStore(MemoryDocumentStore):
    """Counts how often it is asked for the length of the queue, and answers when it is let."""

    def __init__(self) -> None:
        super().__init__(SettableClock())
        self.asked = 0
        self.asked_of: Counter[str] = Counter()
        self.askers: list[str] = []
        self.answer = asyncio.Event()
        self.answer.set()
        self.down = False

    async def unfinished(self, limit: int, issuer_id: str | None = None) -> int:
        self.askers.append(present_issuer())
        if issuer_id is not None:
            self.asked_of[issuer_id] += 1
            return await super().unfinished(limit, issuer_id)
        self.asked += 1
        await self.answer.wait()
        if self.down:
            raise StoreUnavailable("down")
        return await super().unfinished(limit)


async def opened(queued: int = 0) -> CountingStore:
    store = CountingStore()
    await store.open()
    for _ in range(queued):
        await store.add(make_import(issuer_id=HOG))
    return store


def set_clock(monkeypatch: pytest.MonkeyPatch, now: Callable[[], float]) -> None:
    """The clock of the module alone: the event loop's goes on."""
    monkeypatch.setattr(backlog_module, "time", SimpleNamespace(monotonic=now))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.gen_test
@pytest.mark.parametrize(("queued", "full"), [(0, False), (2, False), (3, True), (4, True)])
async def test_the_queue_is_full_from_the_limit_on(queued: int, full: bool) -> None:
    assert await Backlog(await opened(queued), 3).is_full(GUEST) == full


async def fill(store: CountingStore, backlog: Backlog, issuer: str, most: int = 1000) -> int:
    """Queue imports of the issuer until it may queue no more; their number."""
    for number in range(most):
        if await backlog.is_full(issuer):
            return number
        with backlog.place(issuer) as place:
            assert await place.take()
            place.used()
            await store.add(make_import(issuer_id=issuer))
    return most


@pytest.mark.parametrize("max_age", [0, 3600])
@pytest.mark.gen_test
async def test_an_issuer_may_queue_what_it_leaves_free(max_age: int) -> None:
    store = await opened()
    backlog = Backlog(store, 60, max_age=max_age)
    assert [await fill(store, backlog, issuer) for issuer in ("a", "b", "c")] == [30, 15, 8]
    assert not await backlog.is_full(GUEST)
    assert await backlog.is_full("a")


@pytest.mark.parametrize("max_age", [0, 3600])
@pytest.mark.gen_test
async def test_requests_at_once_take_no_more_places_than_there_are(max_age: int) -> None:
    """Each looked before any had added its import: all of them were accepted."""
    store = await opened()
    backlog = Backlog(store, 20, max_age=max_age)

    async def post(issuer: str) -> bool:
        with backlog.place(issuer) as place:
            if not await place.take():
                return False
            await asyncio.sleep(0.01)
            place.used()
            await store.add(make_import(issuer_id=issuer))
            return True

    assert sum(await asyncio.gather(*(post(HOG) for _ in range(64)))) == 10
    assert sum(await asyncio.gather(*(post(GUEST) for _ in range(64)))) == 5


@pytest.mark.gen_test
async def test_a_place_that_was_not_used_is_free_again() -> None:
    store = await opened(1)
    backlog = Backlog(store, 3, max_age=3600)
    with backlog.place(GUEST) as place:
        assert [await place.take(), await place.take()] == [True, True]
        with backlog.place(GUEST) as another:
            assert not await another.take()
            another.used()
    assert not await backlog.is_full(GUEST)
    assert not backlog._held


@pytest.mark.gen_test
async def test_what_is_added_during_a_count_counts() -> None:
    store = await opened(1)
    backlog = Backlog(store, 3, max_age=0)
    store.answer.clear()
    asking = asyncio.create_task(backlog.is_full(GUEST))
    await settle()
    backlog.added(GUEST)
    backlog.added(GUEST)
    store.answer.set()
    assert await asking, "one is stored, and two are added"


@pytest.mark.gen_test
async def test_no_issuer_is_counted_while_none_can_have_too_much() -> None:
    store = await opened(9)
    backlog = Backlog(store, 20, max_age=3600)
    assert await fill(store, backlog, HOG, 1) == 1
    assert store.asked_of == {}
    assert await backlog.is_full(HOG)
    assert await fill(store, backlog, GUEST, 3) == 3
    assert store.asked_of == {HOG: 1, GUEST: 1}


@pytest.mark.gen_test
async def test_issuers_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_module, "MAX_ISSUERS", 3)
    backlog = Backlog(await opened(10), 20, max_age=3600)
    for number in range(10):
        assert not await backlog.is_full(f"issuer {number}")
    assert list(backlog._of) == ["issuer 7", "issuer 8", "issuer 9"]


@pytest.mark.gen_test
async def test_what_was_accepted_meanwhile_counts_without_asking_again() -> None:
    store = await opened(1)
    backlog = Backlog(store, 3, max_age=3600)
    assert not await backlog.is_full(GUEST)
    backlog.added(HOG)
    assert not await backlog.is_full(GUEST)
    backlog.added(HOG)
    assert await backlog.is_full(GUEST)
    assert store.asked == 1


@pytest.mark.gen_test
async def test_an_old_count_is_replaced() -> None:
    store = await opened(3)
    backlog = Backlog(store, 3, max_age=0)
    assert await backlog.is_full(GUEST)
    store._imports.clear()
    while await backlog.is_full(GUEST):
        await asyncio.sleep(0)
    assert store.asked == 2


@pytest.mark.gen_test
async def test_a_count_that_took_long_is_used_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    set_clock(monkeypatch, lambda: now)
    store = await opened(1)
    backlog = Backlog(store, 3, max_age=1)
    store.answer.clear()
    asking = asyncio.create_task(backlog.is_full(GUEST))
    await asyncio.sleep(0)
    now += 0.25
    store.answer.set()
    assert not await asking
    now += 4.9
    assert not await backlog.is_full(GUEST)
    assert store.asked == 1
    now += 0.2
    assert not await backlog.is_full(GUEST)
    await asyncio.sleep(0)
    assert store.asked == 2
    now += 1.1
    assert not await backlog.is_full(GUEST)
    await asyncio.sleep(0)
    assert store.asked == 3, "that one took no time"


@pytest.mark.gen_test
async def test_far_from_the_limit_nobody_waits_for_a_new_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    set_clock(monkeypatch, lambda: now)
    store = await opened(1)
    backlog = Backlog(store, 4)
    assert not await backlog.is_full(GUEST)
    now += 2 * OLDEST
    store.answer.clear()
    await store.add(make_import())
    for _ in range(3):
        assert not await backlog.is_full(GUEST)
        await asyncio.sleep(0)
    assert store.asked == 2
    store.answer.set()
    await settle()
    store.answer.clear()
    now += 2
    half_full = asyncio.create_task(backlog.is_full(GUEST))
    await settle()
    assert not half_full.done()
    store.answer.set()
    assert not await half_full
    assert store.asked == 3


@pytest.mark.gen_test
async def test_an_old_count_is_not_used_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    set_clock(monkeypatch, lambda: now)
    store = await opened(0)
    backlog = Backlog(store, 4)
    assert not await backlog.is_full(GUEST)
    store.down = True
    now += 2
    assert not await backlog.is_full(GUEST)
    await settle()
    now += 2 * OLDEST
    with pytest.raises(StoreUnavailable):
        await backlog.is_full(GUEST)


@pytest.mark.gen_test
async def test_a_hundred_requests_ask_once() -> None:
    store = await opened(3)
    store.answer.clear()
    backlog = Backlog(store, 3, max_age=3600)
    requests = [asyncio.create_task(backlog.is_full(GUEST)) for _ in range(100)]
    await asyncio.sleep(0)
    store.answer.set()
    assert await asyncio.gather(*requests) == [True] * 100
    assert store.asked == 1


@pytest.mark.gen_test
async def test_an_outage_is_told_to_all_who_waited_and_asked_about_anew_later() -> None:
    """One after another, each with the whole timeout of the database, would keep the last of them for minutes."""
    store = await opened()
    store.answer.clear()
    store.down = True
    backlog = Backlog(store, 3, max_age=3600)
    requests = [asyncio.create_task(backlog.is_full(GUEST)) for _ in range(100)]
    await asyncio.sleep(0)
    store.answer.set()
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert {type(result) for result in results} == {StoreUnavailable}
    assert store.asked == 1
    store.down = False
    assert not await backlog.is_full(GUEST)


@pytest.mark.gen_test
async def test_a_cancelled_request_takes_no_other_with_it() -> None:
    store = await opened(3)
    store.answer.clear()
    backlog = Backlog(store, 3)
    first, second = (asyncio.create_task(backlog.is_full(GUEST)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    store.answer.set()
    assert await second
    assert first.cancelled()


@pytest.mark.gen_test
async def test_a_count_that_nobody_waits_for_ends_with_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    set_clock(monkeypatch, lambda: now)
    store = await opened(0)
    backlog = Backlog(store, 4)
    assert not await backlog.is_full(GUEST)
    now += 2
    store.answer.clear()
    assert not await backlog.is_full(GUEST)
    await settle()
    assert store.asked == 2
    assert len(asyncio.all_tasks()) == 2
    for _ in range(2):
        await backlog.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not await backlog.is_full(GUEST)
    assert asyncio.all_tasks() == {asyncio.current_task()}, "a late request begins no count"


@pytest.mark.gen_test
async def test_the_count_that_all_issuers_wait_for_waits_in_the_queue_of_none() -> None:
    """An issuer with a long queue of reads would delay every request; the count of its own imports delays its own."""
    store = await opened(3)
    with on_behalf_of(HOG):
        assert await Backlog(store, 4).is_full(HOG)
        assert present_issuer() == HOG
    assert store.askers == ["", HOG]
