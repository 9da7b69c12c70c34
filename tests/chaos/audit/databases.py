"""What the databases hold, read past Lading: rows of SQLite and documents of MongoDB, brought to one form."""

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pymongo import MongoClient

from tests.chaos.audit.ledger import FINAL


@dataclass(frozen=True, slots=True)
class Row:
    """An import as the database has it."""

    id: str
    organization: str
    status: str
    image_id: str | None
    key: str | None
    """Of its own object."""
    shared_key: str | None
    """Of another's object that it refers to."""
    byte_size: int
    sha256: str
    url: bool
    image_deleted: bool
    image_purged: bool
    deleted: bool
    has_leftover: bool
    """Whether it has ended without an object that an attempt may have stored."""
    announces: bool
    """Whether events of it are still to be announced."""

    @property
    def has_object(self) -> bool:
        """Whether an object of its own is to be there."""
        return self.status == "done" and self.key is not None and not self.image_purged

    @property
    def is_stopping(self) -> bool:
        """Whether bytes of it are still to be removed, or looked for once more."""
        return self.has_leftover or (self.image_deleted and not self.image_purged)


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery as the database has it."""

    id: str
    owner: str
    event_id: str
    status: str


class Database(Protocol):
    """A database, read from outside."""

    def imports(self) -> list[Row]: ...

    def snapshot(self) -> tuple[list[Row], dict[str, int]]:
        """All imports, and the sum that quotas go by of each organisation, as they are at one moment."""
        ...

    def deliveries(self) -> list[Sent]: ...

    def shrink(self) -> None:
        """Have it take as little room as it can, just before its disk is filled."""


def _row(found: Mapping[str, Any], image: Mapping[str, Any] | None, shared: Mapping[str, Any] | None) -> Row:
    shown = image or shared or {}
    params = found["params"]
    return Row(
        id=found["id"],
        organization=found["organization_id"],
        status=found["status"],
        image_id=found["image_id"],
        key=None if image is None else image["key"],
        shared_key=None if shared is None else shared["key"],
        byte_size=shown.get("byte_size", 0),
        sha256=shown.get("sha256", ""),
        url=bool(json.loads(params).get("url")),
        image_deleted=found["image_deleted_at"] is not None,
        image_purged=found["image_purged_at"] is not None,
        deleted=found["deleted_at"] is not None,
        has_leftover=found["status"] in FINAL and found.get("leftover_at") is not None,
        announces=bool(found["outbox"]) and found["outbox"] != "[]",
    )


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """The file of SQLite."""

    path: Path

    def imports(self) -> list[Row]:
        return self.snapshot()[0]

    def snapshot(self) -> tuple[list[Row], dict[str, int]]:
        with self._open() as database:
            database.execute("BEGIN")
            rows = database.execute("SELECT * FROM imports").fetchall()
            sums = dict(map(tuple, database.execute("SELECT id, stored_bytes FROM organizations")))
        return [_row(dict(row), _parsed(row["image"]), _parsed(row["duplicate"])) for row in rows], sums

    def deliveries(self) -> list[Sent]:
        with self._open() as database:
            rows = database.execute("SELECT id, owner, data FROM records WHERE kind = 'delivery'").fetchall()
        return [_sent(row["id"], row["owner"], row["data"]) for row in rows]

    def shrink(self) -> None:
        """Empty the write-ahead log, so that the next write needs room for it; nothing where others hold the file."""
        with contextlib.suppress(sqlite3.Error), closing(sqlite3.connect(self.path, timeout=1)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _open(self) -> "closing[sqlite3.Connection]":
        database = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=30)
        database.row_factory = sqlite3.Row
        return closing(database)


@dataclass(frozen=True, slots=True)
class MongoDatabase:
    """A database of MongoDB."""

    uri: str
    name: str

    def imports(self) -> list[Row]:
        return self.snapshot()[0]

    def snapshot(self) -> tuple[list[Row], dict[str, int]]:
        rows, sums = [], Counter[str]()
        for one in self._all("imports", {}):
            rows.append(_row({"outbox": None, **one, "id": one["_id"]}, one.get("image"), one.get("duplicate")))
            sums[one["organization_id"]] += one["stored_bytes"]
        return rows, dict(sums)

    def deliveries(self) -> list[Sent]:
        return [_sent(one["id"], one["owner"], one["data"]) for one in self._all("records", {"kind": "delivery"})]

    def shrink(self) -> None:
        """Nothing: its disk is not filled."""

    def _all(self, collection: str, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
        with MongoClient[dict[str, Any]](self.uri, serverSelectionTimeoutMS=30_000) as client:
            yield from client.get_database(self.name)[collection].find(wanted)


def _parsed(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)


def _sent(delivery_id: str, owner: str, data: str) -> Sent:
    found = json.loads(data)
    return Sent(delivery_id, owner, found["event_id"], found["status"])
