"""The plans of all statements of the stores: the record is what the stores send, and no plan reads all imports."""

import asyncio
import hashlib
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from lading.service.documents import StoreRefused
from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.store import MongoDocumentStore
from lading.service.documents.mongo.upkeep import planning as mongo_planning
from lading.service.documents.mongo.upkeep.planning import reach_of
from lading.service.documents.planning import DatabasePlan, Reach
from lading.service.documents.sqlite import planning as sqlite_planning
from lading.service.documents.sqlite.planning import SqlitePlanning
from lading.service.documents.sqlite.store import SqliteDocumentStore
from tests.conformance.documents.cases.base import SettableClock, add_all, make_imports
from tests.conformance.documents.cases.lifecycle import CALLS
from tests.conformance.documents.plans.recording import MONGO, SQLITE, recorded_mongo, recorded_sqlite, text_of
from tests.conformance.documents.sqlite.test_documents_sqlite_work import UNDONE
from tests.support.servers.mongod import ReplicaSet

SMALL = {"issuers", "workers"}
"""Tables that do not grow with the imports."""


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "documents.sqlite3"


def planning_of(path: Path) -> SqlitePlanning:
    return SqlitePlanning(path, timedelta(seconds=5))


async def made(path: Path, clock: SettableClock, imports: int = 0) -> SqlitePlanning:
    """The plans of a file that a store has made, and that nobody has open."""
    store = SqliteDocumentStore(path, clock)
    await store.open()
    await add_all(store, make_imports(clock, imports))
    await store.close()
    return planning_of(path)


def check(found: DatabasePlan) -> None:
    """Every method is planned, each index is of use, and what is read whole is small."""
    assert found.plans.keys() == CALLS.keys()
    assert all(plans for method, plans in found.plans.items())
    assert {table for tables in found.scans.values() for table in tables} <= SMALL
    assert [index.name for index in found.indexes if not index.is_unique and not found.served_by(index.name)] == []
    assert all(index.byte_size for index in found.indexes)


# --- the record -------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_the_record_is_what_the_sqlite_store_sends(path: Path, clock: SettableClock) -> None:
    assert text_of(await recorded_sqlite(path, clock)) == SQLITE.read_text("utf-8"), "make documents-queries"


