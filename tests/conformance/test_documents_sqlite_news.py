"""The SQLite store tells idle workers of what other processes have written."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.documents import SupportsWaiting
from service.documents.sqlite import SqliteDocumentStore
from service.models import Import, Status
from tests.conformance.documents_base import LEASE, SettableClock, make_import

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


async def claimed_when_there_is_work(store: SqliteDocumentStore, asked: asyncio.Event) -> Import:
    """Claim as an idle worker does that would poll once in a minute."""
    while not (found := await store.claim("worker", 1)):
        asked.set()
        await store.wait_for_work(MINUTE)
    return found[0]


async def pause_of(store: SqliteDocumentStore) -> float:
    """How long a wait takes, in seconds."""
    began = asyncio.get_running_loop().time()
    await store.wait_for_work(PAUSE)
    return asyncio.get_running_loop().time() - began


@pytest.mark.gen_test(timeout=30)
@pytest.mark.parametrize("readers", [1, 3])
async def test_an_idle_worker_learns_of_what_another_process_has_queued(path: Path, readers: int) -> None:
    async with opened(path, readers) as store, opened(path) as other:
        assert isinstance(store, SupportsWaiting)
        await store.register("worker", LEASE)
        for _ in range(5):
            asked = asyncio.Event()
            idle = asyncio.create_task(claimed_when_there_is_work(store, asked))
            await asked.wait()
            document = make_import(SettableClock())
            await other.add(document)
            assert (await idle).id == document.id


@pytest.mark.gen_test(timeout=30)
async def test_what_returns_to_the_queue_is_news_too(path: Path) -> None:
    async with opened(path) as store, opened(path) as other:
        for worker in ("worker", "dead"):
            await store.register(worker, LEASE)
        await other.add(make_import(SettableClock()))
        (taken,) = await other.claim("dead", 1)
        asked = asyncio.Event()
        idle = asyncio.create_task(claimed_when_there_is_work(store, asked))
        await asked.wait()
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
    async with opened(path) as store:
        for _ in range(3):
            waiting = asyncio.create_task(store.wait_for_work(MINUTE))
            await asyncio.sleep(0.05)
            waiting.cancel()
            await asyncio.wait({waiting})
            assert waiting.cancelled()
        assert asyncio.all_tasks() == {asyncio.current_task()}
