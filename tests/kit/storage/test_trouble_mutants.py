"""The cases of troubles are held to account: a storage over a place with troubles, broken in one way at a time."""

import asyncio
import errno
import logging
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest

from lading.backends.memory import MemoryStorage, MemoryStorageOptions
from lading.plugins.capabilities import ListedObject
from lading.plugins.contracts import ObjectMetadata, StorageBackend, StoredObject
from lading.plugins.errors import (
    ContentMismatch,
    ObjectExists,
    PluginError,
    StorageDenied,
    StorageError,
    StorageUnavailable,
)
from lading.plugins.testing import StorageBackendSuite, Trouble
from lading.plugins.testing.storage import troubles as cases
from lading.plugins.testing.storage.troubles import TroubleCases
from lading.plugins.testing.suite import run_case

SECRET = "AccountKey=c2VjcmV0"
Result = TypeVar("Result")


class Place:
    """Where the objects are: a library's answers, and its errors."""

    def __init__(self) -> None:
        self.objects: dict[str, bytearray] = {}
        self.types: dict[str, str] = {}
        self.trouble: Trouble | None = None
        self.is_there = True

    async def ask(self, request: Callable[[], Result], *, commits: bool = False) -> Result:
        await asyncio.sleep(0)
        match self.trouble:
            case Trouble.DOWN:
                raise OSError(errno.ECONNREFUSED, "refused")
            case Trouble.SILENT:
                await asyncio.Event().wait()
            case Trouble.DENIED:
                raise PermissionError(f"403 for {SECRET}")
        if not self.is_there:
            raise LookupError("404 ContainerNotFound")
        answer = request()
        if commits and self.trouble is Trouble.ANSWER_LOST:
            raise ConnectionResetError
        return answer


class RemoteStorage(MemoryStorage):
    """Does it right."""

    patience = 0.05

    def __init__(self, place: Place) -> None:
        super().__init__(MemoryStorageOptions())
        self.place = place
        self._objects = place.objects

    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except PermissionError:
            raise StorageDenied("the place refuses access") from None
        except LookupError as error:
            raise StorageError("there is no such container") from error
        except OSError as error:
            raise StorageUnavailable(str(error)) from error

    async def ask(self, request: Callable[[], Result], *, commits: bool = False) -> Result:
        with self.translated():
            async with asyncio.timeout(self.patience):
                return await self.place.ask(request, commits=commits)

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        body = bytearray(b"".join([chunk async for chunk in chunks]))
        if len(body) != metadata.byte_size:
            raise ContentMismatch
        await self.ask(lambda: self.create(key, body, metadata), commits=True)

    def create(self, key: str, body: bytearray, metadata: ObjectMetadata) -> None:
        if key in self.place.objects:
            raise ObjectExists
        self.place.objects[key] = body
        self.place.types[key] = metadata.content_type

    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        await self.ask(lambda: None)
        async with super().open(key, offset=offset, length=length) as stored:
            yield stored

    async def exists(self, key: str) -> bool:
        return await self.ask(lambda: key in self.place.objects)

    async def delete(self, key: str) -> None:
        await self.ask(lambda: self.place.objects.pop(key, None))

    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        await self.ask(lambda: None)
        async for one in super().list_objects(prefix):
            yield one

    async def ping(self) -> None:
        await self.ask(lambda: None)


class RemoteSuite(StorageBackendSuite):
    storage: ClassVar[type[RemoteStorage]] = RemoteStorage
    troubles: Collection[Trouble] = tuple(Trouble)
    secrets: Collection[str] = (SECRET,)
    remote: Place

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.remote = Place()
        yield

    def make_backend(self) -> StorageBackend:
        return self.storage(self.remote)

    async def read_raw(self, key: str) -> bytes | None:
        body = self.remote.objects.get(key)
        return None if body is None else bytes(body)

    async def write_raw(self, key: str, body: bytes) -> None:
        self.remote.objects[key] = bytearray(body)

    async def stored_type(self, key: str) -> str | None:
        return self.remote.types.get(key, "application/octet-stream")

    @asynccontextmanager
    async def troubled(self, trouble: Trouble) -> AsyncIterator[None]:
        self.remote.trouble = trouble
        self.remote.is_there = trouble is not Trouble.GONE
        try:
            yield
        finally:
            self.remote.trouble = None
            self.remote.is_there = True


# --- mistakes ---------------------------------------------------------------------------------------------------------


class LetsTheLibrarysErrorsOut(RemoteStorage):
    @contextmanager
    def translated(self) -> Iterator[None]:
        yield


class TakesAnOutageForAbsence(RemoteStorage):
    async def exists(self, key: str) -> bool:
        try:
            return await super().exists(key)
        except StorageError:
            return False


class GivesUpForGood(RemoteStorage):
    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(str(error)) from error


class WaitsForEver(RemoteStorage):
    patience = 3600.0


class RemovesWhatItMade(RemoteStorage):
    """After each failure, it cleans up."""

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        try:
            await super().save(key, chunks, metadata)
        except StorageUnavailable:
            self.place.objects.pop(key, None)
            raise


