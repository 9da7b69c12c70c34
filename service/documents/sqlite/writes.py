"""Writes of many imports at a time: one statement for many rows, and if possible one statement per transaction.

SQLite releases the interpreter's lock during a statement. After each statement the writer thread must wait for the
lock, behind the event loop, which holds the lock under load. In a transaction of several statements, other processes
wait as well. A single statement is a transaction of its own (https://sqlite.org/lang_transaction.html), which begins,
writes and syncs while the event loop continues.
"""

import functools
import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from ....plugins.contracts.quick import copied
from ...models import Import
from ...models.lifecycle import CLAIMED
from .. import DuplicateId
from .engine.transactions import whole
from .rows import IMPORT_COLUMNS, OUTBOX, STATE_COLUMNS, birth_values, metadata_rows, state_values, to_milliseconds

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

MAX_ROWS: Final = 32
"""Rows of a statement; with all columns, well below the 32,766 parameters that SQLite takes
(https://sqlite.org/limits.html)."""
STATEMENTS: Final = 512
"""Texts of statements that are kept: one for each number of rows and each choice of columns."""

_REPLACED: Final = tuple(name for name in STATE_COLUMNS if name not in ("id", OUTBOX))
"""The columns that a change replaces."""


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
    alike = [_alike(claim.documents) for claim in claims]
    if sum(map(len, alike)) == 1:
        return [_claim(connection, claims[0], alike[0])]
    with whole(connection):
        return [_claim(connection, *one) for one in zip(claims, alike, strict=True)]


def _alike(documents: Sequence[Import]) -> Collection[Sequence[Import]]:
    """Claimed imports in groups, which change in the same way."""
    groups: dict[object, list[Import]] = {}
    for document in documents:
        groups.setdefault(_claimed_fields(document), []).append(document)
    return groups.values()


def _claim(connection: sqlite3.Connection, claim: Claim, alike: Collection[Sequence[Import]]) -> Sequence[Import]:
    claimed: list[Import] = []
    for some in alike:
        status, updated_at, revision, *others = _claimed_fields(some[0])
        ids = some[0].id if len(some) == 1 else json.dumps([document.id for document in some])
        values = (status.value, to_milliseconds(updated_at), revision, *others, ids, revision, claim.worker_id)
        count = connection.execute(_CLAIM_ONE if len(some) == 1 else _CLAIM_ALIKE, values).rowcount
        claimed += some if count == len(some) else _claimed(connection, some) if count else ()
    if len(alike) == 1:
        return claimed
    found = {document.id for document in claimed}
    return [document for document in claim.documents if document.id in found]


def _claimed(connection: sqlite3.Connection, documents: Sequence[Import]) -> Sequence[Import]:
    """Those that were written; a worker's id is its own, so what bears it was claimed for it."""
    ids = json.dumps([document.id for document in documents])
    query = (
        "SELECT id FROM imports WHERE id IN (SELECT value FROM json_each(?)) AND worker_id = ? AND status = 'running'"
    )
    found = {row[0] for row in connection.execute(query, (ids, documents[0].worker_id)).fetchall()}
    return [document for document in documents if document.id in found]


def _insert(connection: sqlite3.Connection, documents: Sequence[Import]) -> None:
    rows = [(*birth_values(document), *state_values(document)) for document in map(_as_new, documents)]
    names, values = _filled(IMPORT_COLUMNS, rows)
    connection.execute(_insertion(names, len(rows)), values)


