"""What the SQLite store does to its tables: plain functions, to be run in a transaction by the thread that writes, or
by itself in one that reads. ``turns`` chooses the imports of a claim.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from ...models import Held, Import
from ...models.issuers import Issuer
from .. import DuplicateId
from .engine.file import APPLICATION_ID
from .rows import IMPORT_COLUMNS, issuer_columns, metadata_rows, to_import, to_issuer, to_milliseconds
from .schema import UNFINISHED
from .writes import update_imports

# The conditions of the indexes are repeated to the letter, which is how SQLite finds them
# (https://sqlite.org/expridx.html, https://sqlite.org/partialindex.html).
_MIRROR = "image ->> 'mirror' IS NOT NULL AND image_purged_at IS NULL AND image ->> 'mirror' = ?"
_HELD: Mapping[Held, str] = {
    Held.MAIN: "image IS NOT NULL AND image_purged_at IS NULL AND image ->> 'storage' = ?",
    Held.MIRRORED: f"{_MIRROR} AND image ->> 'is_mirrored' = 1",
    Held.PENDING: f"{_MIRROR} AND image ->> 'is_mirrored' = 0",
}


def probe_reading(connection: sqlite3.Connection) -> None:
    """Read a row, if there is one."""
    connection.execute("SELECT id FROM imports LIMIT 1").fetchall()


def probe_writing(connection: sqlite3.Connection) -> None:
    """Write the first page of the file, with what it holds already."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


# --- imports ----------------------------------------------------------------------------------------------------------


def remove_import(connection: sqlite3.Connection, document: Import) -> bool:
    """See ``DocumentStore.remove``."""
    query = "DELETE FROM imports WHERE id = ? AND revision = ? AND outbox IS NULL"
    cursor = connection.execute(query, (document.id, document.revision))
    if not cursor.rowcount:
        return False
    connection.executemany(
        """
        DELETE FROM import_metadata
        WHERE organization_id = ? AND name = ? AND value = ? AND created_at = ? AND id = ?
        """,
        metadata_rows(document),
    )
    return True


def clear_outbox(connection: sqlite3.Connection, import_id: str, event_ids: Collection[str]) -> None:
    """See ``DocumentStore.announced``."""
    rest = """
        SELECT json_group_array(json(event.value)) FROM json_each(imports.outbox) AS event
        WHERE event.value ->> 'id' NOT IN (SELECT value FROM json_each(?))
    """
    connection.execute(
        f"UPDATE imports SET outbox = nullif(({rest}), '[]') WHERE id = ? AND outbox IS NOT NULL",  # noqa: S608 - our own text
        (json.dumps(list(event_ids)), import_id),
    )


def get_import(connection: sqlite3.Connection, import_id: str) -> Import | None:
    """See ``DocumentStore.get``."""
    rows = connection.execute("SELECT * FROM imports WHERE id = ?", (import_id,)).fetchall()
    return to_import(rows[0]) if rows else None


def get_import_by_image(connection: sqlite3.Connection, image_id: str) -> Import | None:
    """See ``DocumentStore.get_by_image``."""
    query = "SELECT * FROM imports WHERE status = 'done' AND image_id = ?"
    rows = connection.execute(f"{query} LIMIT 1", (image_id,)).fetchall()
    if rows and rows[0]["duplicate"] is not None:
        # In files of earlier versions the import that has stored the image may have the same id.
        rows = connection.execute(f"{query} AND duplicate IS NULL LIMIT 1", (image_id,)).fetchall() or rows
    return to_import(rows[0]) if rows else None


def get_heir(connection: sqlite3.Connection, key: str) -> Import | None:
    """See ``DocumentStore.heir``."""
    query = "SELECT * FROM imports WHERE shared_key = ? AND shared_key IS NOT NULL ORDER BY share LIMIT 1"
    rows = connection.execute(query, (key,)).fetchall()
    return to_import(rows[0]) if rows else None


def list_shared_keys(connection: sqlite3.Connection, after: str, limit: int) -> list[str]:
    """See ``DocumentStore.shared_keys``."""
    query = """
        SELECT DISTINCT shared_key FROM imports WHERE shared_key > ? AND shared_key IS NOT NULL
        ORDER BY shared_key LIMIT ?
    """
    return [row[0] for row in connection.execute(query, (after, limit)).fetchall()]


