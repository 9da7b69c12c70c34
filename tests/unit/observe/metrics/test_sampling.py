"""The gauges of a process: its places, the queue, dropped log lines."""

import asyncio
import math
from datetime import datetime

import pytest

from lading.plugins.host.turns import Occupancy, Turns
from lading.service.documents import StoreUnavailable
from lading.service.documents.memory.queue import MemoryImportQueue
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.documents.queue import Figures
from lading.service.observe.metrics import sampling
from lading.service.observe.metrics.families import LAG, LINES_DROPPED, OLDEST, PLACES_FREE, PLACES_USED, QUEUE
from lading.service.observe.metrics.ledger import Board
from lading.service.observe.metrics.recorder import Recorder
from lading.service.observe.metrics.sampling import Sampler
from tests.support.clock import SettableClock


class Slots:
    occupancy = Occupancy(3, 5, 1)


class Queue(MemoryImportQueue):
    told: Figures | None = Figures(1, 2, 3, 4, 55.0)

    def __init__(self) -> None:
        super().__init__(list)

    async def figures(self, now: datetime) -> Figures:
        if self.told is None:
            raise StoreUnavailable("down")
        return self.told


def store_with(queue: Queue) -> MemoryDocumentStore:
    store = MemoryDocumentStore(SettableClock())
    store.queue = queue
    return store


def values(board: Board, name: str) -> dict[tuple[str, ...], float]:
    return {entry.labels: entry.values[0] for entry in board.entries(1) if entry.family == name}


@pytest.mark.gen_test
async def test_places_and_the_queue_are_told_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped = 40
    monkeypatch.setattr(sampling, "dropped_lines", lambda: dropped)
    board = Board.alone()
    queue = Queue()
    store = store_with(queue)
    sampler = Sampler(board.gauges(1), Recorder(board.counters(1)), store, [("worker", Slots())])
    turns = Turns(4, name="sampled places")
    give_back = await turns.take()
    dropped += 2
    sampler.look()
    used, free = values(board, PLACES_USED.name), values(board, PLACES_FREE.name)
    assert (used["worker",], free["worker",]) == (3, 5)
    assert (used["sampled places",], free["sampled places",]) == (1, 3)
    assert values(board, LINES_DROPPED.name) == {(): 2}, "only those since the beginning"
    give_back()
    sampler.look()
    assert values(board, PLACES_USED.name)["sampled places",] == 0

    await sampler.count_queue()
    assert values(board, QUEUE.name) == {("waiting",): 1, ("queued",): 2, ("delayed",): 3, ("running",): 4}
    assert values(board, OLDEST.name) == {(): 55}
    queue.told = None
    await sampler.count_queue()
    assert all(math.isnan(value) for value in values(board, QUEUE.name).values()), "what is not known is hidden"


@pytest.mark.gen_test
async def test_a_process_looks_by_itself_until_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "INTERVAL", 0.01)
    board = Board.alone()
    sampler = Sampler(board.gauges(1), Recorder(board.counters(1)), store_with(Queue()), [("worker", Slots())])
    task = asyncio.create_task(sampler.run())
    while not (values(board, LAG.name) and values(board, QUEUE.name) and values(board, PLACES_USED.name)):
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert len(asyncio.all_tasks()) == 1