def _filled(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> tuple[tuple[str, ...], list[Any]]:
    """The columns in which any row has a value, and all values of these, row by row.

    An import has no value in most columns, and Python looks in vain for an adapter of each None that it binds.
    """
    if len(rows) == 1:
        are_filled = [value is not None for value in rows[0]]
    else:
        are_filled = [column.count(None) < len(rows) for column in zip(*rows, strict=True)]
    return tuple(compress(columns, are_filled)), [value for row in rows for value in compress(row, are_filled)]


def _as_new(document: Import) -> Import:
    """The same import, all of its outbox to be added."""
    if not document.outbox:
        return document
    return copied(document, new_events=(*document.outbox, *document.new_events))


def _update(connection: sqlite3.Connection, documents: Sequence[Import]) -> bool:
    """Replace all of them or none; whether they were replaced."""
    names, values = _changes(documents)
    # Not RETURNING: each row that is returned would be one more wait for the interpreter's lock.
    return connection.execute(_replacement(names, len(documents)), values).rowcount > 0


def _changes(documents: Sequence[Import]) -> tuple[tuple[str, ...], list[Any]]:
    """The columns that imports have values in, and the values in the order in which ``_change`` takes them."""
    names, values = _filled(STATE_COLUMNS, list(map(state_values, documents)))
    if _is_plain(names, len(documents)):
        values += (values.pop(0), documents[0].revision)
    return names, values


def _slices(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The items in runs that one statement takes."""
    for start in range(0, len(items), MAX_ROWS):
        yield items[start : start + MAX_ROWS]


@functools.lru_cache(STATEMENTS)
def _insertion(names: Sequence[str], count: int) -> str:
    width = len(names)
    columns = f"INSERT INTO imports ({', '.join(names)}, sequence)"
    if count == 1:  # whose first value is the organisation
        return f"{columns} VALUES ({'?, ' * width}1 + {last_sequence('?1')})"
    values = ", ".join(f"column{number}" for number in range(1, width + 1))
    organization = f"column{names.index('organization_id') + 1}"
    rows = _numbered_rows(width, count)
    return f"{columns} SELECT {values}, {_sequence(organization, width)} FROM (VALUES {rows})"  # noqa: S608 - our own text


@functools.cache
def _metadata_insertion(count: int) -> str:
    return (
        "INSERT INTO import_metadata (organization_id, name, value, created_at, id)"  # noqa: S608 - our own text
        f" VALUES {_rows(5, count)}"
    )


@functools.lru_cache(STATEMENTS)
def _replacement(names: Sequence[str], count: int) -> str:
    """All imports are still what the transitions were made of, and become what those have made of them; or none."""
    if count == 1:
        return _change(names, count)
    width, of_id, of_revision = len(names), names.index("id") + 1, names.index("revision") + 1
    expected = ", ".join(f"(?{width * row + of_id}, ?{width * row + of_revision} - 1)" for row in range(count))
    found = f"""
        SELECT count(*) FROM (VALUES {expected}) AS expected JOIN imports AS present
        ON present.id = expected.column1 AND present.revision = expected.column2
    """  # noqa: S608 - our own text
    return f"{_change(names, count)} AND ({found}) = {count}"


def _change(names: Sequence[str], count: int) -> str:
    """Each import that is still what the transition was made of becomes what the transition has made of it.

    Args:
        names: the columns with values; the other columns of a state become NULL, and the outbox stays.
        count: number of imports.
    """
    if _is_plain(names, count):
        changes = ", ".join(f"{name} = {'?' if name in names else 'NULL'}" for name in _REPLACED)
        sequence = f"1 + {last_sequence('imports.organization_id')}"
        return f"UPDATE imports SET {changes}, sequence = {sequence} WHERE id = ? AND revision = ? - 1"  # noqa: S608 - our own text
    # The columns of a table of values are called column1, column2 ... (https://sqlite.org/lang_select.html).
    found = {name: f"changed.column{number}" for number, name in enumerate(names, 1)}
    columns = {name: found.get(name, "NULL") for name in _REPLACED}
    if OUTBOX in found:
        columns[OUTBOX] = _appended(found[OUTBOX])
    changes = ", ".join(f"{name} = {value}" for name, value in columns.items())
    width = len(names)
    # Not by WITH: the Python module would not tell how many rows were changed.
    return (
        f"UPDATE imports SET {changes}, sequence = {_sequence('imports.organization_id', width)}"  # noqa: S608 - our own text
        f" FROM (VALUES {_numbered_rows(width, count)}) AS changed"
        f" WHERE imports.id = {found['id']} AND imports.revision = {found['revision']} - 1"
    )


def _is_plain(names: Sequence[str], count: int) -> bool:
    """Whether a change needs no table of values. For such a table SQLite makes a tree, which costs more than the rest
    of the change.
    """
    return count == 1 and OUTBOX not in names


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


_claimed_fields = attrgetter(*CLAIMED)
_CLAIM_ONE: Final = f"""
    UPDATE imports SET {" = ?, ".join(CLAIMED)} = ?, sequence = 1 + {last_sequence("imports.organization_id")}
    WHERE id = ? AND revision = ? - 1 AND EXISTS (SELECT 1 FROM workers WHERE id = ?)
"""  # noqa: S608 - our own text
_CLAIM_ALIKE: Final = f"""
    UPDATE imports SET {" = ?, ".join(CLAIMED)} = ?,
        sequence = wanted.key + 1 + {last_sequence("imports.organization_id")}
    FROM json_each(?) AS wanted
    WHERE imports.id = wanted.value AND revision = ? - 1 AND EXISTS (SELECT 1 FROM workers WHERE id = ?)
"""  # noqa: S608 - our own text
"""Columns that a statement names have their indexes written, so a claim names those alone that it changes."""
