"""What a page of a list costs on MongoDB: as much as the page needs, however many imports there are."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pymongo import WriteConcern

from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.writes import Insertion
from lading.service.documents.search import MAX_COUNTED, MAX_EXAMINED, Album, AlbumPage, Filter, Position
from lading.service.models import Import, Status
from lading.service.models.clock import truncate_to_milliseconds
from tests.conformance.documents.cases.base import make_import
from tests.conformance.documents.mongo.support import opened, profiled
from tests.conformance.documents.suite import SettableClock
from tests.support.servers.databases import new_name
from tests.support.servers.mongod import ReplicaSet

MANY = 3000
PAGE = 10
DONE_EVERY = 5
WIDE = 8 * (PAGE + 1)
"""How many imports are looked at first where not all that the index has are wanted."""


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


def make_many(clock: SettableClock) -> list[Import]:
    """Imports, one each millisecond; some are done, the first one is in an album of its own."""
    one = make_import(clock, params={"album_id": "album", "metadata": {"a": "b"}}, batch_id="batch")
    many = []
    for number in range(MANY):
        moment = clock.now() + number * timedelta(milliseconds=1)
        status = Status.QUEUED if number % DONE_EVERY else Status.DONE
        params = one.params if number else {"album_id": "rare"}
        many.append(replace(one, id=f"{number:05}", created_at=moment, status=status, params=params))
    return many


@pytest.fixture(scope="module")
def filled(mongo_set: ReplicaSet) -> Iterator[MongoOptions]:
    """A database with many imports, of which the tests only read."""
    options, clock = MongoOptions(mongo_set.uri, new_name()), SettableClock()

    async def make() -> None:
        async with opened(options, clock):
            pass

    with closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(make())
    with mongo_set.client() as client:
        documents = [Insertion.of(one).encoded for one in make_many(clock)]
        client.get_database(options.database, write_concern=WriteConcern("majority"))["imports"].insert_many(documents)
        yield options
        client.drop_database(options.database)


async def cost(
    mongo_set: ReplicaSet, options: MongoOptions, clock: SettableClock, wanted: Filter
) -> tuple[list[str], list[dict[str, Any]]]:
    """The ids of a page from the middle of the list on, and the operations that it took."""
    middle = clock.now() + MANY // 2 * timedelta(milliseconds=1)
    async with opened(options, clock) as store:
        with profiled(mongo_set, options) as operations:
            page = await store.search.list(wanted, PAGE, Position(middle, ""))
    return [one.id for one in page.documents], operations


@pytest.mark.parametrize(
    ("filters", "most"),
    [
        ({}, PAGE + 2),
        ({"albums": ("album",)}, PAGE + 2),
        ({"metadata": ("a", "b")}, PAGE + 2),
        ({"batch_id": "batch"}, PAGE + 2),
        ({"status": Status.QUEUED}, PAGE + 2),
        ({"status": Status.DONE}, WIDE + 1),
        ({"status": Status.DONE, "albums": ("album",)}, WIDE + 1),
        ({"albums": ("album", "rare")}, WIDE + 1),
    ],
    ids=lambda value: "+".join(value) or "all" if isinstance(value, dict) else None,
)
@pytest.mark.gen_test
async def test_a_page_reads_no_more_than_it_needs(
    mongo_set: ReplicaSet, filled: MongoOptions, clock: SettableClock, filters: dict[str, Any], most: int
) -> None:
    ids, operations = await cost(mongo_set, filled, clock, Filter("organization", **filters))
    assert len(ids) == PAGE
    (operation,) = operations
    assert operation["keysExamined"] <= most
    assert operation["docsExamined"] <= most
    assert "hasSortStage" not in operation


@pytest.mark.gen_test
async def test_what_is_rare_is_found_in_one_page_and_reads_nothing_often(
    mongo_set: ReplicaSet, filled: MongoOptions, clock: SettableClock
) -> None:
    ids, operations = await cost(mongo_set, filled, clock, Filter("organization", albums=("rare", "none")))
    assert ids == ["00000"]
    assert len(operations) <= 8
    # Each import once, and each key twice: the end of what was looked at is found by the index.
    assert sum(operation["docsExamined"] for operation in operations) == MANY // 2
    assert sum(operation["keysExamined"] for operation in operations) <= MANY + 2 * len(operations)
    assert MANY < MAX_EXAMINED


@pytest.mark.gen_test
async def test_albums_are_found_and_counted_by_their_index(
    mongo_set: ReplicaSet, filled: MongoOptions, clock: SettableClock
) -> None:
    newest = clock.now() + (MANY - 1) * timedelta(milliseconds=1)
    async with opened(filled, clock) as store:
        with profiled(mongo_set, filled) as operations:
            page = await store.search.albums("organization", PAGE)
    moments = truncate_to_milliseconds(newest), truncate_to_milliseconds(clock.now())
    assert page == AlbumPage([Album("album", MAX_COUNTED, False, moments[0]), Album("rare", 1, True, moments[1])], None)
    # Two albums are counted; three steps from album to album read no import.
    assert [operation["docsExamined"] for operation in operations] == [0, MAX_COUNTED, 0, 1, 0]
    assert sum(operation["keysExamined"] for operation in operations) <= MAX_COUNTED + PAGE
    assert not any("hasSortStage" in operation for operation in operations)


@pytest.mark.gen_test
async def test_old_imports_are_found_without_reading_younger_ones(
    mongo_set: ReplicaSet, filled: MongoOptions, clock: SettableClock
) -> None:
    async with opened(filled, clock) as store:
        before = clock.now() + timedelta(seconds=1)
        with profiled(mongo_set, filled) as operations:
            page = await store.search.ended(Status.DONE, before, PAGE)
            after = Position(page[-1].updated_at, page[-1].id)
            rest = await store.search.ended(Status.DONE, before, PAGE, after)
    assert [one.id for one in (*page, *rest)] == [f"{DONE_EVERY * number:05}" for number in range(2 * PAGE)]
    assert sum(operation["docsExamined"] for operation in operations) == 2 * PAGE
    assert sum(operation["keysExamined"] for operation in operations) <= 2 * PAGE + 2
    assert not any("hasSortStage" in operation for operation in operations)
