"""The asynchronous shell of the local disk: threads, failing disks, options."""

import asyncio
import errno
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lading.backends.local.storage import LocalStorage, LocalStorageOptions
from lading.plugins.errors import (
    ContentMismatch,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    StorageFull,
    StorageUnavailable,
)
from lading.plugins.options import PluginOptions
from lading.plugins.testing.bodies import MIB, Body
from lading.plugins.testing.cancellation import attempt
from lading.plugins.testing.storage.support import KEY, read
from tests.unit.backends.local.local_support import LARGE, SMALL, opened


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
    [
        (errno.ENOSPC, StorageFull),
        (errno.EPERM, StorageDenied),
        (errno.EROFS, StorageUnavailable),
        (errno.EIO, StorageUnavailable),
    ],
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
            other = Body(body.size - 1)
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
