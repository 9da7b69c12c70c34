"""The journal of a bulk: an SQLite file beside the list. It says what was sent, and what became of it.

Everything here blocks. Each method that writes is one transaction, which is on the disk when the method returns.
"""

import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS run (key TEXT, source TEXT, parameters TEXT, part_rows INTEGER, written INTEGER);
CREATE TABLE IF NOT EXISTS part (number INTEGER PRIMARY KEY, rows INTEGER NOT NULL, refused INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS batch (
    id TEXT PRIMARY KEY, accepted INTEGER NOT NULL, is_over INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS batch_under_way ON batch (is_over) WHERE NOT is_over;
CREATE TABLE IF NOT EXISTS single (import_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS count (
    kind TEXT NOT NULL, name TEXT NOT NULL, imports INTEGER NOT NULL, PRIMARY KEY (kind, name)
) WITHOUT ROWID;
"""
_VERSION: Final = 1
UNKNOWN: Final = "unknown"
"""The state of an import that the service has forgotten."""


class JournalFault(ValueError):
    """The journal is of another list, of another version, or in use."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a journal belongs to.

    Attributes:
        source: the list: its path, size and time of change.
        parameters: of all imports, as text.
        part_rows: rows of a part.
    """

    source: str
    parameters: str
    part_rows: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A part that was sent.

    Attributes:
        number: of the part, from 0.
        rows: of the list.
        accepted: imports by their batch.
        singles: imports whose batch is unknown: an earlier run made them, and could not note that any more.
        failures: rows that became no import, by code.
    """

    number: int
    rows: int
    accepted: Mapping[str, int] = field(default_factory=dict)
    singles: Iterable[str] = ()
    failures: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sums:
    """All that the journal counts.

    Attributes:
        parts, rows: that were sent.
        accepted: imports, those without a batch included.
        refused: rows that became no import.
        ended: imports by their final state; ``unknown`` where the service has forgotten the batch.
        failures: by code.
    """

    parts: int
    rows: int
    accepted: int
    refused: int
    ended: Mapping[str, int]
    failures: Mapping[str, int]


class Journal:
    """An open journal; a context manager. One process at a time uses it.

    Args:
        path: of the file, which is made where it is not there.
        identity: of the bulk.

    Raises:
        JournalFault: the file is no journal of this bulk, or another process uses it.
    """

    def __init__(self, path: Path, identity: Identity) -> None:
        # Threads take turns: each call runs to its end before the next begins.
        self._database = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
        try:
            self._open(path, identity)
        except BaseException:
            self._database.close()
            raise

    def _open(self, path: Path, identity: Identity) -> None:
        try:
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA synchronous = FULL")
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION):
                raise JournalFault(f"{path} is of another version of Lading.")
            with self._transaction():
                for statement in _SCHEMA.split(";"):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA user_version = {_VERSION}")
                self.key = self._begun(path, identity)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise JournalFault(f"Another process works with {path}.") from None
            raise JournalFault(f"{path}: {error}.") from None
        except sqlite3.DatabaseError:
            raise JournalFault(f"{path} is no journal.") from None

    def _begun(self, path: Path, identity: Identity) -> str:
        """The key of the run that the journal has, or of a new one."""
        found = self._database.execute("SELECT key, source, parameters, part_rows FROM run").fetchone()
        if found is None:
            key = str(uuid.uuid4())
            values = (key, identity.source, identity.parameters, identity.part_rows, 0)
            self._database.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?)", values)
            return key
        key, *known = found
        wanted = (identity.source, identity.parameters, identity.part_rows)
        if self._database.execute("SELECT 1 FROM part").fetchone() is None:
            # Nothing was sent: the list may be mended, and the options too.
            self._database.execute("UPDATE run SET source = ?, parameters = ?, part_rows = ?", wanted)
            return str(key)
        for name, old, new in zip(("the list", "the parameters", "--batch-size"), known, wanted, strict=True):
            if old != new:
                raise JournalFault(
                    f"{path} was begun with {name} {old}, and this is {new}. Delete it to begin anew, or name another"
                    " --journal."
                )
        return str(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    @property
    def parts_in_a_row(self) -> int:
        """Parts from the first one on that were sent without a gap."""
        query = """
            SELECT COALESCE(MIN(number) + 1, 0) FROM part AS one
            WHERE NOT EXISTS (SELECT 1 FROM part WHERE number = one.number + 1)
            AND EXISTS (SELECT 1 FROM part WHERE number = 0)
        """
        return int(self._database.execute(query).fetchone()[0])

    def parts_from(self, number: int) -> AbstractSet[int]:
        """The parts from this one on that were sent: as many as were sent at once, at most."""
        return {row[0] for row in self._database.execute("SELECT number FROM part WHERE number >= ?", (number,))}

    @property
    def written(self) -> int:
        """Bytes of the file of failures that count."""
        return int(self._database.execute("SELECT written FROM run").fetchone()[0])

    @property
    def under_way(self) -> Mapping[str, int]:
        """The imports of each batch that has not ended, the oldest first."""
        return dict(self._database.execute("SELECT id, accepted FROM batch WHERE NOT is_over"))

    @property
    def singles(self) -> list[str]:
        """Imports without a batch whose end is not known."""
        return [row[0] for row in self._database.execute("SELECT import_id FROM single")]

    @property
    def sums(self) -> Sums:
        """All that is counted."""
        one = self._database.execute
        parts, rows, refused = one(
            "SELECT COUNT(*), COALESCE(SUM(rows), 0), COALESCE(SUM(refused), 0) FROM part"
        ).fetchone()
        ended = dict(one("SELECT name, imports FROM count WHERE kind = 'status'"))
        failures = dict(one("SELECT name, imports FROM count WHERE kind = 'code' ORDER BY imports DESC"))
        return Sums(parts, rows, rows - refused, refused, ended, failures)

    def sent(self, part: Sent, written: int) -> None:
        """Note a part, and how long the file of failures is now."""
        refused = sum(part.failures.values())
        with self._transaction():
            self._database.execute("INSERT INTO part VALUES (?, ?, ?)", (part.number, part.rows, refused))
            self._database.executemany("INSERT INTO batch (id, accepted) VALUES (?, ?)", part.accepted.items())
            self._database.executemany("INSERT OR IGNORE INTO single VALUES (?)", [(one,) for one in part.singles])
            self._count("code", part.failures)
            self._database.execute("UPDATE run SET written = ?", (written,))

    def batch_ended(
        self, batch_id: str, statuses: Mapping[str, int], failures: Mapping[str, int], written: int
    ) -> None:
        """Note that a batch has ended; its imports that are in no final state are unknown: somebody deleted them."""
        with self._transaction():
            query = "UPDATE batch SET is_over = 1 WHERE id = ? RETURNING accepted"
            accepted = self._database.execute(query, (batch_id,)).fetchone()[0]
            self._count("status", {**statuses, UNKNOWN: max(0, accepted - sum(statuses.values()))})
            self._count("code", failures)
            self._database.execute("UPDATE run SET written = ?", (written,))

    def import_ended(self, import_id: str, status: str, code: str, written: int) -> None:
        """Note that an import without a batch has ended, with the code of its failure."""
        with self._transaction():
            self._database.execute("DELETE FROM single WHERE import_id = ?", (import_id,))
            self._count("status", {status: 1})
            self._count("code", {code: 1} if code else {})
            self._database.execute("UPDATE run SET written = ?", (written,))

    def _count(self, kind: str, numbers: Mapping[str, int]) -> None:
        self._database.executemany(
            "INSERT INTO count VALUES (?, ?, ?)"
            " ON CONFLICT (kind, name) DO UPDATE SET imports = imports + excluded.imports",
            [(kind, name, number) for name, number in numbers.items() if number],
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
