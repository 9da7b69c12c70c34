"""Cases of the document store suite: the clocks of machines step, and what lasts some time lasts as long as it should.

Each process has a machine's clock of its own, which a case sets as it likes. Time itself passes by a counter.
"""

from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from lading.service.documents import DocumentStore, DuplicateId
from lading.service.documents.records import Record
from lading.service.models import Status
from lading.service.models.clock import TimeCounter, count_nanoseconds, truncate_to_milliseconds
from lading.service.models.issuers import Issuer
from tests.conformance.documents.cases.base import (
    FAILURE,
    SECOND,
    DocumentStoreCases,
    SettableClock,
    make_import,
    stored,
)

HOUR = timedelta(hours=1)
LEASE = timedelta(minutes=10)
MINUTE = timedelta(minutes=1)
"""Every case ends within it, so that whatever it does takes less."""
STEPS = pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forwards", "backwards"])


class PassingTime:
    """Counts nanoseconds, as they pass, and those that a case lets pass at once."""

    def __init__(self) -> None:
        self._passed = 0

    def __call__(self) -> int:
        return count_nanoseconds() + self._passed

    def passes(self, by: timedelta) -> None:
        self._passed += by // timedelta(microseconds=1) * 1000


class ClockCases(DocumentStoreCases):
    @abstractmethod
    def make_steady_store(self, clock: SettableClock, counter: TimeCounter) -> DocumentStore:
        """As ``make_store``; ``clock`` is the machine's alone, and the store's own clock goes on by ``counter``."""

    @asynccontextmanager
    async def steady(self, clock: SettableClock, counter: TimeCounter) -> AsyncIterator[DocumentStore]:
        store = self.make_steady_store(clock, counter)
        await store.open()
        try:
            yield store
        finally:
            await store.close()

    @asynccontextmanager
    async def two_machines(self, step: timedelta) -> AsyncIterator[tuple[DocumentStore, DocumentStore, PassingTime]]:
        """A store as a process has it whose machine is ``step`` off, another as it should be, and the time for both."""
        self.skip_unless_durable()
        off, right, time = SettableClock(), SettableClock(), PassingTime()
        off.move(step)
        async with self.steady(off, time) as strange, self.steady(right, time) as other:
            yield strange, other, time

    @STEPS
    @pytest.mark.gen_test
    async def test_the_stores_clock_goes_on_whatever_the_machines_is_set_to(self, step: timedelta) -> None:
        clock, time = SettableClock(), PassingTime()
        async with self.steady(clock, time) as store:
            before = store.clock.now()
            clock.move(step)
            assert timedelta(0) <= store.clock.now() - before < MINUTE
            time.passes(LEASE)
            assert LEASE <= store.clock.now() - before < LEASE + MINUTE

    @STEPS
    @pytest.mark.gen_test
    async def test_a_step_neither_ends_nor_prolongs_a_lease(self, step: timedelta) -> None:
        clock, time = SettableClock(), PassingTime()
        async with self.steady(clock, time) as store:
            await store.add(make_import(clock, run_at=truncate_to_milliseconds(store.clock.now())))
            await store.register("worker", LEASE)
            (document,) = await store.claim("worker", 1)
            clock.move(step)
            assert await store.recover(10) == 0
            assert await store.heartbeat("worker", LEASE)
            clock.move(step)
            time.passes(LEASE - MINUTE)
            assert await store.recover(10) == 0
            time.passes(2 * MINUTE)
            assert await store.recover(10) == 1
            await store.register("heir", LEASE)
            (again,) = await store.claim("heir", 1)
            assert (again.id, again.abandoned) == (document.id, 1)

    @STEPS
    @pytest.mark.gen_test
    async def test_a_step_makes_no_import_wait_and_none_run_early(self, step: timedelta) -> None:
        clock, time = SettableClock(), PassingTime()
        async with self.steady(clock, time) as store:
            await store.register("worker", LEASE)
            now = truncate_to_milliseconds(store.clock.now())
            due, later = make_import(clock, run_at=now), make_import(clock, run_at=now + 5 * MINUTE)
            await store.add(due)
            await store.add(later)
            clock.move(step)
            assert [one.id for one in await store.claim("worker", 10)] == [due.id]
            time.passes(5 * MINUTE)
            assert [one.id for one in await store.claim("worker", 10)] == [later.id]

    @STEPS
    @pytest.mark.gen_test
    async def test_the_imports_of_a_dead_worker_whose_machine_is_off_return_in_time(self, step: timedelta) -> None:
        async with self.two_machines(step) as (strange, other, time):
            document = make_import(SettableClock(), run_at=truncate_to_milliseconds(strange.clock.now()))
            await strange.add(document)
            await strange.register("strange", LEASE)
            assert len(await strange.claim("strange", 1)) == 1
            assert await other.recover(10) == 0
            time.passes(LEASE + MINUTE)
            assert await other.recover(10) == 1
            await other.register("other", LEASE)
            assert [one.id for one in await other.claim("other", 1)] == [document.id]

    @STEPS
    @pytest.mark.gen_test
    async def test_what_a_machine_that_is_off_recovers_is_due_at_once(self, step: timedelta) -> None:
        async with self.two_machines(step) as (strange, other, time):
            await other.add(make_import(SettableClock(), run_at=truncate_to_milliseconds(other.clock.now())))
            await other.register("other", LEASE)
            assert len(await other.claim("other", 1)) == 1
            assert await strange.recover(10) == 0, "the lease of a living worker"
            time.passes(LEASE + MINUTE)
            assert await strange.recover(10) == 1
            await other.register("another", LEASE)
            time.passes(SECOND)  # more than servers and counters may differ
            assert len(await other.claim("another", 1)) == 1

    @STEPS
    @pytest.mark.gen_test
    async def test_a_retry_of_a_machine_that_is_off_runs_in_time(self, step: timedelta) -> None:
        async with self.two_machines(step) as (strange, other, time):
            await strange.add(make_import(SettableClock(), run_at=truncate_to_milliseconds(strange.clock.now())))
            await strange.register("strange", LEASE)
            (document,) = await strange.claim("strange", 1)
            again = document.requeued(FAILURE, strange.clock.now() + 5 * MINUTE, SettableClock().now())
            assert await strange.update(again)
            await other.register("other", LEASE)
            time.passes(4 * MINUTE)
            assert not await other.claim("other", 1)
            time.passes(MINUTE + SECOND)
            assert len(await other.claim("other", 1)) == 1

    @STEPS
    @pytest.mark.gen_test
    async def test_a_step_expires_no_record_early_and_none_late(self, step: timedelta) -> None:
        clock, time = SettableClock(), PassingTime()
        async with self.steady(clock, time) as store:
            now = truncate_to_milliseconds(store.clock.now())
            record = Record("kind", "id", "owner", {}, now, due_at=now + 5 * MINUTE, expires_at=now + HOUR)
            await store.records.add(record)
            clock.move(step)
            assert await store.records.get("kind", "id") == record
            assert await store.records.drop_expired(10) == 0
            assert not await store.records.due("kind", store.clock.now(), 10)
            with pytest.raises(DuplicateId):
                await store.records.add(record)
            time.passes(5 * MINUTE)
            assert await store.records.due("kind", store.clock.now(), 10) == [record]
            time.passes(HOUR - 5 * MINUTE)
            assert await store.records.get("kind", "id") is None
            assert await store.records.drop_expired(10) == 1

    @STEPS
    @pytest.mark.gen_test
    async def test_a_step_expires_no_waiting_import_early_and_none_late(self, step: timedelta) -> None:
        clock, time = SettableClock(), PassingTime()
        async with self.steady(clock, time) as store:
            expires_at = truncate_to_milliseconds(store.clock.now()) + HOUR / 2
            document = make_import(clock, params={}, status=Status.WAITING, run_at=expires_at)
            await store.add(document)
            clock.move(step)
            assert not await store.search.expired_waiting(store.clock.now(), 10)
            time.passes(HOUR / 2)
            assert await store.search.expired_waiting(store.clock.now(), 10) == [document]

    @STEPS
    @pytest.mark.gen_test
    async def test_a_step_ends_no_previous_key_early_and_none_late(self, step: timedelta) -> None:
        clock, time = SettableClock(), PassingTime()
        async with self.steady(clock, time) as store:
            await store.add_issuer(Issuer("issuer", "organization", "first"))
            keep_until = truncate_to_milliseconds(store.clock.now()) + HOUR / 2
            assert await store.rotate_issuer("issuer", "second", keep_until)
            clock.move(step)
            assert await store.drop_previous_keys() == 0
            time.passes(HOUR / 2)
            assert await store.drop_previous_keys() == 1

    @pytest.mark.gen_test
    async def test_since_when_an_import_is_due_is_kept(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            since = truncate_to_milliseconds(clock.now())
            document = make_import(clock, run_at=since, due_since=since - SECOND)
            await store.add(document)
            await store.register("worker", LEASE)
            (claimed,) = await store.claim("worker", 1)
            again = claimed.requeued(FAILURE, since + LEASE, clock.now())
            assert await store.update(again)
            assert await stored(store, document) == again
            assert again.since == since - SECOND
            failed = replace(again, revision=again.revision + 1, status=Status.FAILED)
            assert await store.update(failed)
            assert await store.update(failed.retried(since + HOUR, clock.now()))
            assert (await stored(store, document)).since == since + HOUR