class TakesALostAnswerForARefusal(RemoteStorage):
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        try:
            await super().save(key, chunks, metadata)
        except StorageUnavailable as error:
            raise StorageDenied from error


class SavesTwice(RemoteStorage):
    """It forgets the condition."""

    def create(self, key: str, body: bytearray, metadata: ObjectMetadata) -> None:
        self.place.objects[key] = body


class MakesThePlace(RemoteStorage):
    async def ping(self) -> None:
        self.place.is_there = True
        await super().ping()


class PingsNothing(RemoteStorage):
    async def ping(self) -> None:
        return


class HidesARefusal(RemoteStorage):
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        try:
            await super().save(key, chunks, metadata)
        except StorageDenied:
            return


class QuotesTheLibrary(RemoteStorage):
    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            with super().translated():
                yield
        except StorageDenied as error:
            raise StorageDenied(str(error.__context__)) from None


class LogsItsOptions(RemoteStorage):
    async def ping(self) -> None:
        logging.getLogger("remote").debug("connecting with %s", SECRET)
        await super().ping()

    async def delete(self, key: str) -> None:
        await self.ping()
        await super().delete(key)


class LeavesATemporaryFile(RemoteStorage):
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        descriptor, _ = await asyncio.to_thread(tempfile.mkstemp)
        os.close(descriptor)
        await super().save(key, chunks, metadata)


class ForgetsTheType(RemoteStorage):
    def create(self, key: str, body: bytearray, metadata: ObjectMetadata) -> None:
        super().create(key, body, metadata)
        del self.place.types[key]


@dataclass(frozen=True)
class Fault:
    """A broken storage, the case that finds it, and words of its message."""

    storage: type[RemoteStorage]
    case: str
    says: str
    arguments: tuple[object, ...] = ()

    def __str__(self) -> str:
        return f"{self.storage.__name__}-{self.case}"


FAULTS = [
    Fault(LetsTheLibrarysErrorsOut, "test_a_place_that_is_down", "raises ConnectionRefusedError: raise a StorageError"),
    Fault(TakesAnOutageForAbsence, "test_a_place_that_is_down", "exists of a place that is down succeeds, with False"),
    Fault(GivesUpForGood, "test_a_place_that_is_down", "is not retryable: raise StorageUnavailable"),
    Fault(WaitsForEver, "test_a_place_that_never_answers", "save, open, exists, ping, list_objects, delete of a place"),
    Fault(RemovesWhatItMade, "test_a_save_whose_answer_is_lost", "removes its object", (100,)),
    Fault(TakesALostAnswerForARefusal, "test_a_save_whose_answer_is_lost", "StorageDenied, which is not", (100,)),
    Fault(SavesTwice, "test_a_save_whose_answer_is_lost", "None instead of ObjectExists", (100,)),
    Fault(MakesThePlace, "test_a_place_that_is_gone", "ping of a place that is gone succeeds"),
    Fault(PingsNothing, "test_a_place_that_is_gone", "ping of a place that is gone succeeds"),
    Fault(HidesARefusal, "test_permissions_that_are_lost", "a save that has begun of a place that refuses access succ"),
    Fault(QuotesTheLibrary, "test_no_secret_is_told", "the error StorageDenied, raised in translated"),
    Fault(LogsItsOptions, "test_no_secret_is_told", "by the logger 'remote' in ping"),
    Fault(LeavesATemporaryFile, "test_no_temporary_file_is_left", "temporary files are left: tmp"),
    Fault(ForgetsTheType, "test_the_content_type_is_kept", "'application/octet-stream' instead of 'image/jpeg'"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_suite_finds(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "PATIENCE", 0.2)
    found = _run(fault.storage, fault.case, fault.arguments, tmp_path)
    assert fault.says in str(found)


def _run(storage: type[RemoteStorage], case: str, arguments: tuple[object, ...], place: Path) -> Exception | None:
    class SuiteUnderTest(RemoteSuite):
        pass

    SuiteUnderTest.storage = storage
    suite = SuiteUnderTest()
    suite.place = place
    try:
        run_case(suite, getattr(suite, case)(*arguments))
    except (AssertionError, PluginError) as error:
        return error
    return None


def _cases() -> Iterator[tuple[str, tuple[object, ...]]]:
    for name in vars(TroubleCases):
        if name.startswith("test_"):
            yield name, (100,) if name == "test_a_save_whose_answer_is_lost" else ()


@pytest.mark.parametrize(("case", "arguments"), list(_cases()))
def test_the_suite_is_fair(case: str, arguments: tuple[object, ...], tmp_path: Path) -> None:
    found = _run(RemoteStorage, case, arguments, tmp_path)
    assert found is None, str(found)


def test_every_case_has_found_something() -> None:
    assert {fault.case for fault in FAULTS} == {case for case, _ in _cases()}


def test_a_trouble_that_the_suite_cannot_make_is_said_to_be_unsupported(tmp_path: Path) -> None:
    class Trouble2(RemoteSuite):
        troubles = ()

    suite = Trouble2()
    suite.place = tmp_path
    with pytest.raises(pytest.skip.Exception, match="unsupported: down: troubles of the suite has no such trouble"):
        run_case(suite, suite.test_a_place_that_is_down())