def list_unpurged(connection: sqlite3.Connection, limit: int) -> list[Import]:
    """See ``DocumentStore.unpurged``."""
    query = "SELECT * FROM imports WHERE unsettled_at IS NOT NULL ORDER BY unsettled_at LIMIT ?"
    rows = connection.execute(query, (limit,)).fetchall()
    return [to_import(row) for row in rows]


def _of(organization_id: str | None) -> tuple[str, tuple[str, ...]]:
    """The condition on images of an organisation, and its values; no condition for None.

    With a plus, so that the index of the storage is used, and its order (https://sqlite.org/optoverview.html#uplus).
    """
    return ("", ()) if organization_id is None else ("AND +organization_id = ?", (organization_id,))


def list_images(
    connection: sqlite3.Connection, storage: str, held: Held, after: str, limit: int, organization_id: str | None
) -> list[Import]:
    """See ``DocumentStore.images_in``."""
    more, values = _of(organization_id)
    query = f"SELECT * FROM imports WHERE {_HELD[held]} AND id > ? {more} ORDER BY id LIMIT ?"  # noqa: S608 - our own text
    return [to_import(row) for row in connection.execute(query, (storage, after, *values, limit)).fetchall()]


def count_images(connection: sqlite3.Connection, storage: str, organization_id: str | None) -> int:
    """See ``DocumentStore.count_images_in``."""
    more, values = _of(organization_id)
    query = f"SELECT count(*) FROM imports WHERE {_HELD[Held.MAIN]} {more}"  # noqa: S608 - our own text
    count: int = connection.execute(query, (storage, *values)).fetchone()[0]
    return count


def get_stored_bytes(connection: sqlite3.Connection, organization_id: str) -> int:
    """See ``DocumentStore.stored_bytes``."""
    query = "SELECT stored_bytes FROM organizations WHERE id = ?"
    rows = connection.execute(query, (organization_id,)).fetchall()
    return rows[0][0] if rows else 0


def count_unfinished(connection: sqlite3.Connection, limit: int, issuer_id: str | None) -> int:
    """See ``DocumentStore.unfinished``."""
    of_issuer, values = ("", ()) if issuer_id is None else (" AND issuer_id = ?", (issuer_id,))
    query = f"""
        SELECT count(*) FROM (
            SELECT 1 FROM imports INDEXED BY imports_unfinished WHERE {UNFINISHED}{of_issuer} LIMIT ?
        )
    """  # noqa: S608 - our own text
    count: int = connection.execute(query, (*values, limit)).fetchone()[0]
    return count


def read_rows(connection: sqlite3.Connection, rowids: Sequence[int]) -> list[Import]:
    """The imports in these rows, in their order.

    They come as one row, since each would be a wait for the interpreter's lock, see ``writes``.
    """
    if len(rowids) <= 1:
        query = f"SELECT {', '.join(IMPORT_COLUMNS)} FROM imports WHERE rowid = ?"  # noqa: S608 - our own text
        return [to_import(row) for rowid in rowids for row in connection.execute(query, (rowid,)).fetchall()]
    query = f"""
        SELECT json_group_array(json_array(rowid, {", ".join(IMPORT_COLUMNS)})) FROM imports
        WHERE rowid IN (SELECT value FROM json_each(?))
    """  # noqa: S608 - our own text
    found = json.loads(connection.execute(query, (json.dumps(rowids),)).fetchone()[0])
    rows = {values[0]: dict(zip(IMPORT_COLUMNS, values[1:], strict=True)) for values in found}
    return [to_import(rows[rowid]) for rowid in rowids if rowid in rows]


def find_queued(connection: sqlite3.Connection, ids: Sequence[str]) -> list[int]:
    """The rows of those imports that are queued, in the order of the ids."""
    query = """
        SELECT json_group_array(json_array(id, rowid)) FROM imports
        WHERE id IN (SELECT value FROM json_each(?)) AND status = 'queued'
    """
    rowids: dict[str, int] = dict(json.loads(connection.execute(query, (json.dumps(list(ids)),)).fetchone()[0]))
    return [rowids[import_id] for import_id in dict.fromkeys(ids) if import_id in rowids]


# --- workers ----------------------------------------------------------------------------------------------------------


