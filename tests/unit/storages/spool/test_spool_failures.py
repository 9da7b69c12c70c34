"""Spools that break, are full, or are cancelled."""

import asyncio
import errno
import hashlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import lading.service.storages.spool
import lading.service.storages.unnamed
from lading.plugins.testing.bodies import Body
from lading.plugins.testing.leaks import no_leaks
from lading.service.storages.spool import CHUNK_BYTES, Spools
from tests.support.plugins.scripted import pieces
from tests.unit.storages.spool.conftest import MEMORY, content


class Broke(Exception):
    pass


@pytest.mark.gen_test
@pytest.mark.parametrize("size", [0, 10, MEMORY + 1, 5 * MEMORY])
async def test_a_source_that_breaks_leaves_nothing(spools: Spools, tmp_path: Path, size: int) -> None:
    async def broken() -> AsyncIterator[bytes]:
        for _ in range(0, size, 500):
            yield bytes(500)
        raise Broke

    await warm_up(spools)
    async with no_leaks():
        with pytest.raises(Broke):
            with spools.open() as spool:
                await spool.fill(broken())
    assert list(tmp_path.iterdir()) == []


async def warm_up(spools: Spools) -> None:
    """Let the executor have its threads before leaks are looked for."""
    loop = asyncio.get_running_loop()
    barrier = threading.Barrier(2)
    await asyncio.gather(*(loop.run_in_executor(spools.executor, barrier.wait) for _ in range(2)))


@pytest.mark.gen_test
async def test_many_spools_leak_no_descriptor(spools: Spools, tmp_path: Path) -> None:
    await warm_up(spools)
    async with no_leaks():
        for size in (0, 10, MEMORY + 1) * 20:
            with spools.open() as spool:
                await spool.fill(Body(size).chunks())
                await content(spool)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gen_test
async def test_a_folder_that_is_not_there_is_an_os_error(executor: ThreadPoolExecutor, tmp_path: Path) -> None:
    spools = Spools(MEMORY, tmp_path / "missing", executor)
    await warm_up(spools)
    async with no_leaks():
        with pytest.raises(FileNotFoundError):
            with spools.open() as spool:
                await spool.fill(pieces(bytes(MEMORY + 1)))


class Reluctant:
    """A file that writes little at a time, waits where it is told to, and breaks after so many bytes."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.room = sys.maxsize
        self.may_write = threading.Event()
        self.may_write.set()
        self.began = threading.Event()
        self.closed_while_writing = False
        self._writing = False

    def writev(self, descriptor: int, buffers: Sequence[memoryview]) -> int:
        """As ``os.writev``."""
        self._writing = True
        self.began.set()
        assert self.may_write.wait(10)
        self._writing = False
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = os.write(descriptor, b"".join(buffers)[: min(7, self.room)])
        self.room -= written
        return written

    def close(self) -> None:
        self.closed_while_writing = self.closed_while_writing or self._writing
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.fixture
def reluctant(monkeypatch: pytest.MonkeyPatch) -> list[Reluctant]:
    """The files that spools made on disk."""
    made: list[Reluctant] = []
    disk_file = lading.service.storages.unnamed.disk_file

    def make(directory: Path | None, _make_file: Any = None) -> Any:
        made.append(Reluctant(disk_file(directory)))
        prepared(made[-1])
        return made[-1]

    def prepared(file: Reluctant) -> None:
        """Nothing, unless a test says otherwise."""

    writev = os.writev

    def written(descriptor: int, buffers: Sequence[memoryview]) -> int:
        for file in made:
            if not file.closed and file.fileno() == descriptor:
                return file.writev(descriptor, buffers)
        return writev(descriptor, buffers)

    monkeypatch.setattr(lading.service.storages.spool, "disk_file", make)
    monkeypatch.setattr(os, "writev", written)
    return made


@pytest.mark.gen_test
async def test_short_writes_are_continued(
    executor: ThreadPoolExecutor, tmp_path: Path, reluctant: list[Reluctant]
) -> None:
    with Spools(MEMORY, tmp_path, executor).open() as spool:
        await spool.fill(Body(5000).chunks(800))
        assert b"".join(await content(spool)) == Body(5000).whole()
        assert spool.sha256 == hashlib.sha256(Body(5000).whole()).hexdigest()


@pytest.mark.gen_test
async def test_a_full_disk_is_an_os_error_and_leaves_nothing(
    executor: ThreadPoolExecutor, tmp_path: Path, reluctant: list[Reluctant]
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield bytes(MEMORY + 1)
        reluctant[0].room = 100
        yield bytes(MEMORY + 1)

    spools = Spools(MEMORY, tmp_path, executor)
    await warm_up(spools)
    async with no_leaks():
        with pytest.raises(OSError, match="No space left") as caught:
            with spools.open() as spool:
                await spool.fill(chunks())
        assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gen_test
@pytest.mark.parametrize("cancellations", [1, 3])
@pytest.mark.parametrize("full", [False, True])
async def test_a_file_is_not_closed_while_a_thread_writes_it(
    executor: ThreadPoolExecutor, tmp_path: Path, reluctant: list[Reluctant], cancellations: int, full: bool
) -> None:
    """Its number could be another file's by the time the thread uses it. However often the task is cancelled."""

    async def chunks() -> AsyncIterator[bytes]:
        yield bytes(MEMORY + 1)
        reluctant[0].may_write.clear()
        reluctant[0].began.clear()
        if full:
            reluctant[0].room = 0
        yield bytes(MEMORY + 1)

    async def fill() -> None:
        with Spools(MEMORY, tmp_path, executor).open() as spool:
            await spool.fill(chunks())

    await warm_up(Spools(MEMORY, tmp_path, executor))
    async with no_leaks():
        task = asyncio.create_task(fill())
        while not (reluctant and not reluctant[0].may_write.is_set() and reluctant[0].began.is_set()):
            await asyncio.sleep(0.001)
        for _ in range(cancellations):
            task.cancel()
            for _ in range(10):
                await asyncio.sleep(0)
        assert not task.done()
        reluctant[0].may_write.set()
        await asyncio.wait((task,))
    assert task.cancelled()
    assert not reluctant[0].closed_while_writing
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gen_test(timeout=30)
async def test_a_file_that_another_task_closes_is_closed_when_the_thread_has_written(
    executor: ThreadPoolExecutor, tmp_path: Path, reluctant: list[Reluctant]
) -> None:
    """A client goes away, or its import is cancelled, while a piece of its body is written."""
    await warm_up(Spools(MEMORY, tmp_path, executor))
    async with no_leaks():
        with Spools(MEMORY, tmp_path, executor).open() as spool:
            await spool.write(bytes(MEMORY + 1))
            reluctant[0].may_write.clear()
            reluctant[0].began.clear()
            writing = asyncio.create_task(spool.write(bytes(MEMORY + 1)))
            while not reluctant[0].began.is_set():
                await asyncio.sleep(0.001)
        assert not writing.done(), "the spool was closed before it ends"
        reluctant[0].may_write.set()
        await writing
    assert not reluctant[0].closed_while_writing
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gen_test
async def test_a_reader_that_is_cancelled_leaves_the_spool_readable(
    executor: ThreadPoolExecutor, tmp_path: Path
) -> None:
    with Spools(MEMORY, tmp_path, executor).open() as spool:
        await spool.fill(Body(3 * CHUNK_BYTES).chunks())
        blocked = threading.Event()
        for _ in range(2):
            executor.submit(blocked.wait, 10)
        task = asyncio.create_task(content(spool))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
        blocked.set()
        assert b"".join(await content(spool)) == Body(3 * CHUNK_BYTES).whole()
