"""A process with a real worker whose imports cost nothing beyond coordination: ``python -m bench.fleet.free JSON``.

It says ``ready``, waits for a line, works until a second line comes, and prints what it did as one JSON object.
"""

import asyncio
import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import uvloop

from lading.backends.guard.storage import GuardedStorage
from lading.backends.memory import MemoryStorage, MemoryStorageOptions
from lading.plugins.contracts import Fetched, Fetcher, ImageInfo, Source, TypeDetector
from lading.plugins.host.guards import GuardedDetector, GuardedFetcher
from lading.plugins.options import PluginOptions
from lading.service.documents import DocumentStore
from lading.service.documents.dispatch import ByDocuments, Dispatch
from lading.service.documents.dispatch.nats.broker import Broker
from lading.service.documents.dispatch.nats.dispatch import NatsDispatch
from lading.service.documents.dispatch.nats.options import NatsOptions
from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.store import MongoDocumentStore
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.images.removal import Removal
from lading.service.limits.quotas import Quotas
from lading.service.models import Import
from lading.service.models.clock import SystemClock
from lading.service.observe import logs
from lading.service.secrets.vault import Vault
from lading.service.storages.routes import Storages
from lading.service.storages.spool import Spools
from lading.service.work.attempts import Attempts
from lading.service.work.options import WorkerOptions
from lading.service.work.orders.crew import Identity
from lading.service.work.pipeline.importer import Importer
from lading.service.work.retries import RetryPolicy
from lading.service.work.slots import Limits
from lading.service.work.worker import Worker

CONCURRENCY: Final = 64
PER_ISSUER: Final = 8
PER_HOST: Final = 4
POLL_INTERVAL: Final = 1.0
"""As ``service.conf`` has them."""
BODY: Final = b"no image at all"
DEADLINE: Final = 30.0


class FreeFetcher(Fetcher):
    """Has a body for every url at once."""

    kind = "free"
    schemes = frozenset({"free"})

    def check(self, source: Source) -> None:
        """Refuses nothing."""

    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:  # noqa: ARG002 - all sources have one body
        """See ``Fetcher.open``."""

        async def body() -> AsyncIterator[bytes]:
            yield BODY

        yield Fetched(body(), content_type="image/png", filename="image.png")

    async def close(self) -> None:
        """Has nothing to release."""


class FreeDetector(TypeDetector):
    """Says the same of everything."""

    async def detect(self, path: Path) -> ImageInfo:  # noqa: ARG002 - it does not look
        """See ``TypeDetector.detect``."""
        return ImageInfo("PNG", "image/png", 3, 2)

    async def close(self) -> None:
        """Has nothing to release."""


class CountedSqlite(SqliteDocumentStore):
    """Counts its transactions.

    Attributes:
        commits: how many there were.
        locked_cpu, locked_wall: seconds of CPU in them, and seconds that they took, the wait for the lock included.
    """

    commits = 0
    locked_cpu = 0.0
    locked_wall = 0.0

    def _commit(self, connection: Any, calls: Sequence[Any]) -> None:
        cpu, wall = time.thread_time(), time.perf_counter()
        super()._commit(connection, calls)
        self.commits += 1
        self.locked_cpu += time.thread_time() - cpu
        self.locked_wall += time.perf_counter() - wall


def make_store(place: dict[str, str]) -> DocumentStore:
    """The store that ``place`` names: a file, or a database of a server."""
    if "path" in place:
        return CountedSqlite(Path(place["path"]), SystemClock())
    return MongoDocumentStore(MongoOptions(place["uri"], place["database"]), SystemClock())


def make_worker(store: DocumentStore, name: str, dispatch: Dispatch | None = None) -> "CountingWorker":
    """A worker with the limits of ``service.conf``."""
    clock, rng = SystemClock(), random.SystemRandom()
    storage = GuardedStorage(MemoryStorage(MemoryStorageOptions()), name="memory", deadline=DEADLINE)
    quotas = Quotas(store, 0)
    importer = Importer(
        fetchers={"free": GuardedFetcher(FreeFetcher(PluginOptions()), "free", DEADLINE)},
        detectors=(GuardedDetector(FreeDetector(PluginOptions()), "free", DEADLINE),),
        storage=storage,
        storage_name="memory",
        spools=Spools(1 << 20, None, ThreadPoolExecutor(1)),
        vault=Vault(),
        admit=quotas.hold,
    )
    attempts = Attempts(
        store=store,
        importer=importer,
        retry=RetryPolicy(3, 2.0, 600.0),
        clock=clock,
        rng=rng,
        write_timeout=DEADLINE,
        quotas=quotas,
        removal=Removal(store, Storages({"memory": storage}, "memory"), clock),
        written=(dispatch or ByDocuments(store)).written,
    )
    options = WorkerOptions(
        limits=Limits(CONCURRENCY, PER_ISSUER, PER_HOST),
        host_patience=600.0,
        max_host_pause=600.0,
        lease=timedelta(seconds=30),
        poll_interval=POLL_INTERVAL,
        grace=5.0,
    )
    return CountingWorker(
        store=store,
        importer=importer,
        attempts=attempts,
        options=options,
        rng=rng,
        identity=Identity(name, "bench"),
        dispatch=dispatch,
    )


@asynccontextmanager
async def opened_dispatch(
    store: DocumentStore, place: dict[str, str], events: Counter[str] | None = None
) -> AsyncIterator[Dispatch]:
    """What hands out the imports of a store, during the block: the broker that ``place`` names, or the documents.
    ``events`` counts what happens to messages.
    """
    if "nats" not in place:
        yield ByDocuments(store)
        return
    counted = Counter[str]() if events is None else events

    def count(event: str, number: int) -> None:
        counted[event] += number

    broker = Broker(NatsOptions((place["nats"],), place["database"]), count)
    dispatch = NatsDispatch(store, broker, POLL_INTERVAL, random.SystemRandom(), count)
    task = asyncio.create_task(dispatch.run())
    try:
        await broker.came_up.wait()
        yield dispatch
        await broker.drain(DEADLINE)
    finally:
        task.cancel()
        await asyncio.wait({task})


class CountingWorker(Worker):
    """Notes when each import has ended.

    Attributes:
        ended: these moments, in seconds of a steady clock.
    """

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.ended: list[float] = []

    def _forget(self, document: Import) -> None:
        super()._forget(document)
        self.ended.append(time.monotonic())


async def _line() -> None:
    await asyncio.to_thread(sys.stdin.readline)


async def main(order: dict[str, Any]) -> None:
    """Work, and tell what was done."""
    store, events = make_store(order["place"]), Counter[str]()
    await store.open()
    async with opened_dispatch(store, order["place"], events) as dispatch:
        worker = make_worker(store, order["name"], dispatch)
        print("ready", flush=True)
        await _line()
        commits, used = getattr(store, "commits", 0), resource.getrusage(resource.RUSAGE_SELF)
        running = asyncio.create_task(worker.run())
        await _line()
        spent = resource.getrusage(resource.RUSAGE_SELF)
        told = {
            "done": worker.ended,
            "cpu": spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime,
            "commits": getattr(store, "commits", 0) - commits,
            "events": dict(events),
        }
        worker.stop()
        await running
    await store.close()
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    logs.configure("error", "json")
    uvloop.run(main(json.loads(sys.argv[1])))
