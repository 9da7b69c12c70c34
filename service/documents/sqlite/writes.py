"""Writes of many imports at a time: one statement for many rows, and if possible one statement per transaction.

SQLite releases the interpreter's lock during a statement. After each statement the writer thread must wait for the
lock, behind the event loop, which holds the lock under load. In a transaction of several statements, other processes
wait as well. A single statement is a transaction of its own (https://sqlite.org/lang_transaction.html), which begins,
writes and syncs while the event loop continues.
"""

import functools
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

from ...models import Import
from .. import DuplicateId
from .engine.transactions import whole
from .rows import IMPORT_COLUMNS, OUTBOX, STATE_COLUMNS, birth_values, metadata_rows, state_values

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

MAX_ROWS: Final = 32
"""Rows of a statement; with all columns, well below the 32,766 parameters that SQLite takes
(https://sqlite.org/limits.html)."""
_ID, _REVISION = (STATE_COLUMNS.index(name) + 1 for name in ("id", "revision"))


@dataclass(frozen=True, slots=True)
class Write(Generic[Item, Outcome]):
    """A write that can be made together with others of its kind.

    Attributes:
        together: makes several, all or none: an outcome for each in its order, or None where one stands in the way of
            the others, and each is to be made by itself. A transaction of its own where it is not called in one.
        item: what is written.
    """

    together: Callable[[sqlite3.Connection, Sequence[Item]], Sequence[Outcome] | None]
    item: Item

    def __call__(self, connection: sqlite3.Connection) -> Outcome:
        """Make it alone."""
        outcomes = self.together(connection, (self.item,))
        if outcomes is None:
            raise RuntimeError("a write stands in its own way")
        return outcomes[0]


def insert_imports(connection: sqlite3.Connection, documents: Sequence[Import]) -> Sequence[bool] | None:
    """Add imports. None where one of several exists already.

    Raises:
        DuplicateId: the only one exists already.
    """
    metadata = [row for document in documents for row in metadata_rows(document)]
    try:
        if len(documents) <= MAX_ROWS and not metadata:
            _insert(connection, documents)
        else:
            with whole(connection):
                for some in _slices(documents):
                    _insert(connection, some)
                for rows in _slices(metadata):
                    connection.execute(_metadata_insertion(len(rows)), [value for row in rows for value in row])
    except sqlite3.IntegrityError as error:
        if len(documents) > 1:
            return None
        raise DuplicateId(f"import {documents[0].id} exists already") from error
    return [True] * len(documents)


def update_imports(connection: sqlite3.Connection, documents: Sequence[Import]) -> Sequence[bool] | None:
    """Replace imports by what transitions made of them; whether each was still what the transition was made of.

    None where one of several was not, or comes twice.
    """
    if not documents:
        return []
    if len({document.id for document in documents}) < len(documents):
        return None
    if len(documents) <= MAX_ROWS:
        is_written = _update(connection, documents)
    else:
        with whole(connection) as kept:
            kept.is_kept = is_written = all(_update(connection, some) for some in _slices(documents))
    return [is_written] * len(documents) if is_written or len(documents) == 1 else None


@dataclass(frozen=True, slots=True)
class Claim:
    """Imports that a worker is to have: ``documents`` are what its claims have made of them."""

    worker_id: str
    documents: Sequence[Import]


def write_claims(connection: sqlite3.Connection, claims: Sequence[Claim]) -> Sequence[Sequence[Import]]:
    """Write claims; of each, what the worker has got: what another had taken meanwhile is not among it, and without
    its lease the worker gets nothing. All claims are written or none.
    """
    if len(claims) == 1 and len(claims[0].documents) <= MAX_ROWS:
        return [_claim(connection, claims[0])]
    with whole(connection):
        return [_claim(connection, claim) for claim in claims]


def _claim(connection: sqlite3.Connection, claim: Claim) -> Sequence[Import]:
    claimed: list[Import] = []
    for some in _slices(claim.documents):
        values = [value for document in some for value in state_values(document)]
        count = connection.execute(_claiming(len(some)), [*values, claim.worker_id]).rowcount
        claimed += some if count == len(some) else _claimed(connection, some) if count else ()
    return claimed


def _claimed(connection: sqlite3.Connection, documents: Sequence[Import]) -> Sequence[Import]:
    """Those that were written; a worker's id is its own, so what bears it was claimed for it."""
    ids = json.dumps([document.id for document in documents])
    query = (
        "SELECT id FROM imports WHERE id IN (SELECT value FROM json_each(?)) AND worker_id = ? AND status = 'running'"
    )
    found = {row[0] for row in connection.execute(query, (ids, documents[0].worker_id)).fetchall()}
    return [document for document in documents if document.id in found]


def _insert(connection: sqlite3.Connection, documents: Sequence[Import]) -> None:
    values = [
        value for document in map(_as_new, documents) for value in (*birth_values(document), *state_values(document))
    ]
    connection.execute(_insertion(len(documents)), values)


