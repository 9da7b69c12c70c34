"""The SQLite store among processes: some share the file, some are killed."""

import asyncio
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest

from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.models import Status
from tests.conformance.documents.cases.base import LEASE, SettableClock, count_queued, make_import, make_imports

ENDLESS = 1_000_000


@asynccontextmanager
async def adding(path: Path, rounds: int) -> AsyncIterator[Process]:
    """A process of ``documents_sqlite_process``; killed, if it still runs, when the context ends."""
    root = Path(__file__).parents[4]
    command = [sys.executable, "-m", "tests.conformance.documents.sqlite.process", str(path), str(rounds)]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, cwd=root)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def begin(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")


async def read_ids(process: Process, number: int = ENDLESS) -> list[str]:
    """So many ids, or all until the process has ended."""
    assert process.stdout is not None
    ids: list[str] = []
    while len(ids) < number and (line := await process.stdout.readline()).endswith(b"\n"):
        ids.append(line.decode().strip())
    return ids


@pytest.mark.gen_test(timeout=60)
async def test_one_process_adds_while_another_claims(tmp_path: Path) -> None:
    path = tmp_path / "lading.db"
    store = SqliteDocumentStore(path, SettableClock())
    await store.open()
    async with adding(path, rounds=30) as process:
        begin(process)
        await store.register("worker", LEASE)
        claimed: list[str] = []
        added = asyncio.create_task(read_ids(process))
        while not added.done() or await count_queued(store):
            claimed += [document.id for document in await store.claim("worker", 7)]
            await store.add(make_import(SettableClock(), status=Status.WAITING))
        assert len(added.result()) == 300
        assert sorted(claimed) == sorted(added.result())
        assert await process.wait() == 0
    await store.close()


@pytest.mark.gen_test(timeout=60)
async def test_processes_that_create_one_file_together(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "lading.db"
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(adding(path, rounds=2)) for _ in range(6)]
        for process in processes:
            begin(process)
        ids = [one for process in processes for one in await read_ids(process)]
        assert [await process.wait() for process in processes] == [0] * 6
    store = SqliteDocumentStore(path, SettableClock())
    await store.open()
    assert len(set(ids)) == 120
    assert await store.unfinished(1000) == 120
    await store.close()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("number", [1, 45, 300])
@pytest.mark.gen_test(timeout=60)
async def test_what_was_added_outlives_a_killed_process(tmp_path: Path, number: int) -> None:
    path = tmp_path / "lading.db"
    async with adding(path, ENDLESS) as process:
        begin(process)
        ids = await read_ids(process, number)
        process.kill()
        ids += await read_ids(process)
        await process.wait()
    assert len(ids) >= number
    store = SqliteDocumentStore(path, SettableClock())
    await store.open()
    for import_id in ids:
        found = await store.get(import_id)
        assert found is not None
        assert found.params == make_import(SettableClock()).params
    # Up to one round was committed without having been told.
    assert 0 <= await store.unfinished(ENDLESS) - len(ids) <= 10
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.gen_test(timeout=60)
async def test_the_living_go_on_when_another_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lading.db"
    clock = SettableClock()
    store = SqliteDocumentStore(path, clock)
    await store.open()
    async with adding(path, ENDLESS) as process:
        begin(process)
        await read_ids(process, 25)
        process.kill()
        await process.wait()
        documents = make_imports(clock, 20)
        await asyncio.gather(*map(store.add, documents))
        assert [await store.get(document.id) for document in documents] == documents
    await store.close()
