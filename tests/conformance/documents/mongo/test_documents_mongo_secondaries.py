"""Lists are read from the members of the replica set that the options name, and everything else from the primary."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pymongo import MongoClient, WriteConcern

from lading.service.documents import StoreUnavailable
from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.store import MongoDocumentStore
from lading.service.documents.search import Filter
from tests.conformance.documents.cases.base import add_all, make_imports
from tests.conformance.documents.cases.lifecycle import CALLS
from tests.conformance.documents.mongo.support import opened
from tests.conformance.documents.suite import SettableClock
from tests.support.servers.databases import new_name
from tests.support.servers.mongod import Mongod, ReplicaSet, replica_set

LISTS = {"search.list", "search.albums"}
ALBUM = {"album_id": "album", "url": "http://origin.example/image.png"}


@pytest.fixture(scope="module")
def three() -> Iterator[ReplicaSet]:
    with replica_set(3) as running:
        yield running


@pytest.fixture
def database(three: ReplicaSet) -> Iterator[str]:
    name = new_name()
    yield name
    with three.client() as client:
        client.drop_database(name)


def profile(node: Mongod, database: str, level: int) -> list[dict[str, Any]]:
    """Set the profiling of one member; what it was asked by stores before."""
    with MongoClient[dict[str, Any]](node.address, directConnection=True) as client:
        client[database].command("profile", level)
        reads = {"op": {"$in": ["query", "command"]}, "appName": "lading", "ns": f"{database}.imports"}
        return list(client[database]["system.profile"].find(reads))


def is_primary(node: Mongod) -> bool:
    with MongoClient[dict[str, Any]](node.address, directConnection=True) as client:
        return bool(client.admin.command("hello")["isWritablePrimary"])


@asynccontextmanager
async def store_reading(three: ReplicaSet, database: str, read_lists_from: str) -> AsyncIterator[MongoDocumentStore]:
    """A store with imports that every member has."""
    clock = SettableClock()
    options = MongoOptions(three.uri, database, read_lists_from=read_lists_from)
    async with opened(options, clock) as store:
        await add_all(store, make_imports(clock, 3, params=ALBUM))
        with three.client() as client:
            everyone = client[database].get_collection("pings", write_concern=WriteConcern(3))
            everyone.update_one({"_id": "everyone"}, {"$set": {"at": 1}}, upsert=True)
        yield store


async def answerers(three: ReplicaSet, database: str, store: MongoDocumentStore, names: Sequence[str]) -> set[str]:
    """Which members are asked for imports by the calls."""
    for node in three.nodes:
        profile(node, database, 2)
    for name in names:
        await CALLS[name](store)
    asked = set()
    for node in three.nodes:
        if profile(node, database, 0):
            asked.add("primary" if is_primary(node) else "secondary")
    return asked


@pytest.mark.parametrize(
    ("read_lists_from", "member"),
    [("primary", "primary"), ("secondary", "secondary"), ("secondaryPreferred", "secondary")],
)
@pytest.mark.gen_test
async def test_lists_are_read_where_the_option_says(
    three: ReplicaSet, database: str, read_lists_from: str, member: str
) -> None:
    async with store_reading(three, database, read_lists_from) as store:
        page = await store.search.list(Filter("organization", albums=("album",)), 10)
        assert len(page.documents) == 3
        assert [(album.album_id, album.imports) for album in (await store.search.albums("organization", 5)).albums] == [
            ("album", 3)
        ]
        assert await answerers(three, database, store, sorted(LISTS)) == {member}


@pytest.mark.gen_test
async def test_everything_else_is_read_from_the_primary(three: ReplicaSet, database: str) -> None:
    async with store_reading(three, database, "secondary") as store:
        others = [name for name in CALLS if name not in LISTS]
        assert await answerers(three, database, store, others) == {"primary"}


@pytest.mark.gen_test
async def test_a_list_that_must_be_current_is_read_from_the_primary(three: ReplicaSet, database: str) -> None:
    async with store_reading(three, database, "secondary") as store:
        for node in three.nodes:
            profile(node, database, 2)
        page = await store.search.list(Filter("organization"), 10, is_current=True)
        assert len(page.documents) == 3
        assert [bool(profile(node, database, 0)) for node in three.nodes] == [is_primary(node) for node in three.nodes]


@pytest.mark.gen_test
async def test_without_a_secondary_lists_alone_are_unavailable(mongo_options: MongoOptions) -> None:
    options = MongoOptions(mongo_options.uri, mongo_options.database, timeout=1.0, read_lists_from="secondary")
    clock = SettableClock()
    async with opened(options, clock) as store:
        (document,) = make_imports(clock, 1)
        await store.add(document)
        assert await store.get(document.id) == document
        with pytest.raises(StoreUnavailable):
            await store.search.list(Filter("organization"), 10)
    preferred = MongoOptions(mongo_options.uri, mongo_options.database, read_lists_from="secondaryPreferred")
    async with opened(preferred, clock) as store:
        assert (await store.search.list(Filter("organization"), 10)).documents == [document]
