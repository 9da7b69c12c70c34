"""Imports written many at a time: one statement for many rows.

SQLite gives the interpreter's lock back while a statement runs. With a statement for each row, the thread that writes
would have to wait for the lock after every one of them, behind the event loop, which holds it under load; with one
statement for many, it waits once, and SQLite works beside the event loop in the meantime.
"""

import functools
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.documents import DuplicateId
from service.documents.sqlite_rows import BIRTH_COLUMNS, STATE_COLUMNS, birth_values, metadata_rows, state_values
from service.models import Import

MAX_ROWS: Final = 32
"""Rows of a statement; with all columns, well below the 32,766 parameters that SQLite takes
(https://sqlite.org/limits.html)."""


@dataclass(frozen=True, slots=True)
class Write:
    """The write of one import, which can be made together with others of its kind.

    Attributes:
        together: writes many imports; an outcome for each in its order, or None where one of them stands in the way of
            the others, and each is to be written by itself.
    """

    together: Callable[[sqlite3.Connection, Sequence[Import]], Sequence[bool] | None]
    document: Import

    def __call__(self, connection: sqlite3.Connection) -> bool:
        """Write it alone."""
        outcomes = self.together(connection, (self.document,))
        if outcomes is None:
            raise DuplicateId(f"import {self.document.id} exists already")
        return outcomes[0]


def insert_imports(connection: sqlite3.Connection, documents: Sequence[Import]) -> Sequence[bool] | None:
    """Add imports; None where the id of one exists already, with others perhaps added."""
    for some in _slices(documents):
        values = [value for document in some for value in (*birth_values(document), *state_values(document))]
        if connection.execute(_insertion(len(some)), values).rowcount < len(some):
            return None
    rows = [row for document in documents for row in metadata_rows(document)]
    for some_rows in _slices(rows):
        connection.execute(_metadata_insertion(len(some_rows)), [value for row in some_rows for value in row])
    return [True] * len(documents)


def update_imports(connection: sqlite3.Connection, documents: Sequence[Import]) -> Sequence[bool] | None:
    """Replace imports by what transitions made of them; whether each was still what the transition was made of.

    None where one of several was not, or comes twice, and the others are replaced or not.
    """
    if len({document.id for document in documents}) < len(documents):
        return None
    updated = 0
    for some in _slices(documents):
        values = [value for document in some for value in state_values(document)]
        # Not RETURNING: each row that is returned would be one more wait for the interpreter's lock.
        updated += connection.execute(_update(len(some)), values).rowcount
    if len(documents) == 1 or updated == len(documents):
        return [updated == len(documents)] * len(documents)
    return None


def _slices(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The items in runs whose lengths are powers of two, so that few statements are compiled, and then kept."""
    start, size = 0, MAX_ROWS
    while start < len(items):
        while size > len(items) - start:
            size //= 2
        yield items[start : start + size]
        start += size


def _rows(columns: int, count: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return ", ".join([row] * count)


@functools.cache
def _insertion(count: int) -> str:
    columns = (*BIRTH_COLUMNS, *STATE_COLUMNS)
    return (
        f"INSERT INTO imports ({', '.join(columns)}) VALUES {_rows(len(columns), count)}"  # noqa: S608 - our own text
        " ON CONFLICT (id) DO NOTHING"
    )


@functools.cache
def _metadata_insertion(count: int) -> str:
    return (
        "INSERT INTO import_metadata (organization_id, name, value, created_at, id)"  # noqa: S608 - our own text
        f" VALUES {_rows(5, count)}"
    )


@functools.cache
def _update(count: int) -> str:
    # The columns of a table of values are called column1, column2 ... (https://sqlite.org/lang_select.html).
    names = {name: f"changed.column{number}" for number, name in enumerate(STATE_COLUMNS, 1)}
    changes = ", ".join(f"{name} = {value}" for name, value in names.items() if name != "id")
    return (
        f"UPDATE imports SET {changes} FROM (VALUES {_rows(len(names), count)}) AS changed"  # noqa: S608 - our own text
        f" WHERE imports.id = {names['id']} AND imports.revision = {names['revision']} - 1"
    )
