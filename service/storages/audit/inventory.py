"""The list of a storage's objects, on disk rather than in memory: a million objects take about 100 MB of disk.

It is a temporary SQLite database without a name (https://sqlite.org/inmemorydb.html, "temporary databases"), which
disappears when it is closed or the process is killed.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from ....plugins.capabilities import ListedObject

Result = TypeVar("Result")


class InventoryFailed(Exception):
    """The temporary database cannot be written: its folder (``SQLITE_TMPDIR``, ``TMPDIR``) is full."""


class Inventory:
    """Objects by key. Its methods run in threads, one at a time; close it at the end."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = OFF")  # nothing is ever rolled back
        self._connection.execute(
            "CREATE TABLE objects (key TEXT PRIMARY KEY, byte_size INTEGER, last_modified REAL) WITHOUT ROWID"
        )
        self._turn = asyncio.Lock()

    async def add(self, objects: Collection[ListedObject]) -> None:
        """Add objects."""
        rows = [(one.key, one.byte_size, one.last_modified.timestamp()) for one in objects]

        def insert() -> None:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", rows)
            self._connection.execute("COMMIT")

        await self._run(insert)

    async def take(self, keys: Collection[str]) -> Mapping[str, int]:
        """Remove the objects under these keys; the size of each removed object."""

        def remove() -> dict[str, int]:
            self._connection.execute("BEGIN")
            query = "DELETE FROM objects WHERE key = ? RETURNING key, byte_size"
            taken = [row for key in keys for row in self._connection.execute(query, (key,)).fetchall()]
            self._connection.execute("COMMIT")
            return dict(taken)

        return await self._run(remove)

    async def rest(self, after: str, limit: int) -> Sequence[ListedObject]:
        """Up to ``limit`` of the remaining objects, in the order of their keys, after that key."""
        query = "SELECT key, byte_size, last_modified FROM objects WHERE key > ? ORDER BY key LIMIT ?"
        rows = await self._run(lambda: self._connection.execute(query, (after, limit)).fetchall())
        return [ListedObject(key, size, datetime.fromtimestamp(moment, UTC)) for key, size, moment in rows]

    async def close(self) -> None:
        """Remove everything."""
        await self._run(self._connection.close)

    async def _run(self, function: Callable[[], Result]) -> Result:
        async with self._turn:
            try:
                return await asyncio.to_thread(function)
            except sqlite3.Error as error:
                raise InventoryFailed(f"the temporary list of objects cannot be kept: {error}") from error
