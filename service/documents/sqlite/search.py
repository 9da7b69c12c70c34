"""Searches of the SQLite store. See ``ImportSearch``."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from ...models import Import, Status
from .. import StoredAlready
from ..positions import OVERLAP, moment_of, number_of, numbered
from ..search import (
    MAX_COUNTED,
    MAX_EXAMINED,
    AlbumCounts,
    AlbumPage,
    Change,
    Changed,
    Filter,
    ImportSearch,
    Page,
    Position,
)
from .engine.threads import ConnectionThreads
from .rows import from_milliseconds, to_import, to_milliseconds
from .writes import last_sequence, update_imports

_IN_ALBUMS = 100


class SqliteImportSearch(ImportSearch):
    """Finds imports in the threads that read."""

    def __init__(self, readers: ConnectionThreads) -> None:
        self._readers = readers

    async def list(
        self,
        wanted: Filter,
        limit: int,
        after: Position | None = None,
        *,
        is_current: bool = False,  # noqa: ARG002 - there is one file
    ) -> Page:
        """See ``ImportSearch.list``."""
        return await self._readers.run(lambda connection: _list(connection, wanted, limit, after))

    async def albums(
        self, organization_id: str, limit: int, after: str = "", among: Collection[str] | None = None
    ) -> AlbumPage:
        """See ``ImportSearch.albums``."""
        return await self._readers.run(lambda connection: _albums(connection, organization_id, limit, after, among))

    async def changed_since(self, organization_id: str, position: str, limit: int) -> Changed:
        """See ``ImportSearch.changed_since``."""
        return await self._readers.run(lambda connection: _changed(connection, organization_id, position, limit))

    async def by_sha256(
        self, organization_id: str, sha256: str, albums: Collection[str] | None = None
    ) -> Import | None:
        """See ``ImportSearch.by_sha256``."""
        return await self._readers.run(lambda connection: find_by_sha256(connection, organization_id, sha256, albums))

    async def by_source(
        self, organization_id: str, source: str, albums: Collection[str] | None = None
    ) -> Import | None:
        """See ``ImportSearch.by_source``."""
        query = """
            SELECT * FROM imports
            WHERE organization_id = ? AND image ->> 'source' = ? AND image ->> 'source' IS NOT NULL
            AND image_deleted_at IS NULL
            ORDER BY created_at DESC LIMIT ?
        """
        found = await self._find(query, organization_id, source, 1 if albums is None else _IN_ALBUMS)
        return next((one for one in found if albums is None or one.album_id in albums), None)

    async def batch_counts(self, batch_id: str) -> Mapping[tuple[Status, str | None], int]:
        """See ``ImportSearch.batch_counts``."""
        query = """
            SELECT status, iif(status = 'failed', error ->> 'code', NULL), count(*) FROM imports
            WHERE batch_id = ? AND deleted_at IS NULL GROUP BY 1, 2
        """
        rows = await self._readers.run(lambda connection: connection.execute(query, (batch_id,)).fetchall())
        return {(Status(status), code): count for status, code, count in rows}

    async def held_by(self, worker_ids: Collection[str]) -> frozenset[str]:
        """See ``ImportSearch.held_by``."""
        query = "SELECT id FROM imports WHERE status = 'running' AND worker_id = ?"

        def read(connection: sqlite3.Connection) -> frozenset[str]:
            return frozenset(row[0] for one in worker_ids for row in connection.execute(query, (one,)).fetchall())

        return await self._readers.run(read)

    async def expired_waiting(self, now: datetime, limit: int) -> Sequence[Import]:
        """See ``ImportSearch.expired_waiting``."""
        query = "SELECT * FROM imports WHERE status = 'waiting' AND run_at <= ? ORDER BY run_at LIMIT ?"
        return await self._find(query, to_milliseconds(now), limit)

    async def ended(
        self, status: Status, before: datetime, limit: int, after: Position | None = None
    ) -> Sequence[Import]:
        """See ``ImportSearch.ended``."""
        # The state is in the text: partial indexes serve no parameter.
        query = f"""
            SELECT * FROM imports INDEXED BY imports_{status.value}_at
            WHERE status = '{status.value}' AND updated_at < ? AND (updated_at, id) > (?, ?) AND deleted_at IS NULL
            ORDER BY updated_at, id LIMIT ?
        """  # noqa: S608 - our own text
        moment, import_id = (0, "") if after is None else (to_milliseconds(after.moment), after.id)
        return await self._find(query, to_milliseconds(before), moment, import_id, limit)

    async def with_outbox(self, limit: int) -> Sequence[Import]:
        """See ``ImportSearch.with_outbox``."""
        return await self._find("SELECT * FROM imports WHERE outbox IS NOT NULL ORDER BY updated_at LIMIT ?", limit)

    async def _find(self, query: str, *values: Any) -> Sequence[Import]:
        return await self._readers.run(
            lambda connection: [to_import(row) for row in connection.execute(query, values).fetchall()]
        )


def find_by_sha256(
    connection: sqlite3.Connection, organization_id: str, sha256: str, albums: Collection[str] | None
) -> Import | None:
    """See ``ImportSearch.by_sha256``."""
    query = """
        SELECT * FROM imports
        WHERE organization_id = ? AND image ->> 'sha256' = ? AND image IS NOT NULL AND image_deleted_at IS NULL
        ORDER BY created_at LIMIT ?
    """
    rows = connection.execute(query, (organization_id, sha256, 1 if albums is None else _IN_ALBUMS)).fetchall()
    found = (to_import(row) for row in rows)
    return next((one for one in found if albums is None or one.album_id in albums), None)


def update_unless_stored(connection: sqlite3.Connection, document: Import, albums: Collection[str] | None) -> bool:
    """See ``DocumentStore.update_unless_stored``; for a transaction of the writer."""
    query = "SELECT 1 FROM imports WHERE id = ? AND revision = ?"
    if document.image is None or not connection.execute(query, (document.id, document.revision - 1)).fetchall():
        return False
    found = find_by_sha256(connection, document.organization_id, document.image.sha256, albums)
    if found is not None:
        raise StoredAlready(found)
    return update_imports(connection, (document,)) == [True]


def _changed(connection: sqlite3.Connection, organization_id: str, position: str, limit: int) -> Changed:
    # Read first: what is committed between the two readings has higher numbers.
    last: int = connection.execute(f"SELECT {last_sequence('?1')}", (organization_id,)).fetchone()[0]
    since = _since(connection, organization_id, position, last)
    if since == last:
        return Changed((), numbered(last))
    query = """
        SELECT * FROM imports WHERE organization_id = ? AND sequence > ? AND deleted_at IS NULL
        ORDER BY sequence LIMIT ?
    """
    rows = connection.execute(query, (organization_id, since, limit)).fetchall()
    changes = [Change(to_import(row), numbered(row["sequence"])) for row in rows]
    if len(rows) == limit:
        return Changed(changes, changes[-1].position, has_more=True)
    return Changed(changes, max([numbered(last), *(change.position for change in changes[-1:])]))


def _since(connection: sqlite3.Connection, organization_id: str, position: str, last: int) -> int:
    """The number after which the reading begins; ``last`` is that of the present."""
    number, moment = number_of(position), moment_of(position)
    if moment is None:
        # A file that was restored from a backup does not know positions that were told after it.
        return last if number is None else min(number, last)
    # From the end: only what is going to be told is looked at.
    query = """
        SELECT sequence FROM imports WHERE organization_id = ? AND updated_at < ? ORDER BY sequence DESC LIMIT 1
    """
    rows = connection.execute(query, (organization_id, to_milliseconds(moment - OVERLAP))).fetchall()
    return rows[0][0] or 0 if rows else 0


def _list(connection: sqlite3.Connection, wanted: Filter, limit: int, after: Position | None) -> Page:
    """Walk the index that fits best, and pick from what it gives."""
    columns, source, conditions, values = _driving(wanted)
    if wanted.created_from is not None:
        conditions.append("driving.created_at >= ?")
        values.append(to_milliseconds(wanted.created_from))
    if wanted.created_before is not None:
        conditions.append("driving.created_at < ?")
        values.append(to_milliseconds(wanted.created_before))
    if after is not None:
        conditions.append("(driving.created_at, driving.id) < (?, ?)")
        values += [to_milliseconds(after.moment), after.id]
    order = "driving.created_at DESC, driving.id DESC"
    query = f"SELECT {columns}.* FROM {source} WHERE {' AND '.join(conditions)} ORDER BY {order}"  # noqa: S608 - our own
    documents: list[Import] = []
    last: Position | None = None
    cursor = connection.execute(query, values)
    try:
        for examined, row in enumerate(cursor):
            if len(documents) == limit or examined == MAX_EXAMINED:
                return Page(documents, last)
            last = Position(from_milliseconds(row["created_at"]), row["id"])
            if _may_be_wanted(row, wanted) and wanted.admits(document := to_import(row)):
                documents.append(document)
    finally:
        cursor.close()
    return Page(documents, None)


def _albums(
    connection: sqlite3.Connection, organization_id: str, limit: int, after: str, among: Collection[str] | None
) -> AlbumPage:
    """Step from album to album in their index, and count the newest imports of each."""
    following = """
        SELECT album_id FROM imports INDEXED BY imports_album
        WHERE organization_id = ? AND album_id IS NOT NULL AND album_id > ? ORDER BY album_id LIMIT 1
    """
    counting = """
        SELECT count(*), count(iif(deleted_at IS NULL, 1, NULL)), max(iif(deleted_at IS NULL, created_at, NULL)) FROM (
            SELECT created_at, deleted_at FROM imports INDEXED BY imports_album
            WHERE organization_id = ? AND album_id IS NOT NULL AND album_id = ? ORDER BY created_at DESC LIMIT ?
        )
    """
    counts = AlbumCounts(limit, after)
    named = None if among is None else iter(sorted(album for album in among if album > after))
    while True:
        if named is None:
            rows = connection.execute(following, (organization_id, after)).fetchall()
            album = rows[0][0] if rows else None
        else:
            album = next(named, None)
        if album is None:
            return counts.page(is_last=True)
        if counts.is_full:
            return counts.page(is_last=False)
        examined, number, newest = connection.execute(counting, (organization_id, album, MAX_COUNTED)).fetchone()
        counts.add(album, examined, number, None if newest is None else from_milliseconds(newest))
        after = album


def _may_be_wanted(row: sqlite3.Row, wanted: Filter) -> bool:
    """Whether it is worth while to read the whole of a row."""
    return wanted.status in (None, row["status"]) and (wanted.albums is None or row["album_id"] in wanted.albums)


def _driving(wanted: Filter) -> tuple[str, str, list[str], list[Any]]:
    """Where the columns are, the table to walk, called ``driving``, and the conditions that its index serves."""
    if wanted.metadata is not None:
        source = "import_metadata AS driving CROSS JOIN imports ON imports.id = driving.id"
        conditions = ["driving.organization_id = ?", "driving.name = ?", "driving.value = ?"]
        return "imports", source, conditions, [wanted.organization_id, *wanted.metadata]
    conditions = ["driving.organization_id = ?"]
    values: list[Any] = [wanted.organization_id]
    index = "imports_listed"
    if wanted.batch_id is not None:
        index = "imports_batch"
        conditions.append("driving.batch_id = ?")
        values.append(wanted.batch_id)
    elif wanted.albums is not None and len(wanted.albums) == 1:
        index = "imports_album"
        conditions += ["driving.album_id IS NOT NULL", "driving.album_id = ?"]
        values += wanted.albums
    elif wanted.status is not None and wanted.status is not Status.DONE:
        index = "imports_state"
        conditions += ["driving.status <> 'done'", "driving.status = ?"]
        values.append(wanted.status.value)
    return "driving", f"imports AS driving INDEXED BY {index}", conditions, values
