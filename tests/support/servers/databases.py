"""Databases that tests of one process use one after another: creating and dropping one, with all its indexes, takes a
server longer than most tests take.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient, WriteConcern
from pymongo.database import Database

from lading.service.documents.mongo.schema import INDEXES, PINGS, TICKETS

PREFIX = "lading_test_"
COLLECTIONS = frozenset({*(index.collection for index in INDEXES), PINGS, TICKETS})
"""The collections that a store makes when it is opened."""


def new_name() -> str:
    """A name of a database that no other test uses."""
    return PREFIX + uuid.uuid4().hex


class Databases:
    """Lends databases that hold nothing, but may have Lading's indexes, its tickets and the marks of its upgrades.

    Args:
        client: stays the caller's.
    """

    def __init__(self, client: MongoClient[dict[str, Any]]) -> None:
        self._client = client
        self._free: list[str] = []

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The name of a database, which nobody else uses within the block.

        Whoever has used it has stopped when the block ends: a process that is left over would write into the next test.
        """
        name = self._free.pop() if self._free else new_name()
        yield name
        # A majority has it, so that the reads of the next store, which are a majority's, find nothing.
        database = self._client.get_database(name, write_concern=WriteConcern("majority"))
        if _is_as_made(database):
            for collection in {index.collection for index in INDEXES}:
                database[collection].delete_many({})
            self._free.append(name)
        else:
            self._client.drop_database(name)

    def close(self) -> None:
        """Drop them all."""
        for name in self._free:
            self._client.drop_database(name)


def _is_as_made(database: Database[dict[str, Any]]) -> bool:
    """Whether it has the collections and the indexes that a store makes when it is opened, and no others."""
    wanted = {collection: {"_id_"} for collection in COLLECTIONS}
    for index in INDEXES:
        wanted[index.collection].add(index.name)
    return set(database.list_collection_names()) == COLLECTIONS and all(
        set(database[collection].index_information()) == indexes for collection, indexes in wanted.items()
    )
