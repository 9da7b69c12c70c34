"""Cases of the storage suite: files, for backends that save them (``lading.plugins.capabilities.SupportsFiles``)."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ...capabilities import SupportsFiles
from ...contracts import StorageBackend
from ...errors import ContentMismatch, KeyInvalid, ObjectExists, PluginError, StorageError
from ..bodies import MIB, Body, assert_bytes
from ..cancellation import CancelAt, attempt
from ..suite import UNSUPPORTED
from .support import KEY, StorageHarness

MOST_AWAITS = 50
SIZES = [0, 1, 45_000, MIB - 1, MIB, 5 * MIB + 3]


class FilesCases(StorageHarness):
    """What ``save_file`` and ``make_file`` do; the file is beside the place, or has no name."""

    def saver(self, backend: StorageBackend) -> SupportsFiles:
        """What saves files in the backend; the case is skipped where nothing does."""
        if not isinstance(backend, SupportsFiles):
            pytest.skip(f"{UNSUPPORTED}files: {self.subject} is no SupportsFiles")
        return backend

    def file(self, body: Body, name: str = "body") -> Path:
        """A file with a name that holds the body."""
        path = self.place.parent / name
        with path.open("wb") as file:
            file.writelines(body.pieces())
        return path

    @asynccontextmanager
    async def unnamed(self, saver: SupportsFiles, body: Body) -> AsyncIterator[Path]:
        """A file without a name that holds the body, where the backend makes such files; else one with a name."""
        descriptor = await asyncio.to_thread(saver.make_file)
        if descriptor is None:
            yield self.file(body)
            return
        with open(descriptor, "r+b", buffering=0) as file:  # noqa: PTH123, ASYNC230 - a descriptor has no path, and is a test's
            file.writelines(body.pieces())
            yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")

    @pytest.mark.parametrize("size", SIZES)
    async def test_a_file_is_saved(self, size: int) -> None:
        """``save_file`` stores the bytes that the file had at the call; later changes to the file do not matter."""
        body = Body(size)
        async with self.opened() as backend:
            path = self.file(body)
            await self.saver(backend).save_file(KEY, path, body.metadata)
            path.write_bytes(b"changed later")
            await self.assert_holds(backend, KEY, body)
            assert_bytes(await self.read_raw(KEY), body.whole(), "what was saved")

    @pytest.mark.parametrize("size", SIZES)
    async def test_a_file_without_a_name_is_saved(self, size: int) -> None:
        """``save_file`` stores a file that ``make_file`` created."""
        body = Body(size)
        async with self.opened() as backend:
            saver = self.saver(backend)
            async with self.unnamed(saver, body) as path:
                await saver.save_file(KEY, path, body.metadata)
            await self.assert_holds(backend, KEY, body)

    async def test_a_file_that_is_made_and_not_saved_leaves_nothing(self) -> None:
        """A file from ``make_file`` that is closed without a save leaves nothing behind."""
        async with self.opened() as backend:
            async with self.unnamed(self.saver(backend), Body(100)):
                pass
            await self.assert_absent(backend, KEY)

    @pytest.mark.parametrize("size", [100, 2 * MIB])
    @pytest.mark.parametrize("difference", [-1, 1])
    async def test_a_file_of_another_size(self, size: int, difference: int) -> None:
        """A file of another size than announced raises ``ContentMismatch`` and stores nothing."""
        async with self.opened() as backend:
            saver = self.saver(backend)
            async with self.unnamed(saver, Body(size)) as path:
                caught = await attempt(saver.save_file(KEY, path, Body(size + difference).metadata))
            assert isinstance(caught, ContentMismatch)
            await self.assert_absent(backend, KEY)

    @pytest.mark.parametrize("size", [100, 2 * MIB])
    async def test_a_key_that_is_taken_by_a_file(self, size: int) -> None:
        """A key that ``save_file`` has stored raises ``ObjectExists`` for every later save."""
        first, second = Body(size, seed=1), Body(size, seed=2)
        async with self.opened() as backend:
            saver = self.saver(backend)
            await saver.save_file(KEY, self.file(first), first.metadata)
            async with self.unnamed(saver, second) as path:
                assert isinstance(await attempt(saver.save_file(KEY, path, second.metadata)), ObjectExists)
            assert isinstance(await attempt(backend.save(KEY, second.chunks(), second.metadata)), ObjectExists)
            await self.assert_holds(backend, KEY, first)

    @pytest.mark.parametrize("size", [1000, 2 * MIB])
    async def test_of_many_files_one_wins(self, size: int) -> None:
        """Of eight concurrent ``save_file`` calls for one key, one succeeds; the others raise ``ObjectExists``."""
        self.require("create_only")
        bodies = [Body(size, seed=seed) for seed in range(8)]
        async with self.opened() as backend:
            saver = self.saver(backend)
            paths = [self.file(body, f"body-{number}") for number, body in enumerate(bodies)]
            outcomes = await asyncio.gather(
                *(attempt(saver.save_file(KEY, path, body.metadata)) for path, body in zip(paths, bodies, strict=True))
            )
            winners = [body for body, outcome in zip(bodies, outcomes, strict=True) if outcome is None]
            assert len(winners) == 1
            assert all(isinstance(outcome, ObjectExists) for outcome in outcomes if outcome is not None)
            await self.assert_holds(backend, KEY, winners[0])

    @pytest.mark.parametrize("size", [100, 2 * MIB])
    async def test_a_file_that_is_not_there(self, size: int) -> None:
        """A missing file raises a ``StorageError`` and stores nothing."""
        async with self.opened() as backend:
            missing = self.place.parent / "missing"
            caught = await attempt(self.saver(backend).save_file(KEY, missing, Body(size).metadata))
            assert isinstance(caught, StorageError)
            await self.assert_absent(backend, KEY)

    async def test_a_file_below_an_object(self) -> None:
        """A key below another object is stored, or raises ``KeyInvalid``."""
        self.require("nested_keys")
        body = Body(100)
        async with self.opened() as backend:
            saver = self.saver(backend)
            await saver.save_file("taken", self.file(body), body.metadata)
            caught = await attempt(saver.save_file("taken/below", self.file(body), body.metadata))
            assert caught is None or isinstance(caught, KeyInvalid)

    @pytest.mark.parametrize("size", [1000, 2 * MIB])
    async def test_the_saving_of_a_file_cancelled_at_every_await(self, size: int) -> None:
        """A cancelled ``save_file`` stores nothing, at whichever await."""
        body = Body(size)
        async with self.opened() as backend:
            saver = self.saver(backend)
            path = self.file(body)
            for nth in range(1, MOST_AWAITS):
                driver = CancelAt(saver.save_file(KEY, path, body.metadata), nth)
                task = await driver.run()
                if task.cancelled():
                    await self.assert_absent(backend, KEY)
                    continue
                await self.assert_holds(backend, KEY, body)  # it came too late, or not at all
                if not driver.reached:
                    return
                await backend.delete(KEY)
        pytest.fail("a save of a small file waits too often")

    async def test_a_closed_backend_saves_no_file(self) -> None:
        """``save_file`` after ``close`` raises a ``PluginError`` and stores nothing."""
        body = Body(100)
        async with self.opened() as backend:
            saver = self.saver(backend)
            path = self.file(body)
            await backend.close()
            assert isinstance(await attempt(saver.save_file(KEY, path, body.metadata)), PluginError)
        assert await self.read_raw(KEY) is None
