"""Long polls: an issuer's waiting requests leave room for those of others."""

import asyncio

import pytest

from lading.plugins.host.turns import Turns, on_behalf_of
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.imports import prefer_wait
from lading.service.imports.prefer_wait import Waiting
from lading.service.models import Failure, Import, Status
from lading.service.work.changes import Changes
from tests.support.clock import SettableClock
from tests.support.core import Core
from tests.support.plugins.scripted import make_import


def test_an_issuer_has_a_tenth_of_the_places() -> None:
    places = Waiting(MemoryDocumentStore(SettableClock()), Changes(), 60).places
    for issuer in ("hog", "guest"):
        with on_behalf_of(issuer):
            assert [places.take_now() is not None for _ in range(101)] == [True] * 100 + [False]


@pytest.mark.gen_test
async def test_an_issuer_that_waits_much_is_answered_at_once_and_another_one_waits() -> None:
    core = Core(clock=SettableClock())
    async with core.opened():
        (document,) = await core.add()
        waiting = Waiting(core.store, Changes(), 60, places=Turns(4, leaves_room=True))
        ended = asyncio.Event()
        tasks = []
        for _ in range(3):
            if waiting.applied(30, "hog") is not None:
                tasks.append(asyncio.create_task(waiting.final(document, 30, ended, "hog")))
                await asyncio.sleep(0)
        assert (len(tasks), waiting.places.taken) == (2, 2)
        assert await waiting.final(document, 30, ended, "hog") is document, "there is no place for it"
        assert waiting.applied(30, "guest") == 30
        tasks.append(asyncio.create_task(waiting.final(document, 30, ended, "guest")))
        await asyncio.sleep(0)
        assert waiting.places.taken == 3
        ended.set()
        assert {one.id for one in await asyncio.gather(*tasks)} == {document.id}
        assert (waiting.places.taken, waiting.applied(30, "hog")) == (0, 30)


class CountingStore(MemoryDocumentStore):
    looks = 0

    async def get(self, import_id: str) -> Import | None:
        self.looks += 1
        return await super().get(import_id)


@pytest.mark.gen_test
async def test_the_worker_of_this_process_tells_the_end_and_the_database_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prefer_wait, "FIRST_PAUSE", 60.0)
    clock = SettableClock()
    store, changes = CountingStore(clock), Changes()
    document = make_import(clock)
    await store.open()
    await store.add(document)
    running = document.claimed("worker", clock.now())
    failed = running.failed(Failure("url_invalid", "", retryable=False), "url", clock.now())
    waiting = Waiting(store, changes, 60)
    waits = [asyncio.create_task(waiting.final(document, 60, asyncio.Event(), "issuer")) for _ in range(2)]
    await asyncio.sleep(0)
    changes.tell(document, running)
    await asyncio.sleep(0)
    changes.tell(running, failed)
    assert [one is failed for one in await asyncio.gather(*waits)] == [True, True]
    assert store.looks == 0


@pytest.mark.gen_test
async def test_an_end_that_another_owner_wrote_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefer_wait, "FIRST_PAUSE", 60.0)
    clock = SettableClock()
    store, changes = CountingStore(clock), Changes()
    document = make_import(clock)
    await store.open()
    await store.add(document)
    wait = asyncio.create_task(Waiting(store, changes, 60).final(document, 60, asyncio.Event(), "issuer"))
    await asyncio.sleep(0)
    assert await store.update(document.cancelled(clock.now()))
    changes.tell(document, None)
    assert (await wait).status is Status.CANCELLED
    assert store.looks == 1


@pytest.mark.gen_test
async def test_the_database_is_not_asked_while_the_worker_of_this_process_holds_the_import(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prefer_wait, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(prefer_wait, "LONGEST_PAUSE", 0.001)
    clock = SettableClock()
    store, changes = CountingStore(clock), Changes()
    document = make_import(clock)
    await store.open()
    await store.add(document)
    asked, held, enough = [], True, asyncio.Event()

    def holds(import_id: str) -> bool:
        asked.append(import_id)
        if len(asked) == 3:
            enough.set()
        return held

    waiting = Waiting(store, changes, 60, holds)
    wait = asyncio.create_task(waiting.final(document, 60, asyncio.Event(), "issuer"))
    async with asyncio.timeout(30):
        await enough.wait()
    assert (set(asked), store.looks) == ({document.id}, 0)
    assert await store.update(document.cancelled(clock.now()))  # by another process: nobody tells it
    held = False
    async with asyncio.timeout(30):
        assert (await wait).status is Status.CANCELLED
    assert store.looks == 1
