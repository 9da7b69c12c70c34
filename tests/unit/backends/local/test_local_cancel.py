"""The local disk when calls are cancelled, and the backend closed, while threads work."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading.backends.guard.storage import GuardedStorage
from lading.backends.local.files import TemporaryFile
from lading.plugins.errors import StorageUnavailable
from lading.plugins.host import calls
from lading.plugins.testing.bodies import Body
from lading.plugins.testing.storage.saving import Gate
from lading.plugins.testing.storage.support import KEY, read
from tests.unit.backends.local.local_support import LARGE, SMALL, opened


class Block:
    """Stops the first thread that calls a function, after or before it does what it does, until it is let on."""

    def __init__(self, patch: pytest.MonkeyPatch, name: str, *, after: bool = False) -> None:
        self._function: Callable[..., Any] = getattr(os, name)
        self._after = after
        self._reached = threading.Event()
        self._let_on = threading.Event()
        patch.setattr(os, name, self._call)

    def _call(self, *arguments: Any, **options: Any) -> Any:
        if self._after:
            result = self._function(*arguments, **options)
            self._stop()
            return result
        self._stop()
        return self._function(*arguments, **options)

    def _stop(self) -> None:
        if not self._reached.is_set():
            self._reached.set()
            self._let_on.wait()

    async def reached(self) -> None:
        await asyncio.to_thread(self._reached.wait)

    def let_on(self) -> None:
        self._let_on.set()


async def a_few_rounds() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.gen_test
@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("name", ["write", "fsync"])
async def test_cancelled_while_a_thread_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: Body, name: str
) -> None:
    async with opened(tmp_path) as storage:
        await storage.save("ab/cd/another", SMALL.chunks(), SMALL.metadata)
        with monkeypatch.context() as patch:
            block = Block(patch, name)
            task = asyncio.create_task(storage.save(KEY, body.chunks(), body.metadata))
            await block.reached()
            task.cancel()
            await a_few_rounds()
            assert not task.done()  # the thread still has the file
            task.cancel()
            block.let_on()
            await asyncio.wait((task,))
        assert task.cancelled()
        assert not await storage.exists(KEY)


@pytest.mark.gen_test
async def test_a_save_that_its_guard_leaves_before_its_file_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "PATIENCE_SECONDS", 0.01)
    create = TemporaryFile.create
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    files: list[TemporaryFile] = []

    def hangs(folder: Path) -> TemporaryFile:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(60)
        files.append(create(folder))
        return files[0]

    async with opened(tmp_path) as storage:
        monkeypatch.setattr(TemporaryFile, "create", hangs)
        save = GuardedStorage(storage, name="local").save(KEY, LARGE.chunks(), LARGE.metadata)
        task = asyncio.create_task(save)
        await begun.wait()
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
        go_on.set()
        while storage._jobs:
            await asyncio.sleep(0.01)
        assert files
        assert not files[0].path.exists()


@pytest.mark.gen_test
@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
async def test_cancelled_too_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: Body) -> None:
    async with opened(tmp_path) as storage:
        with monkeypatch.context() as patch:
            block = Block(patch, "link", after=True)
            task = asyncio.create_task(storage.save(KEY, body.chunks(), body.metadata))
            await block.reached()
            task.cancel()
            block.let_on()
            await asyncio.wait((task,))
        assert task.exception() is None
        assert await read(storage, KEY) == body.whole()


@pytest.mark.gen_test
async def test_a_timeout_that_comes_too_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as storage:
        block = Block(monkeypatch, "link", after=True)

        async def save_in_time() -> None:
            async with asyncio.timeout(None) as limit:
                saving = asyncio.create_task(expire(limit))
                await storage.save(KEY, SMALL.chunks(), SMALL.metadata)
            await saving

        async def expire(limit: asyncio.Timeout) -> None:
            await block.reached()
            limit.reschedule(0)
            await a_few_rounds()
            block.let_on()

        await save_in_time()
        assert await storage.exists(KEY)


@pytest.mark.gen_test
async def test_a_cancelled_reader_leaves_its_file_to_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as storage:
        await storage.save(KEY, LARGE.chunks(), LARGE.metadata)
        with monkeypatch.context() as patch:
            block = Block(patch, "fstat", after=True)
            task = asyncio.create_task(read(storage, KEY))
            await block.reached()
            task.cancel()
            await a_few_rounds()
            assert not task.done()
            block.let_on()
            await asyncio.wait((task,))
        assert task.cancelled()


@pytest.mark.gen_test
async def test_close_does_not_wait_for_a_source(tmp_path: Path) -> None:
    async with opened(tmp_path) as storage:
        gate = Gate(LARGE)
        task = asyncio.create_task(storage.save(KEY, gate, LARGE.metadata))
        await gate.reached.wait()
        assert len(list((tmp_path / ".incoming").iterdir())) == 1
        await storage.close()
        assert not list((tmp_path / ".incoming").iterdir())
        assert not task.done()
        gate.go_on.set()
        await asyncio.wait((task,))
        assert isinstance(task.exception(), StorageUnavailable)


@pytest.mark.gen_test
@pytest.mark.parametrize("name", ["write", "mkdir", "fsync"])
@pytest.mark.parametrize("threads", [1, 4])
async def test_close_waits_for_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, threads: int
) -> None:
    async with opened(tmp_path, threads) as storage:
        with monkeypatch.context() as patch:
            block = Block(patch, name)
            task = asyncio.create_task(storage.save(KEY, LARGE.chunks(), LARGE.metadata))
            await block.reached()
            closing = asyncio.create_task(storage.close())
            await a_few_rounds()
            assert not closing.done()
            block.let_on()
            await asyncio.wait((task, closing))
        assert isinstance(task.exception(), StorageUnavailable)
        assert not (tmp_path / KEY).exists()


@pytest.mark.gen_test
async def test_a_cancelled_close_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as storage:
        with monkeypatch.context() as patch:
            block = Block(patch, "write")
            task = asyncio.create_task(storage.save(KEY, SMALL.chunks(), SMALL.metadata))
            await block.reached()
            closing = asyncio.create_task(storage.close())
            await a_few_rounds()
            closing.cancel()
            await asyncio.wait((closing,))
            assert closing.cancelled()
            block.let_on()
            await storage.close()
            await asyncio.wait((task,))


@pytest.mark.gen_test
async def test_a_deletion_that_was_given_up_before_it_began_is_not_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then another object may have the key."""
    async with opened(tmp_path, threads=1) as storage:
        for key in (KEY, "ab/other"):
            await storage.save(key, SMALL.chunks(), SMALL.metadata)
        with monkeypatch.context() as patch:
            block = Block(patch, "unlink")
            first = asyncio.create_task(storage.delete("ab/other"))
            await block.reached()
            given_up = asyncio.create_task(storage.delete(KEY))
            await a_few_rounds()
            given_up.cancel()
            await a_few_rounds()
            block.let_on()
            await first
            with pytest.raises(asyncio.CancelledError):
                await given_up
        assert await read(storage, KEY) == SMALL.whole()
