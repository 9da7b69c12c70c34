"""The SQLite store tells idle workers of what other processes have written."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lading.service.documents import SupportsWaiting
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.models import Import, Status
from tests.conformance.documents.cases.base import LEASE, SettableClock, make_import
from tests.support.plugins.scripted import until

MINUTE = 60.0
PAUSE = 0.5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lading.db"


@asynccontextmanager
async def opened(path: Path, readers: int = 2) -> AsyncIterator[SqliteDocumentStore]:
    store = SqliteDocumentStore(path, SettableClock(), readers=readers)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


class Looks:
    """What the looks of a store have found, one after the other."""

    def __init__(self, store: SqliteDocumentStore) -> None:
        self._look = store._news._is_new
        self.found: list[bool] = []
        vars(store._news)["_is_new"] = self._look_and_tell

    def _look_and_tell(self, connection: sqlite3.Connection) -> bool:
        self.found.append(self._look(connection))
        return self.found[-1]

    async def quiet(self, count: int = 4) -> None:
        """Wait until the last ones have found nothing."""
        self.found.clear()
        await until(lambda: self.found[-count:] == [False] * count)


async def claimed_when_there_is_work(store: SqliteDocumentStore) -> Import:
    """Claim as an idle worker does that would poll once in ten minutes."""
    while not (found := await store.claim("worker", 1)):
        await store.wait_for_work(10 * MINUTE)
    return found[0]


async def pause_of(store: SqliteDocumentStore) -> float:
    """How long a wait takes, in seconds."""
    began = asyncio.get_running_loop().time()
    await store.wait_for_work(PAUSE)
    return asyncio.get_running_loop().time() - began


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("readers", [1, 3])
async def test_an_idle_worker_learns_of_what_another_process_has_queued(path: Path, readers: int) -> None:
    async with opened(path, readers) as store, opened(path) as other:
        assert isinstance(store, SupportsWaiting)
        looks = Looks(store)
        await store.register("worker", LEASE)
        for _ in range(2):
            idle = asyncio.create_task(claimed_when_there_is_work(store))
            await looks.quiet()
            document = make_import(SettableClock())
            await other.add(document)
            assert (await idle).id == document.id


@pytest.mark.gen_test(timeout=60)
async def test_what_returns_to_the_queue_is_news_too(path: Path) -> None:
    async with opened(path) as store, opened(path) as other:
        looks = Looks(store)
        for worker in ("worker", "dead"):
            await store.register(worker, LEASE)
        await other.add(make_import(SettableClock()))
        (taken,) = await other.claim("dead", 1)
        idle = asyncio.create_task(claimed_when_there_is_work(store))
        await looks.quiet()
        await other.release("dead")
        assert await other.recover(1) == 1
        found = await idle
        assert (found.id, found.status) == (taken.id, Status.RUNNING)


@pytest.mark.gen_test(timeout=30)
async def test_where_nothing_is_written_waiting_is_a_pause(path: Path) -> None:
    async with opened(path, readers=1) as store:
        # The first look has nothing to compare with.
        pauses = [await pause_of(store) for _ in range(4)]
        assert pauses[-1] >= 0.9 * PAUSE


@pytest.mark.gen_test(timeout=30)
async def test_a_file_that_cannot_be_read_makes_waiting_a_pause(path: Path) -> None:
    async with opened(path) as store:
        await store.close()
        assert await pause_of(store) >= 0.9 * PAUSE


@pytest.mark.gen_test(timeout=30)
async def test_a_wait_that_is_cancelled_leaves_nothing_behind(path: Path) -> None:
    """In the pause before a look, and within one, which goes on in its thread."""
    async with opened(path, readers=1) as store:
        looking, go_on = threading.Event(), threading.Event()

        def look(_connection: sqlite3.Connection) -> bool:
            looking.set()
            return go_on.wait(20)

        vars(store._news)["_is_new"] = look
        for is_within in (False, True):
            waiting = asyncio.create_task(store.wait_for_work(MINUTE))
            await (asyncio.to_thread(looking.wait, 20) if is_within else asyncio.sleep(0))
            waiting.cancel()
            await asyncio.wait({waiting})
            assert waiting.cancelled()
            assert asyncio.all_tasks() == {asyncio.current_task()}
        go_on.set()
        assert await store.unfinished(1) == 0, "the reader serves others"
