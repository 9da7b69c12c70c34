"""Every call that the SQLite store makes of its files fails, with every code that it can give.

Whatever fails: a write that was acknowledged is read by another connection, and by whoever opens the files as a crash
at this moment would leave them; one that was refused is made or not made, and nothing between; and as soon as the fault
is over, all works. The long form has each call fail with each code that it can give, once and for good, and with one
code that no file system should give; the short form has it fail with one code, in turn.
"""

import asyncio
import contextlib
import itertools
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from lading.service.documents import StoreUnavailable
from lading.service.documents.sqlite.engine.connections import FIRST_PAUSE
from lading.service.documents.sqlite.store import SqliteDocumentStore
from tests.conformance.documents.cases.base import SettableClock, make_import
from tests.conformance.documents.sqlite.deeds import DEEDS, METADATA, Part, Prepare, State, addition
from tests.conformance.documents.sqlite.test_documents_sqlite_processes import ENDLESS, adding, begin, read_ids
from tests.conformance.documents.sqlite.test_documents_sqlite_work import busy, settle
from tests.conftest import LONG
from tests.support.sqlite_vfs import ORIGINAL, Faults, Request, faulty_vfs

HANG_SECONDS: Final = 30
MANY: Final = 8
STORE_FAULTS: Final = 100
"""Faults that a store suffers before a new one takes its place: it must be read again after each."""
SPOILING: Final = {"CORRUPT", "NOMEM", "NOTADB"}
"""What SQLite may go on to believe of a file, until it is opened anew.

So it may after a page that had no room in memory, and after any code that kept it from reading what others wrote.
"""
SHORT: Final = timedelta(milliseconds=20)
PATIENT: Final = timedelta(seconds=25)
"""Of another process that writes without a pause, and of a machine that has others to serve."""
CODES: Final = {
    "xWrite": ("FULL", "IOERR_WRITE", "NOMEM", "READONLY"),
    "xSync": ("IOERR_FSYNC", "FULL"),
    "xTruncate": ("IOERR_TRUNCATE", "FULL"),
    "xFileSize": ("IOERR_FSTAT",),
    "xRead": ("IOERR_READ", "NOMEM", "CORRUPT"),
    "xLock": ("BUSY", "IOERR_LOCK", "IOERR_RDLOCK"),
    "xShmMap": ("IOERR_SHMSIZE", "IOERR_SHMMAP", "IOERR_SHMOPEN", "NOMEM", "READONLY_CANTINIT", "READONLY_RECOVERY"),
    "xShmLock": ("BUSY", "IOERR_SHMLOCK", "READONLY_CANTLOCK"),
    "xOpen": ("CANTOPEN", "NOMEM", "IOERR", "PERM"),
    "xDelete": ("IOERR_DELETE",),
    "xAccess": ("IOERR_ACCESS",),
    "xFullPathname": ("CANTOPEN",),
}
"""Which codes each call can give."""
ODD_CODES: Final = (
    *("ERROR", "INTERNAL", "PERM", "BUSY_RECOVERY", "BUSY_SNAPSHOT", "LOCKED", "NOMEM", "READONLY"),
    *("READONLY_CANTLOCK", "READONLY_ROLLBACK", "READONLY_DBMOVED", "READONLY_DIRECTORY", "INTERRUPT", "IOERR"),
    *("IOERR_NOMEM", "IOERR_CORRUPTFS", "IOERR_SEEK", "IOERR_DIR_FSYNC", "IOERR_AUTH", "CORRUPT", "FULL", "CANTOPEN"),
    *("PROTOCOL", "AUTH", "NOTADB", "NOLFS"),
)
"""Codes that no file system should give; in the long form each call fails with the next of them too.

BUSY comes from locks alone: of any other operation in a checkpoint SQLite takes it for readers in the way, and removes
the log although the file lacks pages of it.
"""

pytestmark = pytest.mark.timeout(3600 if LONG else 120)


@pytest.fixture
def faults() -> Iterator[Faults]:
    with faulty_vfs() as faults:
        yield faults


class _Store(SqliteDocumentStore):
    checkpoint_pages = 1000

    def _connect_writer(self) -> sqlite3.Connection:
        connection = super()._connect_writer()
        connection.execute(f"PRAGMA wal_autocheckpoint = {self.checkpoint_pages}")
        return connection


