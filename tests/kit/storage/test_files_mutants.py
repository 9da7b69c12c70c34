"""The cases of files are held to account: a backend that saves files, broken in one way at a time."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lading.backends.memory import MemoryStorage
from lading.plugins.capabilities import SupportsFiles
from lading.plugins.contracts import ObjectMetadata
from lading.plugins.errors import ObjectExists, PluginError, StorageUnavailable
from lading.plugins.testing.bodies import Stream
from lading.plugins.testing.suite import run_case
from tests.kit.storage.test_storage_mutants import SuiteUnderTest

WITHOUT_CONTENT = ObjectMetadata(0, "", "image/png")


class SavesFiles(MemoryStorage, SupportsFiles):
    """Does it right."""

    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        try:
            content = await self.read(path)
        except OSError as error:
            raise StorageUnavailable(str(error)) from error
        await self.save(key, Stream([content]), metadata)

    async def read(self, path: Path) -> bytes:
        return await asyncio.to_thread(path.read_bytes)

    def make_file(self) -> int | None:
        return None


class LosesTheEnd(SavesFiles):
    async def read(self, path: Path) -> bytes:
        return (await super().read(path))[: 1024 * 1024]


class ReadsNoMoreThanAnnounced(SavesFiles):
    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        content = await self.read(path)
        await self.save(key, Stream([content[: metadata.byte_size].ljust(metadata.byte_size)]), metadata)


class TakesAMissingFileForAnEmptyOne(SavesFiles):
    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        if path.exists():
            await super().save_file(key, path, metadata)
        else:
            await self.save(key, Stream([]), WITHOUT_CONTENT)


class LetsTheErrorThrough(SavesFiles):
    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        await self.save(key, Stream([await self.read(path)]), metadata)


class OverwritesByFile(SavesFiles):
    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        content = await self.read(path)
        await self.delete(key)
        await self.save(key, Stream([content]), metadata)


class SaysNothingOfATakenKey(SavesFiles):
    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        with suppress(ObjectExists):
            await super().save_file(key, path, metadata)


class IsDeafWhileItSaves(SavesFiles):
    async def save_file(self, key: str, path: Path, metadata: ObjectMetadata) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        self._check_open()
        await asyncio.sleep(0)
        await super().save_file(key, path, metadata)
        await asyncio.sleep(0)


class SavesAfterClose(SavesFiles):
    async def close(self) -> None:
        """Keeps what it has."""


@dataclass(frozen=True)
class Fault:
    backend: type[MemoryStorage]
    case: Callable[[SuiteUnderTest], Coroutine[Any, Any, None]]


FAULTS = [
    Fault(LosesTheEnd, lambda suite: suite.test_a_file_is_saved(5 * 1024 * 1024 + 3)),
    Fault(LosesTheEnd, lambda suite: suite.test_a_file_without_a_name_is_saved(5 * 1024 * 1024 + 3)),
    Fault(ReadsNoMoreThanAnnounced, lambda suite: suite.test_a_file_of_another_size(100, -1)),
    Fault(ReadsNoMoreThanAnnounced, lambda suite: suite.test_a_file_of_another_size(100, 1)),
    Fault(TakesAMissingFileForAnEmptyOne, lambda suite: suite.test_a_file_that_is_not_there(100)),
    Fault(LetsTheErrorThrough, lambda suite: suite.test_a_file_that_is_not_there(100)),
    Fault(OverwritesByFile, lambda suite: suite.test_a_key_that_is_taken_by_a_file(100)),
    Fault(SaysNothingOfATakenKey, lambda suite: suite.test_of_many_files_one_wins(1000)),
    Fault(IsDeafWhileItSaves, lambda suite: suite.test_the_saving_of_a_file_cancelled_at_every_await(1000)),
    Fault(SavesAfterClose, lambda suite: suite.test_a_closed_backend_saves_no_file()),
]


def suite_of(backend: type[MemoryStorage], place: Path) -> SuiteUnderTest:
    suite = SuiteUnderTest(backend)
    suite.place = place / "place"
    return suite


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.backend.__name__)
def test_the_suite_finds(fault: Fault, tmp_path: Path) -> None:
    suite = suite_of(fault.backend, tmp_path)
    with pytest.raises((AssertionError, pytest.fail.Exception, PluginError, OSError)):
        run_case(suite, fault.case(suite))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.backend.__name__)
def test_what_is_right_passes(fault: Fault, tmp_path: Path) -> None:
    suite = suite_of(SavesFiles, tmp_path)
    run_case(suite, fault.case(suite))


def test_without_the_capability_the_cases_are_skipped(tmp_path: Path) -> None:
    suite = suite_of(MemoryStorage, tmp_path)
    with pytest.raises(pytest.skip.Exception, match="unsupported: files: MemoryStorage is no SupportsFiles"):
        run_case(suite, suite.test_a_file_is_saved(1))
