"""The clock of the SQLite store: one for all processes of a machine, from boot to boot."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import lading.service.documents.sqlite.store
from lading.service.documents import StoreUnavailable
from lading.service.documents.sqlite.engine.clock import Boot, present_boot, started_at
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.models import Status
from lading.service.models.clock import Clock, SystemClock, count_nanoseconds, truncate_to_milliseconds
from tests.conformance.documents.cases.base import LEASE, SECOND, SettableClock, make_import, stored
from tests.support.clock import Ticks

HOUR = timedelta(hours=1)
MILLISECOND = timedelta(milliseconds=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lading.db"


@asynccontextmanager
async def opened(path: Path, clock: Clock, boot: Boot | None) -> AsyncIterator[SqliteDocumentStore]:
    store = SqliteDocumentStore(path, clock, boot=boot)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def moved(by: timedelta) -> SettableClock:
    clock = SettableClock()
    clock.move(by)
    return clock


@pytest.mark.gen_test
async def test_a_new_file_begins_with_the_machines_clock(path: Path) -> None:
    clock, ticks = SettableClock(), Ticks()
    async with opened(path, clock, Boot("first", ticks)) as store:
        assert store.clock.now() == truncate_to_milliseconds(clock.now())
        ticks.passes(HOUR)
        assert store.clock.now() == truncate_to_milliseconds(clock.now()) + HOUR


@pytest.mark.gen_test
@pytest.mark.parametrize("off", [HOUR, -HOUR, 30000 * HOUR])
async def test_all_processes_of_a_boot_have_the_same_clock_whatever_the_machines_is_set_to(
    path: Path, off: timedelta
) -> None:
    boot = Boot("first", Ticks())
    async with opened(path, SettableClock(), boot) as first, opened(path, moved(off), boot) as later:
        assert first.clock.now() == later.clock.now()


@pytest.mark.gen_test
async def test_processes_that_make_a_file_at_once_agree(path: Path) -> None:
    boot = Boot("first", Ticks())
    stores = [SqliteDocumentStore(path, moved(number * HOUR), boot=boot) for number in range(6)]
    await asyncio.gather(*(store.open() for store in stores))
    try:
        assert len({store.clock.now() for store in stores}) == 1
    finally:
        await asyncio.gather(*(store.close() for store in stores))


@pytest.mark.gen_test
@pytest.mark.parametrize("off", [HOUR, -HOUR, timedelta(0)])
async def test_after_a_restart_of_the_machine_its_imports_run_at_once(path: Path, off: timedelta) -> None:
    clock, ticks = SettableClock(), Ticks()
    async with opened(path, clock, Boot("first", ticks)) as store:
        document = make_import(clock, run_at=truncate_to_milliseconds(store.clock.now()))
        await store.add(document)
        await store.register("worker", LEASE)
        assert len(await store.claim("worker", 1)) == 1
        ticks.passes(SECOND)
        assert await store.heartbeat("worker", LEASE)
        reached = store.clock.now()
    async with opened(path, moved(off), Boot("second", Ticks(3 * SECOND))) as store:
        assert not await store.heartbeat("worker", LEASE), "no process survives a restart"
        assert await store.recover(10) == 1
        assert (await stored(store, document)).status is Status.QUEUED
        await store.register("heir", LEASE)
        assert [one.id for one in await store.claim("heir", 1)] == [document.id]
        assert store.clock.now() >= reached - MILLISECOND


@pytest.mark.gen_test
@pytest.mark.parametrize("off", [-HOUR, -30000 * HOUR])
async def test_the_clock_never_goes_behind_what_it_has_reached_in_the_boot_before(path: Path, off: timedelta) -> None:
    ticks = Ticks()
    async with opened(path, SettableClock(), Boot("first", ticks)) as store:
        ticks.passes(HOUR)
        await store.register("worker", LEASE)
        reached = store.clock.now()
    for number in range(3):
        async with opened(path, moved(off), Boot(f"later {number}", Ticks())) as store:
            assert store.clock.now() >= reached - MILLISECOND


@pytest.mark.gen_test
async def test_what_was_left_out_while_the_machine_was_off_has_passed(path: Path) -> None:
    async with opened(path, SettableClock(), Boot("first", Ticks())) as store:
        before = store.clock.now()
    async with opened(path, moved(8 * HOUR), Boot("second", Ticks())) as store:
        assert store.clock.now() - before == 8 * HOUR


@pytest.mark.gen_test
async def test_leases_of_an_earlier_version_of_the_file_have_ended(path: Path) -> None:
    clock = SettableClock()
    async with opened(path, clock, None) as store:
        await store.add(make_import(clock))
        await store.register("worker", 1000 * HOUR)
        assert len(await store.claim("worker", 1)) == 1
    async with opened(path, clock, Boot("first", Ticks())) as store:
        assert await store.recover(10) == 1


@pytest.mark.gen_test
async def test_the_clock_of_a_real_machine(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boot = present_boot()
    assert boot is not None
    assert boot.counter is count_nanoseconds
    assert boot == present_boot()
    async with opened(path, SystemClock(), None) as store:
        with closing(sqlite3.connect(path)) as connection:
            ((boot_id, started),) = connection.execute("SELECT boot_id, started_at FROM clock").fetchall()
        assert boot_id == boot.id
        now = store.clock.now().timestamp() * 1000
        assert abs(now - (started + count_nanoseconds() / 1e6)) < 60_000
    system = SystemClock()
    monkeypatch.setattr(lading.service.documents.sqlite.store, "present_boot", lambda: None)
    assert SqliteDocumentStore(path, system).clock is system


@pytest.mark.gen_test
async def test_a_clock_that_cannot_be_read_is_an_unavailable_database(path: Path) -> None:
    async with opened(path, SettableClock(), Boot("first", Ticks())):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE clock")
    store = SqliteDocumentStore(path, SettableClock(), boot=Boot("first", Ticks()))
    with pytest.raises(StoreUnavailable, match="clock"):
        await store.open()


def test_a_failure_leaves_no_transaction_open(path: Path) -> None:
    def fail() -> datetime:
        raise OSError("no time")

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("CREATE TABLE clock (id INTEGER PRIMARY KEY, boot_id TEXT, started_at INT, reached_at INT)")
        with pytest.raises(OSError, match="no time"):
            started_at(connection, Boot("first", Ticks()), fail)
        assert not connection.in_transaction
