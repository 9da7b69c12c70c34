"""The MongoDB store conforms."""
from collections.abc import Iterator
import uuid
import pytest
from service.documents import DocumentStore
from service.documents.mongo.connection import MongoOptions
from service.documents.mongo.store import MongoDocumentStore
from tests.conformance.documents import DocumentStoreSuite, SettableClock
from tests.support.mongod import ReplicaSet, replica_set


@pytest.fixture(scope="session")
def mongo_set() -> Iterator[ReplicaSet]:
    with replica_set() as running:
        yield running


@pytest.fixture
def database(mongo_set: ReplicaSet) -> Iterator[str]:
    name = f"lading_test_{uuid.uuid4().hex}"
    yield name
    with mongo_set.client() as client:
        client.drop_database(name)


class TestMongoDocumentStore(DocumentStoreSuite):
    @pytest.fixture(autouse=True)
    def _database(self, mongo_set: ReplicaSet, database: str) -> None:
        self.options = MongoOptions(mongo_set.uri, database)

    def make_store(self, clock: SettableClock) -> DocumentStore:
        return MongoDocumentStore(self.options, clock)
