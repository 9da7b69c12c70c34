"""Writes the packaged records: ``make documents-queries``."""

import asyncio
import tempfile
from pathlib import Path

from lading.service.documents.mongo.connection import MongoOptions
from tests.conformance.documents.cases.base import SettableClock
from tests.conformance.documents.plans.recording import MONGO, SQLITE, recorded_mongo, recorded_sqlite, text_of
from tests.support.servers.databases import new_name
from tests.support.servers.mongod import replica_set

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        record = asyncio.run(recorded_sqlite(Path(folder, "documents.sqlite3"), SettableClock()))
    SQLITE.write_text(text_of(record), encoding="utf-8")
    with replica_set() as running:
        record = asyncio.run(recorded_mongo(running, MongoOptions(running.uri, new_name()), SettableClock()))
    MONGO.write_text(text_of(record), encoding="utf-8")
