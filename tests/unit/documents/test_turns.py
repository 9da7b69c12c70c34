"""Issuers take turns at the database: one that asks for everything at once delays another's call by few of its own."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from lading.plugins.host.turns import on_behalf_of
from lading.service.documents.mongo.coalescing import Coalescer
from lading.service.documents.mongo.connection import Connection, MongoOptions
from lading.service.documents.sqlite.store import SqliteDocumentStore
from tests.support.clock import SettableClock

HOG, GUEST = ["hog"] * 50, ["guest"]


async def begun(call: Callable[[str], Awaitable[object]], issuers: Sequence[str]) -> list[asyncio.Future[object]]:
    """The calls of the issuers, in this order; each has come as far as it can."""
    tasks: list[asyncio.Future[object]] = []
    for issuer in issuers:
        with on_behalf_of(issuer):
            tasks.append(asyncio.ensure_future(call(issuer)))
        await asyncio.sleep(0)
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


@pytest.mark.parametrize(("kind", "before"), [("readers", 3), ("writer", 5)])
@pytest.mark.gen_test
async def test_sqlite(tmp_path: Path, kind: str, before: int) -> None:
    store = SqliteDocumentStore(tmp_path / "lading.db", SettableClock(), readers=1, queue_size=4)
    await store.open()
    threads = getattr(store, f"_{kind}")
    go_on = threading.Event()
    served: list[str] = []

    async def call(issuer: str) -> None:
        def operation(_connection: sqlite3.Connection) -> None:
            go_on.wait()
            served.append(issuer)

        await threads.run(operation)

    try:
        tasks = await begun(call, HOG + GUEST)
        go_on.set()
        await asyncio.gather(*tasks)
    finally:
        go_on.set()
        await store.close()
    assert served.index("guest") == before


@pytest.mark.gen_test
async def test_mongo_operations() -> None:
    connection = Connection(MongoOptions("mongodb://127.0.0.1:9", pool_size=2), SettableClock())
    go_on = asyncio.Event()
    served: list[str] = []

    async def call(issuer: str) -> None:
        async def operation() -> None:
            await go_on.wait()
            served.append(issuer)

        await connection.run(operation)

    tasks = await begun(call, HOG + GUEST)
    go_on.set()
    await asyncio.gather(*tasks)
    assert served.index("guest") == 3


@pytest.mark.gen_test
async def test_mongo_writes() -> None:
    go_on = asyncio.Event()
    batches: list[Sequence[str]] = []

    async def send(batch: Sequence[str]) -> Sequence[str]:
        await go_on.wait()
        batches.append(batch)
        return batch

    writes: Coalescer[str, str] = Coalescer(send, size=len, patience=60, capacity=4, in_flight=1)
    tasks = await begun(writes.submit, HOG + GUEST)
    go_on.set()
    await asyncio.gather(*tasks)
    assert [number for number, batch in enumerate(batches) if "guest" in batch] == [2]
    assert {len(batch) for batch in batches[1:]} <= {1, 2, 3, 4}
