"""Records of the SQLite store. See ``RecordStore``."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from ...models.clock import Clock
from ..errors import DuplicateId, TooManyRecords
from ..records import Record, RecordStore
from .engine.threads import ConnectionThreads
from .rows import record_columns, to_milliseconds, to_record

_LIVES = "(expires_at IS NULL OR expires_at > :now)"


class SqliteRecordStore(RecordStore):
    """Keeps records through the store's threads.

    Args:
        writer, readers: the threads.
        clock: judges what has expired; asked in other threads too.
    """

    def __init__(self, writer: ConnectionThreads, readers: ConnectionThreads, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock

    async def add(self, record: Record, *, at_most: int | None = None) -> None:
        """See ``RecordStore.add``."""
        await self._writer.run(lambda connection: _insert(connection, record, self._now, at_most))

    async def get(self, kind: str, record_id: str) -> Record | None:
        """See ``RecordStore.get``."""
        query = f"SELECT * FROM records WHERE kind = :kind AND id = :id AND {_LIVES}"  # noqa: S608 - our own text
        found = await self._find(query, kind=kind, id=record_id)
        return found[0] if found else None

    async def replace(self, record: Record) -> bool:
        """See ``RecordStore.replace``."""
        query = """
            UPDATE records SET data = :data, revision = :revision, due_at = :due_at, expires_at = :expires_at
            WHERE kind = :kind AND id = :id AND revision = :revision - 1
        """
        columns = record_columns(record)
        return await self._writer.run(lambda connection: connection.execute(query, columns).rowcount == 1)

    async def delete(self, kind: str, record_id: str) -> bool:
        """See ``RecordStore.delete``."""
        query = "DELETE FROM records WHERE kind = ? AND id = ?"
        return await self._writer.run(lambda connection: connection.execute(query, (kind, record_id)).rowcount == 1)

    async def list(
        self, kind: str, owner: str, limit: int, *, after: str | None = None, descending: bool = False
    ) -> Sequence[Record]:
        """See ``RecordStore.list``."""
        place = f"AND id {'<' if descending else '>'} :after" if after is not None else ""
        query = f"""
            SELECT * FROM records WHERE kind = :kind AND owner = :owner AND {_LIVES} {place}
            ORDER BY id {"DESC" if descending else "ASC"} LIMIT :limit
        """  # noqa: S608 - our own text
        return await self._find(query, kind=kind, owner=owner, after=after, limit=limit)

    async def due(self, kind: str, now: datetime, limit: int) -> Sequence[Record]:
        """See ``RecordStore.due``."""
        query = f"""
            SELECT * FROM records WHERE kind = :kind AND due_at IS NOT NULL AND due_at <= :due AND {_LIVES}
            ORDER BY due_at, id LIMIT :limit
        """  # noqa: S608 - our own text
        return await self._find(query, kind=kind, due=to_milliseconds(now), limit=limit)

    async def drop_expired(self, limit: int) -> int:
        """See ``RecordStore.drop_expired``."""
        query = """
            DELETE FROM records WHERE (kind, id) IN (
                SELECT kind, id FROM records WHERE expires_at IS NOT NULL AND expires_at <= ?
                ORDER BY expires_at LIMIT ?
            )
        """
        return await self._writer.run(lambda connection: connection.execute(query, (self._now, limit)).rowcount)

    @property
    def _now(self) -> int:
        return to_milliseconds(self._clock.now())

    async def _find(self, query: str, **values: str | int | None) -> Sequence[Record]:
        values["now"] = self._now
        return await self._readers.run(
            lambda connection: [to_record(row) for row in connection.execute(query, values).fetchall()]
        )


def _insert(connection: sqlite3.Connection, record: Record, now: int, at_most: int | None) -> None:
    columns = record_columns(record)
    if at_most is not None:  # in the transaction of the write: no other process writes meanwhile
        query = f"SELECT count(*) FROM records WHERE kind = :kind AND owner = :owner AND {_LIVES}"  # noqa: S608 - our own text
        (present,) = connection.execute(query, {**columns, "now": now}).fetchone()
        if present >= at_most:
            raise TooManyRecords(f"the owner has {present} records of the kind {record.kind}")
    connection.execute(
        "DELETE FROM records WHERE kind = :kind AND id = :id AND expires_at <= :now", {**columns, "now": now}
    )
    cursor = connection.execute(
        """
        INSERT INTO records (kind, id, owner, data, revision, created_at, due_at, expires_at)
        VALUES (:kind, :id, :owner, :data, :revision, :created_at, :due_at, :expires_at)
        ON CONFLICT (kind, id) DO NOTHING
        """,
        columns,
    )
    if not cursor.rowcount:
        raise DuplicateId(f"there is a {record.kind} with this id already")
