"""What a batch claim costs with a long queue, against the same claim with a short one, in the same run.

    python -m bench.claims [--backend sqlite|mongo] [--long 1000000] [--short 1000]

The two queues are measured in turn; what was claimed is handed back outside the measured time. The rows are the
median of the rounds with their spread, and the ratio is long to short. For mongo, LADING_TEST_MONGODB_URI or a mongod
as the tests find it is used.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

from service.clock import SystemClock, truncate_to_milliseconds
from service.documents import DocumentStore
from service.documents.sqlite import SqliteDocumentStore
from service.models import Import, Status

BATCH = 64
ISSUERS = 20
ROUNDS = 60
WRITERS = 256


def document(number: int, issuers: int) -> Import:
    """A queued import, due now."""
    now = truncate_to_milliseconds(SystemClock().now())
    params = {
        "album_id": "imported_album",
        "filename": f"image{number}.jpg",
        "metadata": {"attachmentId": "00P24000003vSXsEAM"},
        "url": f"http://origin.example/{number}.jpg",
        "controller": "api/v1/imports",
        "action": "create",
    }
    return Import(
        id=str(uuid.uuid4()),
        organization_id="organization",
        issuer_id=f"issuer-{number % issuers:04}",
        params=params,
        created_at=now,
        updated_at=now,
        run_at=now,
        status=Status.QUEUED,
        host="origin.example",
    )


async def fill(store: DocumentStore, count: int, issuers: int) -> float:
    """Queue ``count`` imports; seconds that it took."""
    numbers = iter(range(count))

    async def writer() -> None:
        for number in numbers:
            await store.add(document(number, issuers))

    began = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(WRITERS)))
    return time.perf_counter() - began


async def claim_once(store: DocumentStore, worker_id: str) -> float:
    """Seconds of one batch claim; what was claimed is queued again."""
    began = time.perf_counter()
    claimed = await store.claim(worker_id, BATCH)
    seconds = time.perf_counter() - began
    if len(claimed) != BATCH:
        raise RuntimeError(f"{len(claimed)} instead of {BATCH} were claimed")
    now = SystemClock().now()
    await asyncio.gather(*(store.update(item.handed_back(now, now)) for item in claimed))
    return seconds


@asynccontextmanager
async def sqlite_store(name: str, directory: Path) -> AsyncIterator[DocumentStore]:
    """An empty SQLite store."""
    store = SqliteDocumentStore(directory / f"{name}.sqlite3", SystemClock())
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def measure(backend: str, short: int, long: int, issuers: int) -> None:
    """Fill both queues, measure in turn, print the rows."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make_store: Callable[[str, Path], AbstractAsyncContextManager[DocumentStore]] = sqlite_store
        if backend == "mongo":
            from bench.mongo import mongo_store  # noqa: PLC0415  # motor is loaded only where it is asked for

            make_store = mongo_store
        seconds: dict[int, list[float]] = {}
        stores: dict[int, tuple[DocumentStore, str]] = {}
        for queued in (short, long):
            store = await stack.enter_async_context(make_store(f"queued{queued}", directory))
            took = await fill(store, queued, issuers)
            print(f"{backend}: {queued} queued at {queued / took:,.0f}/s")
            worker_id = str(uuid.uuid4())
            await store.register(worker_id, timedelta(hours=1))
            stores[queued], seconds[queued] = (store, worker_id), []
        for turn in range(ROUNDS + 5):
            for queued, (store, worker_id) in stores.items():
                took = await claim_once(store, worker_id)
                if turn >= 5:
                    seconds[queued].append(took)
        report(backend, issuers, seconds)


def report(backend: str, issuers: int, seconds: dict[int, list[float]]) -> None:
    """Print medians with their quartiles, and the ratio of the long queue to the short one."""
    medians = {}
    for queued, samples in seconds.items():
        low, median, high = statistics.quantiles(samples, n=4)
        medians[queued] = median
        print(
            f"{backend}, {issuers} issuers, {queued:>9,} queued: a claim of {BATCH} takes"
            f" {median * 1000:6.2f} ms (quartiles {low * 1000:.2f} to {high * 1000:.2f})"
        )
    print(f"{backend}, {issuers} issuers: ratio {medians[max(medians)] / medians[min(medians)]:.2f}")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--backend", choices=("sqlite", "mongo"), default="sqlite")
    parser.add_argument("--short", type=int, default=1000)
    parser.add_argument("--long", type=int, default=1_000_000)
    parser.add_argument("--issuers", type=int, default=ISSUERS)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.backend, arguments.short, arguments.long, arguments.issuers))


if __name__ == "__main__":
    main()
