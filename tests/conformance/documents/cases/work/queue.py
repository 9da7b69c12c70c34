"""Cases of the document store suite: operators count and list the imports which are not done."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from lading.service.documents import DocumentStore
from lading.service.documents.queue import OPEN, Entry, Figures, Group, Selection, entry_of
from lading.service.models import Import, Status
from tests.conformance.documents.cases.base import (
    FAILURE,
    LEASE,
    SECOND,
    DocumentStoreCases,
    SettableClock,
    add_all,
    make_import,
    make_imports,
    stored,
)
from tests.conformance.documents.cases.search import add_in_turn

FAILED = {"status": Status.FAILED, "error": FAILURE}
NOT_FOUND = {"status": Status.FAILED, "error": replace(FAILURE, code="not_found")}


def of(*documents: Import) -> set[Entry]:
    return set(map(entry_of, documents))


async def found(store: DocumentStore, wanted: Selection, limit: int = 100) -> set[Entry]:
    """The entries, which the groups agree with."""
    entries = await store.queue.entries(wanted, limit)
    assert len(set(entries)) == len(entries)
    if limit == 100:
        summary = await store.queue.summary(wanted)
        assert summary.is_whole
        assert sum(group.count for group in summary.groups) == len(entries)
    return set(entries)


def largest_first(groups: Sequence[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: -group.count)


async def figures(store: DocumentStore) -> Figures:
    """Those of the queue, in whole seconds: stores keep moments to the millisecond."""
    found = await store.queue.figures(store.clock.now())
    return found._replace(oldest_seconds=round(found.oldest_seconds, 1))


class QueueCases(DocumentStoreCases):
    """What ``ImportQueue`` promises."""

    @pytest.mark.gen_test
    async def test_each_state_has_its_imports_and_deleted_ones_are_in_none(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            by_status: dict[Status, list[Import]] = {}
            for status in Status:
                error = FAILURE if status is Status.FAILED else None
                by_status[status] = await add_in_turn(store, clock, *[{"status": status, "error": error}] * 2)
                (deleted,) = await add_in_turn(store, clock, {"status": status, "error": error})
                await store.update(deleted.deleted(clock.now()))
            for status in OPEN:
                assert await found(store, Selection(status)) == of(*by_status[status])

    @pytest.mark.parametrize("status", [Status.DONE, Status.CANCELLED])
    def test_done_and_cancelled_imports_are_not_asked_for(self, status: Status) -> None:
        with pytest.raises(ValueError, match=status):
            Selection(status)

    @pytest.mark.gen_test
    async def test_imports_are_grouped_by_issuer_host_and_code(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            a, b, c, d, e = await add_in_turn(
                store, clock, FAILED, NOT_FOUND, {**FAILED, "issuer_id": "other"}, {**FAILED, "host": ""}, FAILED
            )
            await add_in_turn(store, clock, {}, {"status": Status.DONE}, {"status": Status.CANCELLED})
            summary = await store.queue.summary(Selection(Status.FAILED))
            first, *others = largest_first(summary.groups)
            assert summary.is_whole
            assert first == Group("issuer", "origin.example", "fetch_timeout", 2, a.updated_at, e.updated_at, e.id)
            assert {one.example for one in others} == {b.id, c.id, d.id}
            assert {(one.issuer_id, one.host, one.code, one.count) for one in others} == {
                ("issuer", "origin.example", "not_found", 1),
                ("other", "origin.example", "fetch_timeout", 1),
                ("issuer", "", "fetch_timeout", 1),
            }
            assert (await store.queue.summary(Selection(Status.RUNNING))).groups == []

    @pytest.mark.gen_test
    async def test_a_selection_narrows_by_issuer_host_code_and_moment(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            for state in (FAILED, {"error": FAILURE}):
                a, b, c, d = await add_in_turn(
                    store,
                    clock,
                    {**state, "host": "a.example"},
                    {**state, "issuer_id": "$ne"},
                    {**state, "error": replace(FAILURE, code="not_found")},
                    {**state, "host": ""},
                )
                wanted = Selection(a.status)
                assert await found(store, replace(wanted, host="a.example")) == of(a)
                assert await found(store, replace(wanted, host="")) == of(d)
                assert await found(store, replace(wanted, issuer_id="$ne")) == of(b)
                assert await found(store, replace(wanted, code="not_found")) == of(c)
                assert await found(store, replace(wanted, since=c.created_at)) == of(c, d)
                assert await found(store, replace(wanted, since=clock.now() + SECOND)) == set()
                both = replace(wanted, code="fetch_timeout", issuer_id="issuer", since=b.created_at)
                assert await found(store, both) == of(d)
                assert len(await found(store, wanted, 3)) == 3

    @pytest.mark.gen_test
    async def test_an_import_is_as_old_as_its_failure_its_attempt_its_last_retry_or_its_creation(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            created = make_import(clock)
            await store.add(created)
            await store.register("worker", LEASE)
            clock.move(SECOND)
            (running,) = await store.claim("worker", 1)
            assert await found(store, Selection(Status.RUNNING)) == of(running)
            assert entry_of(running).since == running.updated_at > created.created_at
            assert entry_of(running).worker_id == "worker"
            clock.move(SECOND)
            failed = running.failed(FAILURE, None, clock.now())
            await store.update(failed)
            assert await found(store, Selection(Status.FAILED)) == of(failed)
            assert entry_of(failed).since == failed.updated_at
            clock.move(SECOND)
            retried = failed.retried(clock.now(), clock.now())
            await store.update(retried)
            assert await found(store, Selection(Status.QUEUED)) == of(retried)
            assert entry_of(await stored(store, created)).since == retried.updated_at
            assert await found(store, Selection(Status.FAILED)) == set()

    @pytest.mark.gen_test
    async def test_a_reading_looks_at_so_many_imports_and_says_so(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            a, b, c = await add_in_turn(store, clock, NOT_FOUND, FAILED, FAILED)
            await add_in_turn(store, clock, {}, {}, {})
            for examine, count, is_whole in ((2, 2, False), (3, 3, True), (4, 3, True)):
                for status in (Status.FAILED, Status.QUEUED):
                    summary = await store.queue.summary(Selection(status), examine=examine)
                    assert (sum(one.count for one in summary.groups), summary.is_whole) == (count, is_whole)
            # The latest failed ones; and those from before the moment do not count.
            assert set(await store.queue.entries(Selection(Status.FAILED), 9, examine=2)) == of(b, c)
            assert await store.queue.entries(Selection(Status.FAILED, code="not_found"), 9, examine=2) == []
            recent = Selection(Status.FAILED, since=b.updated_at)
            assert (await store.queue.summary(recent, examine=2)).is_whole
            assert entry_of(a) not in await store.queue.entries(recent, 9)

    @pytest.mark.gen_test
    async def test_operators_are_told_how_many_imports_wait_are_due_come_later_and_run(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            assert await figures(store) == Figures(0, 0, 0, 0, 0.0)
            await add_all(store, [make_import(clock, status=status) for status in Status if status != Status.QUEUED])
            due = make_import(clock).run_at
            await add_all(store, make_imports(clock, 3, run_at=due + 10 * LEASE))
            assert await figures(store) == Figures(waiting=1, queued=0, delayed=3, running=1, oldest_seconds=0.0)
            await add_all(store, make_imports(clock, 2, run_at=due - 90 * SECOND, issuer_id="a"))
            await add_all(store, make_imports(clock, 2, run_at=due - 5 * SECOND, issuer_id="b"))
            assert await figures(store) == Figures(1, 4, 3, 1, oldest_seconds=90.0)
            await store.register("worker", LEASE)
            assert len(await store.claim("worker", 10, exclude_issuers={"b"})) == 2
            assert await figures(store) == Figures(1, 2, 3, 3, oldest_seconds=5.0)
