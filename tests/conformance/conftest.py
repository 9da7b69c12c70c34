"""An empty database for each test that asks for one."""

from collections.abc import Iterator

import pytest

from lading.service.documents.mongo.connection import MongoOptions
from tests.support.servers.databases import Databases
from tests.support.servers.mongod import ReplicaSet


@pytest.fixture
def mongo_options(mongo_set: ReplicaSet, mongo_databases: Databases) -> Iterator[MongoOptions]:
    """How to reach a database that holds nothing, but may have been used before."""
    with mongo_databases.lent() as name:
        yield MongoOptions(mongo_set.uri, name)
