"""The suite itself is held to account: the reference backend, broken in one way at a time, must fail it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lading.backends.guard.storage import GuardedStorage
from lading.backends.memory import MemoryStorage, MemoryStorageOptions
from lading.backends.suites import MemorySuite
from lading.plugins.capabilities import SupportsFiles, SupportsListing
from lading.plugins.contracts import ObjectMetadata, StorageBackend, StoredObject
from lading.plugins.errors import PluginError, StorageError, StorageUnavailable
from lading.plugins.testing import leaks
from lading.plugins.testing.bodies import MIB, Stream
from lading.plugins.testing.storage.files import FilesCases
from lading.plugins.testing.storage.listing import ListingCases
from lading.plugins.testing.suite import run_case
from tests.conformance.storages.suite import GuardedStorageSuite


class SuiteUnderTest(MemorySuite, GuardedStorageSuite):
    unsupported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, broken: type[MemoryStorage]) -> None:
        self._broken = broken

    def make_backend(self) -> StorageBackend:
        self.memory = self._broken(MemoryStorageOptions())
        return self.memory

    def lister(self, backend: StorageBackend) -> SupportsListing:
        return ListingCases.lister(self, backend)  # the backend's own, which has no guard here

    def saver(self, backend: StorageBackend) -> SupportsFiles:
        return FilesCases.saver(self, backend)


async def collect(chunks: AsyncIterator[bytes]) -> bytearray:
    return bytearray(b"".join([chunk async for chunk in chunks]))


class LosesTheLastByte(MemoryStorage):
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        await super().save(key, chunks, metadata)
        del self._objects[key][-1:]


class FilesByAlbum(MemoryStorage):
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        if metadata.album_id and "/" in metadata.album_id:
            raise StorageError(f"no folder {metadata.album_id}")
        await super().save(key, chunks, metadata)


class Overwrites(MemoryStorage):
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        self._objects.pop(key, None)
        await super().save(key, chunks, metadata)


class ChecksTooEarly(MemoryStorage):
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        self._check_free(key)
        self._objects[key] = await collect(chunks)


class WritesInPlace(MemoryStorage):
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        self._check_free(key)
        body = self._objects[key] = bytearray()
        try:
            async for chunk in chunks:
                body += chunk
        except BaseException:
            del self._objects[key]
            raise


class KeepsWhatBroke(MemoryStorage):
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        self._check_free(key)
        body = bytearray()
        try:
            async for chunk in chunks:
                body += chunk
        finally:
            self._objects[key] = body


class DoesNotCount(MemoryStorage):
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        body = await collect(chunks)
        self._check_free(key)
        self._objects[key] = body


class TranslatesTheSourcesErrors(MemoryStorage):
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        try:
            await super().save(key, chunks, metadata)
        except OSError as error:
            raise StorageUnavailable from error


class SwallowsCancellation(MemoryStorage):
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        try:
            await super().save(key, chunks, metadata)
        except asyncio.CancelledError:
            return


class GivesNothingForMissing(MemoryStorage):
    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        yield StoredObject(0, Stream([bytes(self._objects.get(key, b""))]))


class RaisesTheBaseForMissing(MemoryStorage):
    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        if key not in self._objects:
            raise StorageError
        async with super().open(key, offset=offset, length=length) as stored:
            yield stored


class IgnoresTheRange(MemoryStorage):
    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        async with super().open(key) as stored:
            yield stored


class GivesOnePiece(MemoryStorage):
    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        async with super().open(key, offset=offset, length=length) as stored:
            whole = await collect(stored.chunks)
            yield StoredObject(stored.byte_size, Stream([bytes(whole)]))


class ReadsOnAfterClose(MemoryStorage):
    def _check_open(self) -> None:
        return


class DeletesByPrefix(MemoryStorage):
    async def delete(self, key: str) -> None:
        for found in [found for found in self._objects if found.startswith(key)]:
            await super().delete(found)


class FailsToDeleteTwice(MemoryStorage):
    async def delete(self, key: str) -> None:
        if key not in self._objects:
            raise StorageError
        await super().delete(key)


class DeletesNothing(MemoryStorage):
    async def delete(self, key: str) -> None:
        return


class AlwaysExists(MemoryStorage):
    async def exists(self, key: str) -> bool:
        return True


class FailsSecondPing(MemoryStorage):
    _pinged = False

    async def ping(self) -> None:
        if self._pinged:
            raise StorageUnavailable
        self._pinged = True


class FailsSecondClose(MemoryStorage):
    async def close(self) -> None:
        if self._closed:
            raise StorageUnavailable
        await super().close()


class LeaksADescriptor(MemoryStorage):
    descriptors: ClassVar[list[int]] = []

    async def ping(self) -> None:
        self.descriptors.append(os.open(os.devnull, os.O_RDONLY))


class LeaksATask(MemoryStorage):
    tasks: ClassVar[list[asyncio.Task[object]]] = []

    async def ping(self) -> None:
        self.tasks.append(asyncio.create_task(asyncio.Event().wait()))


class ReadsByTheName(MemoryStorage):
    """Each piece of a read asks for the object anew, as requests for ranges without a condition do."""

    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        async with super().open(key, offset=offset, length=length) as stored:
            yield StoredObject(stored.byte_size, Stream(self._by_name(key, stored.byte_size)))

    def _by_name(self, key: str, size: int) -> Iterator[bytes]:
        for start in range(0, size, MIB):
            yield bytes(self._objects[key][start : start + MIB])


class ClosesTheOthersToo(MemoryStorage):
    """The client is the module's, and whoever closes first closes it for all."""

    client: ClassVar[list[str]] = []

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        if self.client:
            raise StorageUnavailable("the client is closed")
        await super().save(key, chunks, metadata)

    async def close(self) -> None:
        self.client.append("closed")
        await super().close()