def insert_worker(connection: sqlite3.Connection, worker_id: str, expires_at: datetime) -> None:
    """See ``DocumentStore.register``."""
    cursor = connection.execute(
        "INSERT INTO workers (id, expires_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING",
        (worker_id, to_milliseconds(expires_at)),
    )
    if not cursor.rowcount:
        raise DuplicateId(f"worker {worker_id} has a lease already")


def has_worker(connection: sqlite3.Connection, worker_id: str) -> bool:
    """Whether the worker has a lease."""
    return bool(connection.execute("SELECT 1 FROM workers WHERE id = ?", (worker_id,)).fetchall())


def renew_worker(connection: sqlite3.Connection, worker_id: str, expires_at: datetime) -> bool:
    """See ``DocumentStore.heartbeat``."""
    cursor = connection.execute(
        "UPDATE workers SET expires_at = ? WHERE id = ?", (to_milliseconds(expires_at), worker_id)
    )
    return cursor.rowcount == 1


def delete_worker(connection: sqlite3.Connection, worker_id: str) -> None:
    """See ``DocumentStore.release``."""
    connection.execute("DELETE FROM workers WHERE id = ?", (worker_id,))


def recover_imports(connection: sqlite3.Connection, limit: int, now: datetime, due: datetime) -> int:
    """See ``DocumentStore.recover``; the time by the machine's clock, and by the store's."""
    connection.execute("DELETE FROM workers WHERE expires_at <= ?", (to_milliseconds(due),))
    orphans = connection.execute(
        """
        SELECT rowid FROM imports
        WHERE status = 'running' AND worker_id NOT IN (SELECT id FROM workers)
        LIMIT ?
        """,
        (limit,),
    ).fetchall()
    recovered = [document.recovered(now, due) for document in read_rows(connection, [row[0] for row in orphans])]
    update_imports(connection, recovered)
    return len(orphans)


# --- issuers ----------------------------------------------------------------------------------------------------------


def insert_issuer(connection: sqlite3.Connection, issuer: Issuer) -> None:
    """See ``DocumentStore.add_issuer``."""
    cursor = connection.execute(
        """
        INSERT INTO issuers (
            id, organization_id, key, algorithm, enabled, require_exp, previous_key, previous_until
        ) VALUES (
            :id, :organization_id, :key, :algorithm, :enabled, :require_exp, :previous_key, :previous_until
        ) ON CONFLICT (id) DO NOTHING
        """,
        issuer_columns(issuer),
    )
    if not cursor.rowcount:
        raise DuplicateId(f"issuer {issuer.id} exists already")


def get_issuer(connection: sqlite3.Connection, issuer_id: str) -> Issuer | None:
    """See ``DocumentStore.get_issuer``."""
    rows = connection.execute("SELECT * FROM issuers WHERE id = ?", (issuer_id,)).fetchall()
    return to_issuer(rows[0]) if rows else None


def list_issuers(connection: sqlite3.Connection) -> list[Issuer]:
    """See ``DocumentStore.list_issuers``."""
    return [to_issuer(row) for row in connection.execute("SELECT * FROM issuers ORDER BY id").fetchall()]


def enable_issuer(connection: sqlite3.Connection, issuer_id: str, enabled: bool) -> bool:
    """See ``DocumentStore.set_issuer_enabled``."""
    cursor = connection.execute("UPDATE issuers SET enabled = ? WHERE id = ?", (enabled, issuer_id))
    return cursor.rowcount == 1


def rotate_issuer(connection: sqlite3.Connection, issuer_id: str, key: str, keep_until: datetime | None) -> bool:
    """See ``DocumentStore.rotate_issuer``."""
    cursor = connection.execute(
        """
        UPDATE issuers SET key = :key, previous_key = iif(:until IS NULL, NULL, key), previous_until = :until
        WHERE id = :id
        """,
        {"id": issuer_id, "key": key, "until": None if keep_until is None else to_milliseconds(keep_until)},
    )
    return cursor.rowcount == 1


def drop_previous_keys(connection: sqlite3.Connection, now: datetime) -> int:
    """See ``DocumentStore.drop_previous_keys``."""
    query = "UPDATE issuers SET previous_key = NULL, previous_until = NULL WHERE previous_until <= ?"
    return connection.execute(query, (to_milliseconds(now),)).rowcount
