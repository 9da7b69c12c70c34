"""Cases of the document store suite: the outbox of an import is kept apart from its revision."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lading.service.documents import DocumentStore
from lading.service.models import Import
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


def event(number: int) -> dict[str, Any]:
    """An event with what JSON, SQL and MongoDB could each take for something else."""
    data: dict[str, Any] = {
        "$set": {"a.b": "\0é"},
        "], [": "'\"],",
        "n": [2**53 + 1, 0.1, None, True, {}],
        "": f"evt_{number + 1}",
    }
    return {"id": f"evt_{number}", "event": {"type": "import.done", "data": data}, "url": None}


def ids(document: Import) -> Sequence[str]:
    return [one["id"] for one in document.outbox]


async def written(store: DocumentStore, document: Import, *events: int) -> Import:
    """The import as it is stored after a write that adds these events."""
    assert await store.update(replace(document, new_events=tuple(map(event, events))))
    return await stored(store, document)


class OutboxCases(DocumentStoreCases):
    @pytest.mark.gen_test
    async def test_a_write_adds_its_events_to_the_outbox(self) -> None:
        clock = SettableClock()
        document = make_import(clock)
        async with self.opened(clock) as store:
            await store.add(document)
            document = await written(store, document.claimed("worker", clock.now()), 1)
            assert (document.outbox, document.new_events) == ((event(1),), ())
            document = await written(store, document.failed(FAILURE, None, clock.now()))
            document = await written(store, document.retried(clock.now(), clock.now()), 2, 3)
            assert document.outbox == (event(1), event(2), event(3))

    @pytest.mark.gen_test
    async def test_a_new_import_has_all_its_events_in_its_outbox(self) -> None:
        clock = SettableClock()
        document = make_import(clock, outbox=(event(1),), new_events=(event(2),))
        async with self.opened(clock) as store:
            await store.add(document)
            assert await stored(store, document) == replace(document, outbox=(event(1), event(2)), new_events=())

    @pytest.mark.gen_test
    async def test_what_is_announced_changes_nothing_else(self) -> None:
        clock = SettableClock()
        document = make_import(clock, outbox=tuple(map(event, range(4))), trace=({"$a.b": 1},))
        other = make_import(clock, outbox=tuple(map(event, range(4))))
        async with self.opened(clock) as store:
            await add_all(store, [document, other])
            clock.move(SECOND)
            await store.announced(document.id, ["evt_1", "evt_3", "unknown", "$id", ""])
            await store.announced(document.id, [])
            await store.announced("no such import", ["evt_0"])
            assert await stored(store, document) == replace(document, outbox=(event(0), event(2)))
            assert await stored(store, other) == other
            await store.announced(document.id, ["evt_0", "evt_1", "evt_2"])
            assert await stored(store, document) == replace(document, outbox=())
            assert [one.id for one in await store.search.with_outbox(10)] == [other.id]

    @pytest.mark.gen_test
    async def test_an_announcement_stands_in_nobodys_way(self) -> None:
        """The run of a retried import ends as it should though its earlier end is announced meanwhile."""
        clock = SettableClock()
        document = make_import(clock, outbox=(event(1), event(2)))
        async with self.opened(clock) as store:
            await store.add(document)
            await store.register("worker", LEASE)
            (claimed,) = await store.claim("worker", 1)
            await store.announced(document.id, ["evt_1"])
            failed = await written(store, claimed.failed(FAILURE, None, clock.now()), 3)
            assert ids(failed) == ["evt_2", "evt_3"]

    @pytest.mark.gen_test
    async def test_an_event_that_was_announced_does_not_come_back(self) -> None:
        clock = SettableClock()
        document = make_import(clock, outbox=(event(1),))
        async with self.opened(clock) as store:
            await store.add(document)
            after = (await stored(store, document)).claimed("worker", clock.now())
            await store.announced(document.id, ["evt_1"])
            assert ids(await written(store, after)) == []
            await store.recover(10)
            assert ids(await stored(store, document)) == []

    @pytest.mark.gen_test
    async def test_a_write_that_misses_adds_no_event(self) -> None:
        clock = SettableClock()
        document = make_import(clock)
        async with self.opened(clock) as store:
            await store.add(document)
            stale = replace(document.claimed("worker", clock.now()), revision=5, new_events=(event(1),))
            assert not await store.update(stale)
            assert ids(await stored(store, document)) == []

    @pytest.mark.gen_test
    async def test_no_event_is_lost_or_kept_when_writers_and_announcers_meet(self) -> None:
        clock = SettableClock()
        documents = make_imports(clock, 40, outbox=(event(1), event(2)))
        async with self.opened(clock) as store:
            await add_all(store, documents)
            after = [replace(one.claimed("worker", clock.now()), new_events=(event(3),)) for one in documents]
            writes = [asyncio.ensure_future(store.update(one)) for one in after]
            announcements = [store.announced(one.id, [name]) for one in documents for name in ("evt_1", "evt_3")]
            await asyncio.gather(*announcements)
            assert all(await asyncio.gather(*writes))
            for one in documents:
                assert ids(await stored(store, one)) in (["evt_2"], ["evt_2", "evt_3"])

    @pytest.mark.gen_test
    async def test_an_import_stays_until_its_events_are_announced(self) -> None:
        clock = SettableClock()
        document = make_import(clock)
        async with self.opened(clock) as store:
            await store.add(document)
            deleted = await written(store, document.deleted(clock.now()), 1)
            assert not await store.remove(deleted)
            assert await store.get(document.id) == deleted
            await store.announced(document.id, ["evt_1"])
            assert await store.remove(deleted)
            assert await store.get(document.id) is None

    @pytest.mark.gen_test
    async def test_claims_and_recoveries_keep_the_outbox(self) -> None:
        clock = SettableClock()
        documents = make_imports(clock, 3, outbox=(event(1),))
        async with self.opened(clock) as store:
            await add_all(store, documents)
            await store.register("worker", LEASE)
            claimed = await store.claim("worker", 10)
            assert [one.outbox for one in claimed] == [(event(1),)] * 3
            clock.move(LEASE + timedelta(seconds=1))
            assert await store.recover(10) == 3
            for one in documents:
                assert (await stored(store, one)).outbox == (event(1),)

    @pytest.mark.gen_test
    async def test_a_claim_is_told_from_another_of_the_same_worker(self) -> None:
        clock = SettableClock()
        document = make_import(clock)
        async with self.opened(clock) as store:
            await store.add(document)
            await store.register("worker", LEASE)
            (first,) = await store.claim("worker", 1)
            assert await stored(store, document) == first
            assert await store.update(first.handed_back(clock.now(), clock.now()))
            (second,) = await store.claim("worker", 1)
            assert (await stored(store, document)).is_run_of(second)
            assert not (await stored(store, document)).is_run_of(first)
