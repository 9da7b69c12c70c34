"""The asynchronous shell of the local disk: threads, cancellation, closing."""

import asyncio
import errno
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from backends.local import LocalStorage, LocalStorageOptions
from plugins.errors import (
    ContentMismatch,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    StorageFull,
    StorageUnavailable,
)
from plugins.options import PluginOptions
from tests.conformance.storage_saving import Gate
from tests.conformance.storage_support import KEY, MIB, Body, attempt, no_leaks, read

SMALL = Body(5000)
LARGE = Body(4 * MIB + 3)


@asynccontextmanager
async def opened(root: Path, threads: int = 4) -> AsyncIterator[LocalStorage]:
    async with no_leaks():
        storage = LocalStorage(LocalStorageOptions(path=root, threads=threads))
        await storage.ping()
        yield storage
        assert not list((root / ".incoming").iterdir())
        await storage.close()


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
async def test_nothing_touches_the_disk_in_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["open", "close", "write", "fsync", "link", "unlink", "mkdir", "stat", "lstat", "fstat", "scandir"]
    called: set[str] = set()
    in_loop: list[str] = []

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            called.add(name)
            caller = sys._getframe(1).f_code.co_filename
            if threading.current_thread() is threading.main_thread() and not caller.endswith("linecache.py"):
                in_loop.append(f"{name} by {caller}")  # linecache: asyncio in debug mode notes where tasks are made
            return function(*arguments, **options)

        return call

    async with opened(tmp_path / "root") as storage:
        with monkeypatch.context() as patch:
            for name in names:
                patch.setattr(os, name, watched(name, getattr(os, name)))
            for body in (SMALL, LARGE):
                await storage.ping()
                await storage.save(KEY, body.chunks(), body.metadata)
                await storage.exists(KEY)
                await read(storage, KEY)
                await storage.delete(KEY)
    assert called >= {"open", "close", "write", "fsync", "link", "unlink", "mkdir", "stat", "fstat"}
    assert in_loop == []


@pytest.mark.gen_test
async def test_a_small_save_is_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as storage:
        with monkeypatch.context() as patch:
            loop, calls = asyncio.get_running_loop(), []
            run = loop.run_in_executor

            def counted(*arguments: Any) -> Any:
                calls.append(arguments)
                return run(*arguments)

            patch.setattr(loop, "run_in_executor", counted)
            await storage.save(KEY, SMALL.chunks(100), SMALL.metadata)
            assert len(calls) == 1
            calls.clear()
            await storage.save("large", LARGE.chunks(1000), LARGE.metadata)
            assert len(calls) <= 2 + LARGE.size // MIB + 1


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, StorageFull), (errno.EROFS, StorageDenied), (errno.EIO, StorageUnavailable)],
)
@pytest.mark.parametrize("after", [0, 3 * MIB])
async def test_a_disk_that_fails_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[StorageError], after: int
) -> None:
    write, written = os.write, 0

    def fails_later(descriptor: int, data: Any) -> int:
        nonlocal written
        if written >= after:
            raise OSError(number, os.strerror(number))
        written += len(data)
        return write(descriptor, data)

    async with opened(tmp_path) as storage:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", fails_later)
            error = await attempt(storage.save(KEY, LARGE.chunks(), LARGE.metadata))
            written = after
            ping_error = await attempt(storage.ping())
        assert type(error) is expected
        assert isinstance(error.__cause__, OSError)
        assert type(ping_error) is expected
        assert not await storage.exists(KEY)
        await storage.ping()
        await storage.save(KEY, LARGE.chunks(), LARGE.metadata)


@pytest.mark.gen_test
async def test_other_bytes_than_announced(tmp_path: Path) -> None:
    async with opened(tmp_path) as storage:
        for body in (SMALL, LARGE):
            other = Body(body.size, seed=1)
            assert isinstance(await attempt(storage.save(KEY, other.chunks(), body.metadata)), ContentMismatch)
            assert not await storage.exists(KEY)


@pytest.mark.gen_test
async def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as storage:
        await storage.save(KEY, LARGE.chunks(), LARGE.metadata)
        async with storage.open(KEY) as stored:
            await anext(stored.chunks)
            os.truncate(tmp_path / KEY, MIB + 10)
            assert len(await anext(stored.chunks)) == 10
            with pytest.raises(ContentMismatch):
                await anext(stored.chunks)


@pytest.mark.gen_test
async def test_ping_prepares_once(tmp_path: Path) -> None:
    root = tmp_path / "root"
    async with opened(root) as storage:
        root.rename(tmp_path / "elsewhere")
        assert isinstance(await attempt(storage.ping()), StorageUnavailable)
        assert isinstance(await attempt(storage.exists(KEY)), StorageUnavailable)
        assert not root.exists()
        (tmp_path / "elsewhere").rename(root)
        await storage.ping()
        assert isinstance(await attempt(read(storage, KEY)), ObjectNotFound)


@pytest.mark.gen_test
async def test_a_path_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file/below"):
        storage = LocalStorage(LocalStorageOptions(path=path))
        assert isinstance(await attempt(storage.ping()), StorageUnavailable)
        await storage.close()


@pytest.mark.gen_test
async def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    storage = LocalStorage(LocalStorageOptions(path=Path("images")))
    monkeypatch.chdir("/")
    await storage.ping()
    await storage.close()
    assert (tmp_path / "images/.incoming").is_dir()


def test_options_are_checked() -> None:
    for options in ({"threads": 0}, {"threads": 1000}, {"unknown": 1}):
        with pytest.raises(ValidationError):
            LocalStorageOptions.model_validate(options)
    with pytest.raises(TypeError):
        LocalStorage(PluginOptions())
