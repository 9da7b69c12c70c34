"""What the tests of the MongoDB store share: opened stores, and what the server says it did for them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.store import MongoDocumentStore
from lading.service.models.clock import Clock
from tests.support.servers.mongod import ReplicaSet


@asynccontextmanager
async def opened(options: MongoOptions, clock: Clock) -> AsyncIterator[MongoDocumentStore]:
    store = MongoDocumentStore(options, clock)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@contextmanager
def profiled(
    mongo_set: ReplicaSet, options: MongoOptions, *, with_news: bool = False
) -> Iterator[list[dict[str, Any]]]:
    """Every operation of the store within the block, as the server's profiler tells it; filled when the block ends.

    Args:
        mongo_set: the server.
        options: those of the store.
        with_news: those by which the store waits for news, too. They end at any time, whatever is called.
    """
    operations: list[dict[str, Any]] = []
    with mongo_set.client() as client:
        database = client.get_database(options.database)
        database.command("profile", 2)
        try:
            yield operations
        finally:
            database.command("profile", 0)
        news = {"op": "getmore", "originatingCommand.pipeline.$changeStream": {"$exists": True}}
        left_out = {} if with_news else {"$nor": [news]}
        operations += database["system.profile"].find({"appName": "lading", **left_out})
        database["system.profile"].drop()


@contextmanager
def commands_counted(mongo_set: ReplicaSet, *names: str) -> Iterator[dict[str, int]]:
    """How often the server ran the commands within the block; filled when the block ends."""
    counts: dict[str, int] = {}
    with mongo_set.client() as client:

        def count(name: str) -> int:
            total: int = client.admin.command("serverStatus")["metrics"]["commands"][name]["total"]
            return total

        before = {name: count(name) for name in names}
        yield counts
        counts.update({name: count(name) - before[name] for name in names})