@dataclass(frozen=True)
class Fault:
    backend: type[MemoryStorage]
    case: Callable[[SuiteUnderTest], Coroutine[Any, Any, None]]


FAULTS = [
    Fault(LosesTheLastByte, lambda suite: suite.test_round_trip(4096)),
    Fault(LosesTheLastByte, lambda suite: suite.test_any_chunk_size(7)),
    Fault(LosesTheLastByte, lambda suite: suite.test_a_single_large_chunk()),
    Fault(LosesTheLastByte, lambda suite: suite.test_every_allowed_key("a")),
    Fault(LosesTheLastByte, lambda suite: suite.test_the_filename_is_data(None)),
    Fault(LosesTheLastByte, lambda suite: suite.test_many_keys_at_once()),
    Fault(FilesByAlbum, lambda suite: suite.test_the_filename_is_data("../../etc/passwd")),
    Fault(MemoryStorage, lambda suite: suite.test_memory_is_bounded()),
    Fault(Overwrites, lambda suite: suite.test_a_second_save_changes_nothing(10)),
    Fault(Overwrites, lambda suite: suite.test_an_object_made_by_others_is_not_replaced()),
    Fault(ChecksTooEarly, lambda suite: suite.test_of_two_saves_at_once_the_first_to_end_wins(100)),
    Fault(ChecksTooEarly, lambda suite: suite.test_of_many_saves_at_once_one_wins(100)),
    Fault(WritesInPlace, lambda suite: suite.test_invisible_while_it_is_written()),
    Fault(KeepsWhatBroke, lambda suite: suite.test_a_stream_that_breaks(1, KeyError())),
    Fault(KeepsWhatBroke, lambda suite: suite.test_cancelled_at_every_await(5, 2)),
    Fault(KeepsWhatBroke, lambda suite: suite.test_cancelled_while_its_stream_stalls(100)),
    Fault(DoesNotCount, lambda suite: suite.test_other_sizes_than_announced(100, 99)),
    Fault(DoesNotCount, lambda suite: suite.test_a_stream_without_end_is_left()),
    Fault(DoesNotCount, lambda suite: suite.test_a_failed_save_harms_no_neighbour()),
    Fault(DoesNotCount, lambda suite: suite.test_other_bytes_than_announced(100)),
    Fault(TranslatesTheSourcesErrors, lambda suite: suite.test_a_stream_that_breaks(1, OSError())),
    Fault(SwallowsCancellation, lambda suite: suite.test_cancelled_at_every_await(5, 2)),
    Fault(SwallowsCancellation, lambda suite: suite.test_cancelled_while_its_stream_stalls(100)),
    Fault(GivesNothingForMissing, lambda suite: suite.test_open_of_a_missing_object("missing")),
    Fault(GivesNothingForMissing, lambda suite: suite.test_delete()),
    Fault(RaisesTheBaseForMissing, lambda suite: suite.test_open_of_a_missing_object("missing")),
    Fault(IgnoresTheRange, lambda suite: suite.test_range(1, 1)),
    Fault(IgnoresTheRange, lambda suite: suite.test_range(5, 2 * MIB)),
    Fault(IgnoresTheRange, lambda suite: suite.test_readers_do_not_disturb_one_another()),
    Fault(GivesOnePiece, lambda suite: suite.test_range(0, None)),
    Fault(GivesOnePiece, lambda suite: suite.test_range_of_an_empty_object()),
    Fault(GivesOnePiece, lambda suite: suite.test_round_trip(8 * MIB)),
    Fault(ReadsOnAfterClose, lambda suite: suite.test_use_after_close_is_an_error()),
    Fault(ReadsOnAfterClose, lambda suite: suite.test_close_during_a_save(100)),
    Fault(ReadsOnAfterClose, lambda suite: suite.test_close_during_a_read()),
    Fault(DeletesByPrefix, lambda suite: suite.test_neighbours_with_a_common_prefix()),
    Fault(DeletesByPrefix, lambda suite: suite.test_a_prefix_is_no_object("ab")),
    Fault(FailsToDeleteTwice, lambda suite: suite.test_delete_is_idempotent()),
    Fault(FailsToDeleteTwice, lambda suite: suite.test_delete_below_an_object()),
    Fault(DeletesNothing, lambda suite: suite.test_delete()),
    Fault(DeletesNothing, lambda suite: suite.test_delete_while_it_is_read()),
    Fault(AlwaysExists, lambda suite: suite.test_open_of_a_missing_object("missing")),
    Fault(FailsSecondPing, lambda suite: suite.test_ping_again_and_at_once()),
    Fault(FailsSecondPing, lambda suite: suite.test_ping_during_a_save()),
    Fault(FailsSecondClose, lambda suite: suite.test_close_twice_and_at_once()),
    Fault(LeaksADescriptor, lambda suite: suite.test_reads_what_others_wrote()),
    Fault(LeaksATask, lambda suite: suite.test_reads_what_others_wrote()),
    Fault(ReadsByTheName, lambda suite: suite.test_replaced_while_it_is_read()),
    Fault(ClosesTheOthersToo, lambda suite: suite.test_two_backends_do_not_share_their_lives()),
    Fault(MemoryStorage, lambda suite: suite.test_a_bad_key_is_refused("../a")),
    Fault(MemoryStorage, lambda suite: suite.test_errors_bear_the_name()),
]


@pytest.mark.sampled(6)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.backend.__name__)
def test_the_suite_finds(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "SETTLE_SECONDS", 0.1)
    suite = SuiteUnderTest(fault.backend)
    suite.place = tmp_path
    try:
        with pytest.raises((AssertionError, pytest.fail.Exception, PluginError)):
            run_case(suite, fault.case(suite))
    finally:
        ClosesTheOthersToo.client.clear()
        while LeaksADescriptor.descriptors:
            os.close(LeaksADescriptor.descriptors.pop())


def test_the_suite_is_fair(tmp_path: Path) -> None:
    """The guard alone turns the last two faults into passes: what failed was not the machinery here."""

    class Guarded(SuiteUnderTest):
        def make_backend(self) -> StorageBackend:
            return GuardedStorage(super().make_backend(), name="memory")

    suite = Guarded(MemoryStorage)
    suite.place = tmp_path
    run_case(suite, suite.test_a_bad_key_is_refused("../a"))
    run_case(suite, suite.test_errors_bear_the_name())
    run_case(suite, suite.test_other_bytes_than_announced(100))
    for size in (0, 100):
        run_case(suite, suite.test_round_trip(size))
