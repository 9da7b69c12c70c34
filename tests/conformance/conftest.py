"""A database of its own for each test that asks for one."""

from collections.abc import Iterator

import pytest

from lading.service.documents.mongo.connection import MongoOptions
from tests.support.servers.databases import Databases, new_name
from tests.support.servers.mongod import ReplicaSet


@pytest.fixture
def mongo_options(mongo_set: ReplicaSet) -> Iterator[MongoOptions]:
    """How to reach a new database, which is dropped after the test."""
    name = new_name()
    yield MongoOptions(mongo_set.uri, name)
    with mongo_set.client() as client:
        client.drop_database(name)


@pytest.fixture
def mongo_options_lent(mongo_set: ReplicaSet, mongo_databases: Databases) -> Iterator[MongoOptions]:
    """How to reach a database that holds nothing, but may have been used before."""
    with mongo_databases.lent() as name:
        yield MongoOptions(mongo_set.uri, name)