@contextmanager
def bystander(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that no fault concerns."""
    with closing(sqlite3.connect(f"{path.as_uri()}?vfs={ORIGINAL}", uri=True, timeout=1)) as connection:
        yield connection


@dataclass(frozen=True)
class Fault:
    """Which request fails: of its kind that one, and all after it where the fault stays."""

    request: Request
    number: int
    code: str
    stays: bool


class FaultsLeft:
    """The faults of a deed that are left to be suffered.

    Attributes:
        is_over: whether none is left.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._left: Iterator[Fault] | None = None

    def next_ones(self, asked: Mapping[Request, int]) -> Sequence[Fault]:
        """The next ``STORE_FAULTS``, of a deed that asks for so much."""
        self._left = faults_of(asked) if self._left is None else self._left
        batch = list(itertools.islice(self._left, STORE_FAULTS))
        self.is_over = len(batch) < STORE_FAULTS
        return batch


class Walk:
    """A store below which one request after the other fails, and all that was written into it.

    Attributes:
        told: what was asked of the store, and whether it was acknowledged.
        is_alone: whether no other process writes into the file.
        patience: seconds after which a call hangs.
    """

    def __init__(self, folder: Path, faults: Faults, checkpoint_pages: int, busy_timeout: timedelta = SHORT) -> None:
        self.path = folder / "lading.db"
        self.clock = SettableClock()
        self.faults = faults
        self.is_alone = True
        self.store = _Store(self.path, self.clock, busy_timeout=busy_timeout, readers=1)
        self.store.checkpoint_pages = checkpoint_pages
        # A lock that is never given is waited for by a call, and before it by the connection that replaces another.
        self.patience = HANG_SECONDS + 4 * busy_timeout.total_seconds()
        self.told: list[tuple[Part, bool]] = []
        self._crashed = folder / "crashed"
        self._crashed.mkdir()

    async def count(self, prepare: Prepare) -> dict[Request, int]:
        """How often the deed asks for what, at most; the first time the connections have read nothing yet."""
        asked: dict[Request, int] = {}
        for _ in range(3):
            told = await self._do(await prepare(self.store, self.clock), self.faults.count)
            assert all(is_acknowledged for _, is_acknowledged in told)
            self.told += told
            for request, number in self.faults.requests.items():
                asked[request] = max(number, asked.get(request, 0))
        return asked

    async def suffer_some(self, prepare: Prepare, left: FaultsLeft) -> int:
        """Have one request after the other fail, as many as a store suffers; how many of them were met."""
        met = 0
        for fault in left.next_ones(await self.count(prepare)):
            try:
                met += await self.suffer(prepare, fault)
            except BaseException as error:
                error.add_note(f"with {fault}")
                raise
        return met

    async def suffer(self, prepare: Prepare, fault: Fault) -> bool:
        """Do the deed with the fault, and look at what has become of it; whether the fault was met."""
        parts = await prepare(self.store, self.clock)
        code = getattr(sqlite3, f"SQLITE_{fault.code}")
        told = await self._do(parts, lambda: self.faults.fail(fault.number, code, fault.request, stays=fault.stays))
        if fault.stays:  # connections may be replaced, or fail to be
            more = [addition(self.store, make_import(self.clock, params=METADATA)) for _ in range(2)]
            told += await self._outcomes([asyncio.ensure_future(part.do()) for part in more], more)
        self.faults.mend()
        assert self.faults.failed or all(is_acknowledged for _, is_acknowledged in told)
        self.check(self.path, told)
        if self.is_alone and fault.request.method in ("xWrite", "xSync", "xTruncate"):
            self.check(self._crash(), told)
        self.told += [(part, is_acknowledged) for part, is_acknowledged in told if part.lasts]
        if not self.is_alone or fault.code in SPOILING or fault.code not in CODES[fault.request.method]:
            await self._recover()
        await self.works()
        return self.faults.failed > 0

    def check(self, path: Path, told: Sequence[tuple[Part, bool]]) -> None:
        """Look at writes, of which some were acknowledged, with a connection of its own."""
        with bystander(path) as connection:
            for part, is_acknowledged in told:
                state = part.state(connection)
                assert state is not State.HALF
                assert state is State.AFTER or not is_acknowledged, "acknowledged, and not there"

    async def _do(self, parts: Sequence[Part], begin: Callable[[], None]) -> list[tuple[Part, bool]]:
        """Make the calls, all in one transaction if the store can; which of them were acknowledged."""
        with contextlib.suppress(StoreUnavailable):  # the fault may meet the call that keeps the writer busy
            async with busy(self.store):
                tasks = [asyncio.ensure_future(part.do()) for part in parts]
                await settle()
                begin()
        return await self._outcomes(tasks, parts)

    async def _outcomes(self, tasks: Sequence[asyncio.Future[Any]], parts: Sequence[Part]) -> list[tuple[Part, bool]]:
        async with asyncio.timeout(self.patience):
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for part, result in zip(parts, results, strict=True):
            if isinstance(result, BaseException) and not isinstance(result, StoreUnavailable):
                raise result
            assert isinstance(result, StoreUnavailable) or result == part.result
        return [(part, not isinstance(result, StoreUnavailable)) for part, result in zip(parts, results, strict=True)]

    def _crash(self) -> Path:
        """The files as a crash would leave them now, without what is in memory alone.

        Not copied by this process, which would lose its locks (https://sqlite.org/howtocorrupt.html section 2.2).
        """
        for old in self._crashed.iterdir():
            old.unlink()
        files = [file for name in ("", "-wal") if (file := Path(f"{self.path}{name}")).exists()]
        subprocess.run(["cp", *files, self._crashed], check=True)
        return self._crashed / self.path.name

    async def _recover(self) -> None:
        """Wait until a connection is replaced."""
        async with asyncio.timeout(self.patience):
            while True:
                with contextlib.suppress(StoreUnavailable):
                    await self.store.ping()
                    await self.store.add(make_import(self.clock, params=METADATA))
                    break
                await asyncio.sleep(FIRST_PAUSE)

    async def works(self) -> None:
        """All works, at once and by itself."""
        document = make_import(self.clock, params=METADATA)
        await self.store.add(document)
        self.check(self.path, [(addition(self.store, document), True)])
        assert await self.store.get(document.id) == document
        await self.store.ping()


@asynccontextmanager
async def walking(
    folder: Path, faults: Faults, checkpoint_pages: int, busy_timeout: timedelta = SHORT
) -> AsyncIterator[Walk]:
    """In the end, what was acknowledged is still there, and the file is whole."""
    walk = Walk(folder, faults, checkpoint_pages, busy_timeout)
    await walk.store.open()
    try:
        yield walk
    finally:
        faults.mend()
        await walk.store.close()
    walk.check(walk.path, walk.told)
    with bystander(walk.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def numbers_of(count: int) -> Sequence[int]:
    """In the short form, of many requests of a kind the first ones, the last ones, and some between."""
    return range(count) if LONG or count <= MANY else sorted({0, 1, 2, count // 3, count // 2, count - 2, count - 1})


def faults_of(asked: Mapping[Request, int]) -> Iterator[Fault]:
    """In the long form every request with every code that it can give, once and for good."""
    turns = itertools.count()
    odd = itertools.cycle(ODD_CODES)
    for request, count in asked.items():
        codes = CODES[request.method]
        for number in numbers_of(count):
            if LONG:
                every = dict.fromkeys((*codes, next(odd)))
                yield from (Fault(request, number, code, stays) for code in every for stays in (False, True))
            else:
                turn = next(turns)
                yield Fault(request, number, codes[turn % len(codes)], bool(turn // len(codes) % 2))


@pytest.mark.sampled(4)
@pytest.mark.gen_test(timeout=3600 if LONG else 110)
@pytest.mark.parametrize("checkpoint_pages", [1000, 1])
@pytest.mark.parametrize("deed", DEEDS)
async def test_a_fault_loses_nothing_and_is_over_when_it_is_over(
    tmp_path: Path, faults: Faults, deed: str, checkpoint_pages: int
) -> None:
    async def walk_of(folder: Path, left: FaultsLeft) -> int:
        async with walking(folder, faults, checkpoint_pages) as walk:
            return await walk.suffer_some(DEEDS[deed], left)

    await suffer_on_new_stores(tmp_path, walk_of)


async def suffer_on_new_stores(folder: Path, walk_of: Callable[[Path, FaultsLeft], Awaitable[int]]) -> None:
    """Walk through the faults of a deed, on one store after the other, of which each suffers ``STORE_FAULTS``."""
    left, met = FaultsLeft(), 0
    while not left.is_over:
        store = folder / "store"
        store.mkdir()
        met += await walk_of(store, left)
        shutil.rmtree(store)
    assert met


@pytest.mark.sampled(3)
@pytest.mark.gen_test(timeout=3600 if LONG else 110)
@pytest.mark.parametrize("checkpoint_pages", [1000, 1])
@pytest.mark.parametrize("deed", ["add with metadata", "everything", *(["update 40 at once"] if LONG else [])])
async def test_another_process_goes_on_meanwhile(
    tmp_path: Path, faults: Faults, deed: str, checkpoint_pages: int
) -> None:
    async def walk_of(folder: Path, left: FaultsLeft) -> int:
        async with walking(folder, faults, checkpoint_pages, PATIENT) as walk, adding(walk.path, ENDLESS) as other:
            walk.is_alone = False
            begin(other)
            added = await read_ids(other, 10)
            reading = asyncio.create_task(read_ids(other))
            try:
                met = await walk.suffer_some(DEEDS[deed], left)
                assert other.returncode is None, "it was refused"
            finally:
                other.kill()
                added += await reading
        with bystander(walk.path) as connection:
            found = {row[0] for row in connection.execute("SELECT id FROM imports")}
        assert len(added) > 10
        assert found.issuperset(added)
        return met

    await suffer_on_new_stores(tmp_path, walk_of)


@pytest.mark.gen_test
async def test_a_file_that_cannot_be_opened_for_writing_is_refused(tmp_path: Path, faults: Faults) -> None:
    async with walking(tmp_path, faults, 1000) as walk:
        await walk.store.ping()
    faults.is_read_only = True
    with pytest.raises(StoreUnavailable, match="must be able to write the file"):
        await walk.store.open()


@pytest.mark.gen_test
async def test_a_connection_that_met_a_fault_calls_no_file_damaged(tmp_path: Path, faults: Faults) -> None:
    async with walking(tmp_path, faults, 1000) as walk:
        faults.fail(0, sqlite3.SQLITE_CORRUPT, Request("xWrite", "wal"))
        with pytest.raises(StoreUnavailable, match="opens it anew; if this goes on, the file is damaged"):
            await walk.store.add(make_import(walk.clock))
        faults.mend()
        await walk.works()


@pytest.mark.gen_test
async def test_no_connection_is_replaced_by_one_that_can_only_read(tmp_path: Path, faults: Faults) -> None:
    """As SQLite would open the file while it is read-only: writes would be refused for ever."""
    async with walking(tmp_path, faults, 1000) as walk:
        faults.is_read_only = True
        for _ in range(3):
            faults.fail(0, sqlite3.SQLITE_READONLY, Request("xWrite", "wal"), stays=True)
            with pytest.raises(StoreUnavailable):
                await walk.store.ping()
        faults.mend()
        faults.is_read_only = False
        await walk.works()


@pytest.mark.gen_test(timeout=3600 if LONG else 110)
async def test_a_fault_while_the_store_is_opened(tmp_path: Path, faults: Faults) -> None:
    """Whether there is a file yet or not, it is opened, or refused as a whole."""
    for is_new in (True, False):
        for fault in faults_of(await _asked_to_open(tmp_path / f"counted {is_new}", faults, is_new)):
            folder = tmp_path / "opened"
            store = await _closed_store(folder, is_new)
            faults.fail(fault.number, getattr(sqlite3, f"SQLITE_{fault.code}"), fault.request, stays=fault.stays)
            with contextlib.suppress(StoreUnavailable):
                await store.open()
            await store.close()
            faults.mend()
            async with walking(folder, faults, 1000) as walk:
                await walk.works()
            shutil.rmtree(folder)


async def _closed_store(folder: Path, is_new: bool) -> SqliteDocumentStore:
    folder.mkdir()
    store = SqliteDocumentStore(folder / "lading.db", SettableClock(), busy_timeout=SHORT)
    if not is_new:
        await store.open()
        await store.close()
    return store


async def _asked_to_open(folder: Path, faults: Faults, is_new: bool) -> Mapping[Request, int]:
    store = await _closed_store(folder, is_new)
    faults.count()
    await store.open()
    await store.close()
    return dict(faults.requests)
