"""How the SQLite file serves the store: see ``Planning``. Each call opens a connection that only reads, in a thread."""

import asyncio
import random
import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from .. import StoreRefused
from ..planning import MIN_MEASURED, DatabasePlan, Index, Plan, Planning, Usage, recorded
from .engine.copying import version_of
from .engine.file import connect_reader, refused, unavailable
from .schema import SCHEMA_VERSION

_WALKED_BYTES: Final = 256 * 1024**2
"""Up to this size every page of the file is looked at; larger files are measured by samples."""
_SAMPLES: Final = 2000
_DOCUMENTS: Final = 543.0
_INDEXES: Final = 703.0
_RANDOM: Final = 295.0
"""Bytes of a done import by Lading's own measurements: see "Bytes for each import" in the docs. The document has its
primary key, and ``random`` has that, the ids of images and the digests."""
_RANDOM_INDEXES: Final = ("sqlite_autoindex_imports_1", "imports_done", "imports_sha256", "imports_source")

_USED: Final = re.compile(r"USING (?:COVERING )?(?:INDEX (\S+)|(?:INTEGER )?(PRIMARY KEY))")
_STEP: Final = re.compile(r"(SCAN|SEARCH) (\S+)(.*)")


class SqlitePlanning(Planning):
    """See ``Planning``.

    Args:
        path: the file.
        busy_timeout: how long to wait for the locks of other processes.
    """

    def __init__(self, path: Path, busy_timeout: timedelta) -> None:
        self._path = path
        self._busy_timeout = busy_timeout

    async def plan(self) -> DatabasePlan:
        """See ``Planning.plan``."""
        return await asyncio.to_thread(self._plan)

    def _plan(self) -> DatabasePlan:
        version = version_of(self._path, self._busy_timeout)
        if version != SCHEMA_VERSION:
            raise _not_ready(self._path, version)
        with closing(connect_reader(self._path, self._busy_timeout)) as connection:
            try:
                sizes, usage = _measured(connection)
                plans = {
                    method: [_explained(connection, one["statement"], one["values"]) for one in statements]
                    for method, statements in recorded(__package__).items()
                }
                return DatabasePlan(list(_indexes(connection, sizes)), usage, plans)
            except sqlite3.Error as error:
                raise unavailable(self._path, error) from error


def _not_ready(path: Path, version: int | None) -> StoreRefused:
    if version is None:
        return refused(path, "does not exist yet: start Lading once, which creates it")
    return refused(path, f"has schema version {version}, not {SCHEMA_VERSION}: run 'lading migrate' first")


# --- indexes ----------------------------------------------------------------------------------------------------------


def _indexes(connection: sqlite3.Connection, sizes: Mapping[str, int]) -> Iterator[Index]:
    query = "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'index' ORDER BY tbl_name, name"
    for name, table, sql in connection.execute(query).fetchall():
        if sql is None:
            keys = tuple(row["name"] for row in connection.execute("SELECT name FROM pragma_index_info(?)", (name,)))
            yield Index(table, name, keys, byte_size=sizes.get(name), is_unique=True)
        else:
            text, _, condition = " ".join(sql.split()).partition(" WHERE ")
            inside = text[text.index("(") + 1 : text.rindex(")")]
            yield Index(table, name, tuple(re.split(r", (?![^(]*\))", inside)), condition, sizes.get(name))


# --- sizes ------------------------------------------------------------------------------------------------------------


def _measured(connection: sqlite3.Connection) -> tuple[Mapping[str, int], Usage]:
    """The bytes of each table and index, as far as they are known, and what the imports take."""
    pages, size, free = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "page_size", "freelist_count")
    )
    if pages * size > _WALKED_BYTES:
        imports = _estimated_imports(connection)
        return {}, _shared_out(imports, (pages - free) * size)
    (imports,) = connection.execute("SELECT count(*) FROM imports").fetchone()
    sizes = _walked(connection)
    if imports < MIN_MEASURED:
        return sizes, Usage(imports, is_measured=False, documents=_DOCUMENTS, indexes=_INDEXES, random=_RANDOM)
    if not sizes:
        return {}, _shared_out(imports, (pages - free) * size)
    others = {"imports", "workers", "issuers", "records", "organizations", "clock", "sqlite_schema"}
    indexes = sum(found for name, found in sizes.items() if name not in others and not name.startswith("records_"))
    random_bytes = sum(sizes.get(name, 0) for name in _RANDOM_INDEXES)
    return sizes, Usage(
        imports,
        is_measured=True,
        documents=sizes["imports"] / imports,
        indexes=indexes / imports,
        random=random_bytes / imports,
    )


def _walked(connection: sqlite3.Connection) -> Mapping[str, int]:
    """The bytes of each table and index; none where SQLite was built without https://sqlite.org/dbstat.html."""
    try:
        rows = connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").fetchall()
    except sqlite3.OperationalError:
        return {}
    return {row[0]: row[1] for row in rows}


def _shared_out(imports: int, byte_size: int) -> Usage:
    """The bytes of a file, shared out between documents and indexes as in Lading's own measurements."""
    each = byte_size / max(1, imports) / (_DOCUMENTS + _INDEXES)
    return Usage(imports, is_measured=True, documents=each * _DOCUMENTS, indexes=each * _INDEXES, random=each * _RANDOM)


def _estimated_imports(connection: sqlite3.Connection) -> int:
    """About how many imports a large file has: those among numbers of rows that are drawn at random."""
    first, last = (
        connection.execute(f"SELECT rowid FROM imports ORDER BY rowid {order} LIMIT 1").fetchone()[0]  # noqa: S608
        for order in ("ASC", "DESC")
    )
    drawn = [random.randint(first, last) for _ in range(_SAMPLES)]  # noqa: S311 - nothing to guess
    query = "SELECT count(*) FROM imports WHERE rowid IN (SELECT value FROM json_each(?))"
    (found,) = connection.execute(query, (str(list(set(drawn))),)).fetchone()
    return int((last - first + 1) * found // len(set(drawn)))


# --- plans ------------------------------------------------------------------------------------------------------------


def _explained(connection: sqlite3.Connection, statement: str, values: int) -> Plan:
    """See ``Plan``; https://sqlite.org/eqp.html. Nothing of the statement is carried out.

    Raises:
        sqlite3.Error: SQLite cannot carry it out.
    """
    names = re.findall(r":(\w+)", statement)
    given: Any = dict.fromkeys(names) if names else [None] * values
    steps = [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", given)]
    tables = {row["name"] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    return planned(statement, steps, tables)


def planned(statement: str, steps: Sequence[str], tables: Collection[str]) -> Plan:
    """What the steps of a plan say, of these tables; of others, such as the rows that are given, nothing."""
    named = {alias: table for table, alias in re.findall(r"(\w+) AS (\w+)", statement) if table in tables}
    indexes: dict[str, None] = {}
    walked: dict[str, None] = {}
    scanned: dict[str, None] = {}
    for kind, alias, rest in ((match[1], match[2], match[3]) for match in map(_STEP.match, steps) if match):
        table = named.get(alias, alias)
        used = _USED.search(rest)
        if used is not None:
            name = str(used[1]) if used[1] else f"primary key of {table}"
            indexes[name] = None
            if kind == "SCAN":
                walked[name] = None
        elif kind == "SCAN" and table in tables:
            scanned[str(table)] = None
    return Plan(statement, tuple(indexes), tuple(walked), tuple(scanned))