@pytest.mark.gen_test
async def test_the_record_is_what_the_mongo_store_sends(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    record = await recorded_mongo(mongo_set, mongo_options, clock)
    assert text_of(record) == MONGO.read_text("utf-8"), "make documents-queries"


# --- SQLite -----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_no_statement_of_sqlite_reads_all_imports(path: Path, clock: SettableClock) -> None:
    found = await (await made(path, clock)).plan()
    check(found)
    assert found.is_sharded is None
    assert {plan.reach for plans in found.plans.values() for plan in plans} == {None}
    walked = {
        name for method, plans in found.plans.items() if method != "ping" for plan in plans for name in plan.walked
    }
    assert walked <= {f"imports_{name}" for name in (*UNDONE, "outbox")}


@pytest.mark.gen_test
async def test_a_missing_index_of_sqlite_is_seen(path: Path, clock: SettableClock) -> None:
    planning = await made(path, clock)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX imports_unsettled")
    assert (await planning.plan()).scans["unpurged"] == ["imports"]


@pytest.mark.gen_test
async def test_the_plans_change_nothing_of_a_file_in_use(path: Path, clock: SettableClock) -> None:
    store = SqliteDocumentStore(path, clock)
    await store.open()
    await add_all(store, make_imports(clock, 20))
    files = [path, path.with_name(f"{path.name}-wal")]
    before = [hashlib.sha256(file.read_bytes()).digest() for file in files]
    found, _ = await asyncio.gather(store.planning.plan(), store.get("import"))
    assert [hashlib.sha256(file.read_bytes()).digest() for file in files] == before
    assert found.usage.imports == 20
    await store.close()


@pytest.mark.gen_test
async def test_no_file_and_an_old_one_are_refused(path: Path, clock: SettableClock) -> None:
    with pytest.raises(StoreRefused, match="start Lading once"):
        await planning_of(path).plan()
    assert not path.exists()
    planning = await made(path, clock)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 3")
    with pytest.raises(StoreRefused, match=r"has schema version 3, not .*: run 'lading migrate'"):
        await planning.plan()


@pytest.mark.parametrize("is_walked", [True, False], ids=["walked", "sampled"])
@pytest.mark.gen_test
async def test_what_an_import_takes_is_measured_in_the_file(
    path: Path, clock: SettableClock, is_walked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    planning = await made(path, clock, 500)
    small = (await planning.plan()).usage
    assert (small.imports, small.is_measured) == (500, False)
    monkeypatch.setattr(sqlite_planning, "MIN_MEASURED", 500)
    if not is_walked:
        monkeypatch.setattr(sqlite_planning, "_WALKED_BYTES", 0)
    usage = (await planning.plan()).usage
    assert usage.is_measured
    assert 400 < usage.imports < 600
    size = path.stat().st_size
    assert size / 2 < usage.imports * (usage.documents + usage.indexes) < 1.3 * size
    assert 0 < usage.random < usage.documents + usage.indexes


# --- MongoDB ----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_no_statement_of_mongo_reads_all_imports(
    mongo_options: MongoOptions, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_planning, "MIN_MEASURED", 1)
    store = MongoDocumentStore(mongo_options, clock)
    await store.open()
    await add_all(store, make_imports(clock, 20))
    found = await store.planning.plan()
    await store.close()
    check(found)
    assert found.scans == {}
    assert found.is_sharded is False
    assert (found.usage.imports, found.usage.is_measured) == (20, True)
    reaches = {method: {plan.reach for plan in plans} for method, plans in found.plans.items()}
    for method in ("add", "get", "update", "announced", "remove"):
        assert reaches[method] == {Reach.TARGETED}, method
    assert reaches["search.list"] == {Reach.SCATTERED}
    assert reaches["claim"] == {Reach.SCATTERED, Reach.TARGETED}
    assert reaches["records.get"] == {Reach.PRIMARY}


@pytest.mark.gen_test
async def test_a_missing_index_of_mongo_is_refused_with_its_name(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    store = MongoDocumentStore(mongo_options, clock)
    planning = store.planning
    with mongo_set.client() as client:
        client.drop_database(mongo_options.database)
    with pytest.raises(StoreRefused, match="start Lading once"):
        await planning.plan()
    await store.open()
    await add_all(store, make_imports(clock, 1))
    await store.close()
    with mongo_set.client() as client:
        client[mongo_options.database]["imports"].drop_index("lading_done")
    with pytest.raises(StoreRefused, match=r"the index lading_done is created.*run 'lading migrate'"):
        await planning.plan()


@pytest.mark.parametrize(
    ("statement", "reach"),
    [
        ({"find": "imports", "filter": {"_id": "a"}}, Reach.TARGETED),
        ({"find": "imports", "filter": {"_id": {"$in": ["a"]}, "status": "queued"}}, Reach.TARGETED),
        ({"find": "imports", "filter": {"$and": [{"status": "done"}, {"_id": "a"}]}}, Reach.TARGETED),
        ({"find": "imports", "filter": {"$or": [{"_id": "a"}, {"status": "done"}]}}, Reach.SCATTERED),
        ({"find": "imports", "filter": {"_id": {"$gt": "a"}}}, Reach.SCATTERED),
        ({"find": "imports", "filter": {"_id": {"$ne": "a"}}}, Reach.SCATTERED),
        ({"insert": "imports"}, Reach.TARGETED),
        ({"insert": "records"}, Reach.PRIMARY),
        ({"update": "imports", "updates": [{"q": {"_id": "a"}}, {"q": {"status": "done"}}]}, Reach.SCATTERED),
        ({"delete": "imports", "deletes": [{"q": {"_id": "a", "revision": 1}}]}, Reach.TARGETED),
        ({"distinct": "imports", "key": "worker_id", "query": {"status": "running"}}, Reach.SCATTERED),
        ({"aggregate": "imports", "pipeline": [{"$match": {"_id": "a"}}]}, Reach.TARGETED),
        ({"aggregate": "imports", "pipeline": [{"$changeStream": {}}]}, Reach.SCATTERED),
        (
            {"aggregate": "workers", "pipeline": [{"$unionWith": {"coll": "imports", "pipeline": []}}]},
            Reach.SCATTERED,
        ),
    ],
    ids=str,
)
def test_a_statement_asks_the_shards_of_the_ids_that_it_names(statement: dict[str, object], reach: Reach) -> None:
    assert reach_of(statement) is reach
