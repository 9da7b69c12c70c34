"""Very many imports for the gallery: copies of some that the service has made, written to its database at once."""

import itertools
import json
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

STEP = 1000
"""Milliseconds between two copies."""


def fill(path: Path, templates: Sequence[str], count: int, album: str) -> None:
    """Copy done imports into an album, the latest first, each with ids of its own and the bytes of its template.

    Args:
        path: of a SQLite file, which a service may use meanwhile.
        templates: ids of done imports, in turn.
        count: how many copies.
        album: must be a new one.
    """
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        # Columns that are computed are not in this list, unlike in table_xinfo.
        names = [name for _, name, *_ in connection.execute("PRAGMA table_info(imports)")]
        marks = ", ".join("?" * len(names))
        with connection:
            rows = _copies([_row(connection, names, one) for one in templates], count, album)
            values = (tuple(row[name] for name in names) for row in rows)
            connection.executemany(f"INSERT INTO imports ({', '.join(names)}) VALUES ({marks})", values)


def remove(path: Path, ids: Sequence[str]) -> None:
    """Remove copies. The API would remove the bytes too, which the other copies have as well."""
    with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        connection.executemany("DELETE FROM imports WHERE id = ?", [(one,) for one in ids])


def _row(connection: sqlite3.Connection, names: Sequence[str], import_id: str) -> dict[str, Any]:
    found = connection.execute(f"SELECT {', '.join(names)} FROM imports WHERE id = ?", (import_id,))
    return dict(zip(names, found.fetchone(), strict=True))


def _copies(rows: Sequence[dict[str, Any]], count: int, album: str) -> Iterator[dict[str, Any]]:
    for number, row in zip(range(count), itertools.cycle(rows)):
        params = {**json.loads(row["params"]), "album_id": album, "filename": f"{number}.jpg"}
        moment = row["created_at"] - number * STEP
        own = {"id": str(uuid.uuid4()), "image_id": str(uuid.uuid4()), "params": json.dumps(params)}
        yield {**row, **own, "created_at": moment, "updated_at": moment, "run_at": moment}
