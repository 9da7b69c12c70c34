"""Cases of the document store suite: records."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from lading.service.documents import DuplicateId, TooManyRecords
from lading.service.documents.records import Record
from lading.service.models.clock import truncate_to_milliseconds
from tests.conformance.documents.cases.base import SECOND, DocumentStoreCases, SettableClock


def make_record(clock: SettableClock, record_id: str, **changes: Any) -> Record:
    data = {"a.b": {"$set": ["\0é", None, 1.5, True]}, "": "x"}
    record = Record("kind", record_id, "owner", data, truncate_to_milliseconds(clock.now()))
    return replace(record, **changes)


class RecordCases(DocumentStoreCases):
    """What ``RecordStore`` promises."""

    @pytest.mark.gen_test
    async def test_a_record_comes_back_as_it_was_written(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            now = truncate_to_milliseconds(clock.now())
            plain = make_record(clock, "a/b c")
            timed = make_record(clock, "b", due_at=now, expires_at=now + SECOND)
            for record in (plain, timed):
                await store.records.add(record)
                assert await store.records.get("kind", record.id) == record
            assert await store.records.get("kind", "c") is None
            assert await store.records.get("another", "b") is None

    @pytest.mark.gen_test
    async def test_an_id_is_taken_once_within_its_kind(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            record = make_record(clock, "a")
            await store.records.add(record)
            await store.records.add(replace(record, kind="another"))
            with pytest.raises(DuplicateId):
                await store.records.add(replace(record, data={}))
            assert await store.records.get("kind", "a") == record

    @pytest.mark.gen_test
    async def test_of_many_that_add_the_same_one_succeeds(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            records = [make_record(clock, "a", data={"n": number}) for number in range(20)]
            outcomes = await asyncio.gather(*map(store.records.add, records), return_exceptions=True)
            assert sum(outcome is None for outcome in outcomes) == 1
            assert sum(isinstance(outcome, DuplicateId) for outcome in outcomes) == 19
            found = await store.records.get("kind", "a")
            assert found == records[outcomes.index(None)]

    @pytest.mark.gen_test
    async def test_an_owner_has_at_most_so_many_however_many_are_added_at_once(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await store.records.add(make_record(clock, "unlimited"))
            await store.records.add(make_record(clock, "others", owner="another"), at_most=1)
            records = [make_record(clock, f"{number:02}") for number in range(30)]
            adds = (store.records.add(record, at_most=8) for record in records)
            outcomes = await asyncio.gather(*adds, return_exceptions=True)
            assert sum(outcome is None for outcome in outcomes) == 7
            assert sum(isinstance(outcome, TooManyRecords) for outcome in outcomes) == 23
            present = await store.records.list("kind", "owner", 100)
            added = {record.id for record, outcome in zip(records, outcomes, strict=True) if outcome is None}
            assert {record.id for record in present} == {"unlimited", *added}

    @pytest.mark.gen_test
    async def test_a_record_that_goes_makes_room_for_one_more(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            for record_id in ("a", "b"):
                await store.records.add(make_record(clock, record_id), at_most=2)
            with pytest.raises(TooManyRecords):
                await store.records.add(make_record(clock, "c"), at_most=2)
            assert await store.records.replace(make_record(clock, "a").changed(data={"n": 1}))
            await store.records.delete("kind", "b")
            await store.records.add(make_record(clock, "c"), at_most=2)
            with pytest.raises(DuplicateId):
                await store.records.add(make_record(clock, "c"), at_most=3)
            with pytest.raises(TooManyRecords):
                await store.records.add(make_record(clock, "d"), at_most=1)

    @pytest.mark.gen_test
    async def test_an_expired_one_makes_room_and_is_dropped(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            now = truncate_to_milliseconds(clock.now())
            ids = ("a", "b", "c")
            for record_id in ids:
                await store.records.add(make_record(clock, record_id, due_at=now, expires_at=now + SECOND))
            keeps = make_record(clock, "d")
            await store.records.add(keeps)
            assert await store.records.drop_expired(10) == 0
            clock.move(SECOND)
            assert [await store.records.get("kind", record_id) for record_id in ids] == [None] * 3
            assert await store.records.due("kind", clock.now(), 10) == []
            assert await store.records.list("kind", "owner", 10) == [keeps]
            renewed = make_record(clock, "a", data={"new": True})
            await store.records.add(renewed)
            assert await store.records.drop_expired(1) == 1
            assert await store.records.drop_expired(10) == 1
            assert await store.records.drop_expired(10) == 0
            assert await store.records.list("kind", "owner", 10) == [renewed, keeps]

    @pytest.mark.gen_test
    async def test_replacing_compares_and_sets(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            record = make_record(clock, "a")
            assert not await store.records.replace(record.changed(data={}))
            await store.records.add(record)
            rivals = [record.changed(data={"n": number}, due_at=record.created_at) for number in range(10)]
            written = await asyncio.gather(*map(store.records.replace, rivals))
            assert written.count(True) == 1
            winner = rivals[written.index(True)]
            assert await store.records.get("kind", "a") == winner
            assert not await store.records.replace(record.changed())
            assert await store.records.replace(winner.changed(due_at=None, expires_at=winner.created_at + SECOND))

    @pytest.mark.gen_test
    async def test_deleting_says_whether_there_was_one(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await store.records.add(make_record(clock, "a"))
            assert not await store.records.delete("another", "a")
            assert await store.records.delete("kind", "a")
            assert not await store.records.delete("kind", "a")
            assert await store.records.get("kind", "a") is None

    @pytest.mark.gen_test
    async def test_a_list_goes_on_after_an_id_either_way(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            for record_id in "dbacE":
                await store.records.add(make_record(clock, record_id))
            await store.records.add(make_record(clock, "x", owner="another"))

            async def listed(limit: int, **options: Any) -> str:
                return "".join(one.id for one in await store.records.list("kind", "owner", limit, **options))

            assert await listed(10) == "Eabcd"
            assert await listed(2, after="a") == "bc"
            assert await listed(10, descending=True) == "dcbaE"
            assert await listed(2, after="c", descending=True) == "ba"
            assert await listed(10, after="d") == ""

    @pytest.mark.gen_test
    async def test_what_is_due_comes_in_its_order(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            now = truncate_to_milliseconds(clock.now())
            for record_id, due in (("a", 3), ("b", 1), ("c", 2), ("d", 9)):
                await store.records.add(make_record(clock, record_id, due_at=now + due * SECOND))
            await store.records.add(make_record(clock, "e"))
            await store.records.add(make_record(clock, "f", kind="another", due_at=now))
            found = await store.records.due("kind", now + 3 * SECOND, 10)
            assert [one.id for one in found] == ["b", "c", "a"]
            assert [one.id for one in await store.records.due("kind", now + 3 * SECOND, 2)] == ["b", "c"]
            assert await store.records.due("kind", now, 10) == []
