"""The queued imports that a claim takes next: those of all issuers in turn, at a cost independent of the backlog.

The index ``imports_queued`` orders queued imports by issuer and due time. One step in the index finds the next issuer
and the due time of its first import, however long its queue is.
"""

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

_FIRST_ISSUER = """
    SELECT issuer_id, run_at FROM imports WHERE status = 'queued' ORDER BY issuer_id, run_at LIMIT 1
"""
_NEXT_ISSUER = """
    SELECT issuer_id, run_at FROM imports WHERE status = 'queued' AND issuer_id > ? ORDER BY issuer_id, run_at LIMIT 1
"""
_DUE = """
    SELECT json_group_array(id) FROM (
        SELECT rowid AS id FROM imports WHERE status = 'queued' AND issuer_id = ? AND run_at <= ?{0}
        ORDER BY run_at, rowid LIMIT ? OFFSET ?
    )
"""
_NOT_FROM = " AND host NOT IN (SELECT value FROM json_each(?))"


class Excluded:
    """What a claim leaves alone.

    Args:
        issuers, hosts: of which no import is wanted.
    """

    def __init__(self, issuers: Collection[str] = (), hosts: Collection[str] = ()) -> None:
        self.issuers = frozenset(issuers)
        self.has_hosts = bool(hosts)
        self._due = _DUE.format(_NOT_FROM if hosts else "")
        self._hosts = [json.dumps(list(hosts))] if hosts else []

    def due(self, connection: sqlite3.Connection, issuer: str, now: int, count: int, skip: int) -> list[int]:
        """Rows of an issuer that are due and wanted, in the order in which they are served.

        They come as one row, since each would be a wait for the interpreter's lock, see ``writes``.
        """
        values = (issuer, now, *self._hosts, count, skip)
        found: list[int] = json.loads(connection.execute(self._due, values).fetchone()[0])
        return found


class Turns:
    """Whose turn it is: issuers are served in the order of their ids, from the one after the last that was served.

    Each store keeps its own place in that order. Nothing may be taken in two threads at once.

    Args:
        look_at: at how many issuers one call looks at most, whether or not they have imports due. The next call begins
            with those beyond.
    """

    def __init__(self, look_at: int = 1000) -> None:
        self._look_at = look_at
        self._last: str | None = None

    def take(
        self,
        connection: sqlite3.Connection,
        now: int,
        limit: int,
        excluded: Excluded,
        per_issuer: int | None,
    ) -> list[int]:
        """Choose what to claim; arguments as of ``DocumentStore.claim``, ``now`` in milliseconds.

        Returns:
            the row ids of up to ``limit`` queued imports that are due, in the order in which they are served.
        """
        looked_at = list(islice(self._look(connection, now, limit, excluded), self._look_at))
        wanted = [issuer for issuer, is_due in looked_at if is_due]
        taken = list(islice(_in_turn(_due(connection, wanted, now, limit, excluded, per_issuer)), limit))
        if len(looked_at) == self._look_at:
            self._last = looked_at[-1][0]
        elif taken:
            self._last = taken[-1][0]
        return [rowid for _, rowid in taken]

    def _look(
        self, connection: sqlite3.Connection, now: int, limit: int, excluded: Excluded
    ) -> Iterator[tuple[str, bool]]:
        """Issuers with queued imports, and whether one is due and wanted, until ``limit`` of them are."""
        found = 0
        for issuer, run_at in self._issuers(connection):
            is_due = run_at <= now and issuer not in excluded.issuers
            if is_due and excluded.has_hosts:
                is_due = bool(excluded.due(connection, issuer, now, 1, 0))
            yield issuer, is_due
            found += is_due
            if found == limit:
                return

    def _issuers(self, connection: sqlite3.Connection) -> Iterator[tuple[str, int]]:
        """Every issuer with queued imports once, in the order of turns, and when its first import is due."""
        last = self._last
        if last is not None:
            yield from _walk(connection, connection.execute(_NEXT_ISSUER, (last,)))
        for issuer, run_at in _walk(connection, connection.execute(_FIRST_ISSUER)):
            if last is not None and issuer > last:
                return
            yield issuer, run_at


def _walk(connection: sqlite3.Connection, first: sqlite3.Cursor) -> Iterator[tuple[str, int]]:
    rows = first.fetchall()
    while rows:
        issuer, run_at = rows[0]
        yield issuer, run_at
        rows = connection.execute(_NEXT_ISSUER, (issuer,)).fetchall()


def _due(
    connection: sqlite3.Connection,
    issuers: Sequence[str],
    now: int,
    limit: int,
    excluded: Excluded,
    per_issuer: int | None,
) -> dict[str, list[int]]:
    """Rows that are due of each issuer, enough for ``limit`` in turn, or all that it has.

    Each issuer is asked for its share; where some have less, the others are asked for more.
    """
    found: dict[str, list[int]] = {issuer: [] for issuer in issuers}
    most = limit if per_issuer is None else min(limit, per_issuer)
    asked = list(issuers)
    rest = limit
    while asked and rest > 0:
        share = -(-rest // len(asked))
        left = []
        for issuer in asked:
            rows = found[issuer]
            count = min(share, most - len(rows))
            more = excluded.due(connection, issuer, now, count, len(rows))
            rows += more
            if len(more) == count and len(rows) < most:
                left.append(issuer)
        asked = left
        rest = limit - sum(map(len, found.values()))
    return found


def _in_turn(queues: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, int]]:
    """A row of each issuer, then another of each, and so on: the issuer and the row id."""
    for turn in range(max(map(len, queues.values()), default=0)):
        for issuer, rows in queues.items():
            if turn < len(rows):
                yield issuer, rows[turn]
