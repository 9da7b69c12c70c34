"""What each call of the scenario sends: statements of SQLite as they are written, commands of MongoDB without values
that differ from run to run.
"""

import json
import random
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.store import MongoDocumentStore
from lading.service.documents.sqlite.store import SqliteDocumentStore
from tests.conformance.documents.cases.base import SettableClock
from tests.conformance.documents.mongo.support import profiled
from tests.conformance.documents.plans.scenario import scenario
from tests.support.servers.mongod import ReplicaSet

Record = Mapping[str, Sequence[Any]]
"""The statements of each method, in the order in which they are sent first."""

_STORES: Final = Path(__file__).parents[4] / "service" / "documents"
SQLITE: Final = _STORES / "sqlite" / "queries.json"
MONGO: Final = _STORES / "mongo" / "upkeep" / "queries.json"
MOMENT: Final = {"$date": 0}
"""Stands for every moment."""
ID: Final = "id"
"""Stands for every id of an import."""
_IDS: Final = re.compile(r"import(-\d\d)?|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBERS: Final = frozenset({"limit", "$limit", "$skip", "batchSize", "revision", "_id"})
"""Plans do not depend on their values."""
KEPT: Final = {
    "find": ("find", "filter", "sort", "projection", "limit", "singleBatch", "hint"),
    "aggregate": ("aggregate", "pipeline", "hint", "cursor"),
    "distinct": ("distinct", "key", "query"),
    "count": ("count", "query", "limit", "hint"),
}
"""What is kept of a command: what its plan depends on."""


# --- SQLite -----------------------------------------------------------------------------------------------------------


async def recorded_sqlite(path: Path, clock: SettableClock) -> Record:
    """The record of a store in a new file."""
    statements: list[tuple[str, int]] = []

    class Recording(sqlite3.Connection):
        """Notes what is executed, and how many values go with it."""

        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            statements.append((" ".join(sql.split()), len(parameters)))
            return super().execute(sql, parameters)

        def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
            rows = list(parameters)
            statements.extend((" ".join(sql.split()), len(row)) for row in rows[:1])
            return super().executemany(sql, rows)

    with pytest.MonkeyPatch.context() as patch:
        recording = partial(sqlite3.connect, factory=Recording)
        patch.setattr("lading.service.documents.sqlite.engine.file.sqlite3.connect", recording)
        store = SqliteDocumentStore(path, clock)
        await store.open()
    record: dict[str, list[Any]] = {}
    try:
        async for name, call in scenario(store, clock):
            statements.clear()
            await call()
            for sql, values in statements:
                if sql.split(" ")[0] in {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}:
                    _note(record.setdefault(name, []), {"statement": sql, "values": values})
            record.setdefault(name, [])
    finally:
        await store.close()
    return record


# --- MongoDB ----------------------------------------------------------------------------------------------------------


async def recorded_mongo(mongo_set: ReplicaSet, options: MongoOptions, clock: SettableClock) -> Record:
    """The record of a store in a database that holds nothing. The server has nobody else to serve."""
    store = MongoDocumentStore(options, clock, random.Random(0))
    await store.open()
    record: dict[str, list[Any]] = {}
    try:
        async for name, call in scenario(store, clock):
            with profiled(mongo_set, options, with_news=True) as operations:
                await call()
            for operation in sorted(operations, key=lambda one: one["ts"]):
                for command in _commands(operation):
                    _note(record.setdefault(name, []), command)
            record.setdefault(name, [])
    finally:
        await store.close()
    return record


def _commands(operation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The commands, as ``explain`` takes them, of an operation in the profile; none of those that have no plan."""
    collection, command = operation["ns"].partition(".")[2], operation.get("command", {})
    if operation["op"] == "insert":
        yield {"insert": collection}
    elif operation["op"] in {"update", "remove"} and "q" in command:
        hint = {"hint": _plain(command["hint"])} if "hint" in command else {}
        query = {"q": _plain(command["q"]), **hint}
        if operation["op"] == "remove":
            yield {"delete": collection, "deletes": [{**query, "limit": int(command.get("limit", 0))}]}
        else:
            change = {"$set": {"revision": 0}}
            yield {"update": collection, "updates": [{**query, "u": change, "multi": command.get("multi", False)}]}
    elif operation["op"] == "getmore":
        # The server finds a stream of changes in its own database, not in this one.
        if "$changeStream" in str(operation.get("originatingCommand")):
            yield {"aggregate": collection, "pipeline": [{"$changeStream": {}}], "cursor": {}}
    elif operation["op"] in {"query", "command"}:
        for name, kept in KEPT.items():
            if name in command and command[name] == collection:
                yield {key: _plain(command[key], key) for key in kept if key in command}


def _plain(value: Any, key: str = "") -> Any:
    """The value without what differs from run to run: moments, ids, and numbers on which no plan depends."""
    if isinstance(value, datetime):
        return MOMENT
    if isinstance(value, Mapping):
        return value["$hint"] if "$hint" in value else {name: _plain(one, name) for name, one in value.items()}
    if isinstance(value, list):
        plain = [_plain(one) for one in value]
        return [ID] if ID in plain else plain
    if isinstance(value, int) and key in _NUMBERS:
        return min(value, 1)
    return ID if isinstance(value, str) and _IDS.fullmatch(value) else value


# --- both -------------------------------------------------------------------------------------------------------------


def _note(noted: list[Any], statement: Any) -> None:
    if statement not in noted:
        noted.append(statement)


def text_of(record: Record) -> str:
    """The packaged file: a line for each statement, so that differences are read easily."""
    methods = []
    for name in sorted(record):
        lines = ",\n".join(f"    {json.dumps(statement)}" for statement in record[name])
        methods.append(f"  {json.dumps(name)}: [\n{lines}\n  ]" if lines else f"  {json.dumps(name)}: []")
    return "{\n" + ",\n".join(methods) + "\n}\n"
