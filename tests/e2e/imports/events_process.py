"""A process that writes imports for the tests of streams; its clock is wrong, and it pauses before it writes.

    python -m tests.e2e.imports.events_process sqlite FILE SEED ROUNDS
    python -m tests.e2e.imports.events_process mongo URI DATABASE SEED ROUNDS

A round is five imports at once, each from its beginning to its end.
"""

import asyncio
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lading.service.documents import DocumentStore
from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.store import MongoDocumentStore
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.models.clock import SystemClock, truncate_to_milliseconds
from tests.conformance.documents.cases.base import SettableClock, make_import
from tests.support.servers.service import ORGANIZATION

AT_ONCE = 5


def store_at(kind: str, address: str, *database: str) -> DocumentStore:
    if kind == "mongo":
        return MongoDocumentStore(MongoOptions(address, database[0], timeout=30), SystemClock())
    return SqliteDocumentStore(Path(address), SystemClock(), busy_timeout=timedelta(seconds=30))


async def main(store: DocumentStore, rng: random.Random, rounds: int) -> None:
    ahead = timedelta(seconds=rng.uniform(-3600, 3600))

    async def decided() -> datetime:
        """The moment of a decision, and a pause before what is decided is written."""
        moment = truncate_to_milliseconds(datetime.now(UTC) + ahead)
        await asyncio.sleep(rng.choice((0, 0, 0.02, 0.2)) * rng.random())
        return moment

    async def write() -> None:
        moment = await decided()
        document = replace(make_import(SettableClock()), organization_id=ORGANIZATION, updated_at=moment)
        await store.add(document)
        document = document.claimed("worker", await decided())
        assert await store.update(document)
        assert await store.update(document.cancelled(await decided()))

    await store.open()
    for _ in range(rounds):
        await asyncio.gather(*(write() for _ in range(AT_ONCE)))
    await store.close()


def run(arguments: Sequence[str]) -> None:
    *address, seed, rounds = arguments
    asyncio.run(main(store_at(*address), random.Random(seed), int(rounds)))


if __name__ == "__main__":
    run(sys.argv[1:])
