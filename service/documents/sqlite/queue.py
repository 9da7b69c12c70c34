"""What operators see of the SQLite store's queue. See ``ImportQueue``."""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ...models import Status
from ..queue import COUNTED, EXAMINED, Entry, Figures, Group, ImportQueue, Selection, Summary
from .engine.threads import ConnectionThreads
from .rows import from_milliseconds, to_milliseconds

# Each is partial: the imports of one state. The order is that of the index, so that nothing is sorted.
_WALKS: Final[Mapping[Status, tuple[str, str]]] = {
    Status.QUEUED: ("imports_queued", "issuer_id, run_at"),
    Status.RUNNING: ("imports_running", "worker_id"),
    Status.WAITING: ("imports_waiting", "run_at"),
    Status.FAILED: ("imports_failed_at", "updated_at DESC"),
}


class SqliteImportQueue(ImportQueue):
    """Counts imports in the threads that read."""

    def __init__(self, readers: ConnectionThreads) -> None:
        self._readers = readers

    async def summary(self, wanted: Selection, *, examine: int = EXAMINED) -> Summary:
        """See ``ImportQueue.summary``."""
        query = f"""
            SELECT issuer_id, host, code, count(*), min(since), max(since),
                substr(max(format('%020d', since) || id), 21)
            FROM ({_chosen(wanted)}) GROUP BY issuer_id, host, code
        """  # noqa: S608 - our own text
        beyond = f"{_walk(wanted, '1')} OFFSET :examine"
        values = {**_values(wanted), "count": examine}
        further = {**values, "count": 1, "examine": examine}

        def read(connection: sqlite3.Connection) -> Summary:
            rows = connection.execute(query, values).fetchall()
            return Summary([_group(row) for row in rows], not connection.execute(beyond, further).fetchall())

        return await self._readers.run(read)

    async def entries(self, wanted: Selection, limit: int, *, examine: int = EXAMINED) -> Sequence[Entry]:
        """See ``ImportQueue.entries``."""
        columns = "id, issuer_id, host, code, since, attempts, worker_id"
        query = f"SELECT {columns} FROM ({_chosen(wanted)}) LIMIT :limit"  # noqa: S608 - our own text
        values = {**_values(wanted), "count": examine, "limit": limit}
        rows = await self._readers.run(lambda connection: connection.execute(query, values).fetchall())
        return [_entry(row, wanted.status) for row in rows]

    async def figures(self, now: datetime) -> Figures:
        """See ``ImportQueue.figures``."""
        moment = to_milliseconds(now)
        return await self._readers.run(lambda connection: _figures(connection, moment))


def _figures(connection: sqlite3.Connection, now: int) -> Figures:
    """Each count reads an index alone."""
    # The states are in the text: partial indexes serve no parameter.
    (waiting,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM imports WHERE status = 'waiting' LIMIT ?)", (COUNTED,)
    ).fetchone()
    (running,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM imports WHERE status = 'running' LIMIT ?)", (COUNTED,)
    ).fetchone()
    queued, due, first = connection.execute(
        """
        SELECT count(*), coalesce(sum(run_at <= ?), 0), min(run_at)
        FROM (SELECT run_at FROM imports WHERE status = 'queued' LIMIT ?)
        """,
        (now, COUNTED),
    ).fetchone()
    oldest = max(0, now - first) / 1000 if due else 0.0
    return Figures(waiting, due, queued - due, running, oldest)


def _group(row: sqlite3.Row) -> Group:
    issuer_id, host, code, count, oldest, newest, example = row
    return Group(issuer_id, host, code, count, from_milliseconds(oldest), from_milliseconds(newest), example)


def _entry(row: sqlite3.Row, status: Status) -> Entry:
    import_id, issuer_id, host, code, since, attempts, worker_id = row
    return Entry(import_id, status, issuer_id, host, code, from_milliseconds(since), attempts, worker_id)


def _walk(wanted: Selection, columns: str) -> str:
    index, order = _WALKS[wanted.status]
    recent = " AND updated_at >= :since" if wanted.status is Status.FAILED and wanted.since is not None else ""
    return f"""
        SELECT {columns} FROM imports INDEXED BY {index}
        WHERE status = '{wanted.status}'{recent} ORDER BY {order} LIMIT :count
    """  # noqa: S608 - our own text


def _chosen(wanted: Selection) -> str:
    """What is meant of the imports that are looked at."""
    since = "updated_at" if wanted.status in (Status.FAILED, Status.RUNNING) else "coalesce(retried_at, created_at)"
    columns = f"id, issuer_id, host, error ->> 'code' AS code, {since} AS since, attempts, worker_id, deleted_at"
    conditions = [f"{name} = :{name}" for name in ("issuer_id", "host", "code") if getattr(wanted, name) is not None]
    if wanted.since is not None:
        conditions.append("since >= :since")
    # No condition moves into the inner query, which has a limit of its own.
    return f"""
        SELECT * FROM ({_walk(wanted, columns)})
        WHERE {" AND ".join(["deleted_at IS NULL", *conditions])}
    """  # noqa: S608 - our own text


def _values(wanted: Selection) -> dict[str, Any]:
    return {
        "issuer_id": wanted.issuer_id,
        "host": wanted.host,
        "code": wanted.code,
        "since": None if wanted.since is None else to_milliseconds(wanted.since),
    }