def _as_new(document: Import) -> Import:
    """The same import, all of its outbox to be added."""
    if not document.outbox:
        return document
    return replace(document, new_events=(*document.outbox, *document.new_events))


def _update(connection: sqlite3.Connection, documents: Sequence[Import]) -> bool:
    """Replace all of them or none; whether they were replaced."""
    values = [value for document in documents for value in state_values(document)]
    # Not RETURNING: each row that is returned would be one more wait for the interpreter's lock.
    return connection.execute(_replacement(len(documents)), values).rowcount > 0


def _slices(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The items in runs that one statement takes."""
    for start in range(0, len(items), MAX_ROWS):
        yield items[start : start + MAX_ROWS]


@functools.cache
def _insertion(count: int) -> str:
    width = len(IMPORT_COLUMNS)
    values = ", ".join(f"column{number}" for number in range(1, width + 1))
    organization = f"column{IMPORT_COLUMNS.index('organization_id') + 1}"
    return (
        f"INSERT INTO imports ({', '.join(IMPORT_COLUMNS)}, sequence)"  # noqa: S608 - our own text
        f" SELECT {values}, {_sequence(organization, width)} FROM (VALUES {_numbered_rows(width, count)})"
    )


@functools.cache
def _metadata_insertion(count: int) -> str:
    return (
        "INSERT INTO import_metadata (organization_id, name, value, created_at, id)"  # noqa: S608 - our own text
        f" VALUES {_rows(5, count)}"
    )


@functools.cache
def _replacement(count: int) -> str:
    """All imports are still what the transitions were made of, and become what those have made of them; or none."""
    width = len(STATE_COLUMNS)
    expected = ", ".join(f"(?{width * row + _ID}, ?{width * row + _REVISION} - 1)" for row in range(count))
    found = f"""
        SELECT count(*) FROM (VALUES {expected}) AS expected JOIN imports AS present
        ON present.id = expected.column1 AND present.revision = expected.column2
    """  # noqa: S608 - our own text
    return f"{_change(count)} AND ({found}) = {count}"


@functools.cache
def _claiming(count: int) -> str:
    return f"{_change(count)} AND EXISTS (SELECT 1 FROM workers WHERE id = ?)"  # noqa: S608 - our own text


def _change(count: int) -> str:
    """Each import that is still what the transition was made of becomes what the transition has made of it."""
    # The columns of a table of values are called column1, column2 ... (https://sqlite.org/lang_select.html).
    columns = {name: f"changed.column{number}" for number, name in enumerate(STATE_COLUMNS, 1) if name != "id"}
    columns[OUTBOX] = _appended(columns[OUTBOX])
    changes = ", ".join(f"{name} = {value}" for name, value in columns.items())
    width = len(STATE_COLUMNS)
    # Not by WITH: the Python module would not tell how many rows were changed.
    return (
        f"UPDATE imports SET {changes}, sequence = {_sequence('imports.organization_id', width)}"  # noqa: S608 - our own text
        f" FROM (VALUES {_numbered_rows(width, count)}) AS changed"
        f" WHERE imports.id = changed.column{_ID} AND imports.revision = changed.column{_REVISION} - 1"
    )


def _appended(events: str) -> str:
    """The outbox with more events. Neither text is an empty array, so the brackets between them become a comma."""
    both = f"substr(imports.{OUTBOX}, 1, length(imports.{OUTBOX}) - 1) || ',' || substr({events}, 2)"
    return f"iif({events} IS NULL, imports.{OUTBOX}, iif(imports.{OUTBOX} IS NULL, {events}, {both}))"


def _sequence(organization: str, width: int) -> str:
    """The number of a row's write: higher than all that the organisation's imports have or had, by the row's place.

    The statement holds the lock of those that write, so the order of numbers is that of commits: whoever sees a number
    sees all before it.
    """
    return f"column{width + 1} + {last_sequence(organization)}"


def last_sequence(organization: str) -> str:
    """The highest number that a write of an organisation's imports has or had; each part is one step in an index."""
    return f"""max(
        coalesce((SELECT max(one.sequence) FROM imports AS one WHERE one.organization_id = {organization}), 0),
        coalesce((SELECT sequence FROM organizations WHERE id = {organization}), 0)
    )"""  # noqa: S608 - our own text


def _numbered_rows(columns: int, count: int) -> str:
    """``_rows``, with the number of the row as its last column."""
    marks = "?, " * columns
    return ", ".join(f"({marks}{number})" for number in range(1, count + 1))


def _rows(columns: int, count: int) -> str:
    """A table of parameters, which SQLite counts from 1, row by row.

    Not ``?NNN``: SQLite keeps the names of those in a list, which it walks for each value that Python binds.
    """
    return ", ".join([f"({', '.join('?' * columns)})"] * count)
