"""Long polls: an issuer's waiting requests leave room for those of others."""

import asyncio

import pytest

from lading.plugins.host.turns import Turns, on_behalf_of
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.imports.prefer_wait import Waiting
from lading.service.work.changes import Changes
from tests.support.clock import SettableClock
from tests.support.core import Core


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
        waiting = Waiting(core.store, Changes(), 60, Turns(4, leaves_room=True))
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
