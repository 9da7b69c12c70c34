"""A database of its own for each test that asks for one."""

import uuid
from collections.abc import Iterator

import pytest

from lading.service.documents.mongo.connection import MongoOptions
from tests.support.servers.mongod import ReplicaSet


@pytest.fixture
def mongo_options(mongo_set: ReplicaSet) -> Iterator[MongoOptions]:
    """How to reach an empty database, which is dropped after the test."""
    name = f"lading_test_{uuid.uuid4().hex}"
    yield MongoOptions(mongo_set.uri, name)
    with mongo_set.client() as client:
        client.drop_database(name)
