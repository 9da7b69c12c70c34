"""A MongoDB store for the measurements: on the mongod that the tests use."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from service.clock import SystemClock
from service.documents import DocumentStore
from service.documents.mongo.connection import MongoOptions
from service.documents.mongo.store import MongoDocumentStore
from tests.support.mongod import replica_set


@asynccontextmanager
async def mongo_store(name: str, _directory: Path) -> AsyncIterator[DocumentStore]:
    """An empty store on a replica set of its own."""
    with replica_set() as running:
        options = MongoOptions(running.uri, f"lading_bench_{name}_{uuid.uuid4().hex[:8]}", timeout=60)
        store = MongoDocumentStore(options, SystemClock())
        await store.open()
        try:
            yield store
        finally:
            await store.close()
            with running.client() as client:
                client.drop_database(options.database)
