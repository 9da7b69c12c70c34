"""The tables of the SQLite file, version by version.

Opening a file upgrades it from its version to the newest, completely or not at all. Stop processes of earlier Lading
versions first: they may not understand what newer processes write.
"""

from typing import Final

# Moments are integer milliseconds since the epoch. The two partial indexes hold the work in progress alone, so that
# finished imports, nearly all rows in the end, cost the claims nothing.
_FIRST = (
    """
    CREATE TABLE imports (
        id TEXT PRIMARY KEY NOT NULL,
        organization_id TEXT NOT NULL,
        issuer_id TEXT NOT NULL,
        params TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        host TEXT NOT NULL,
        request_id TEXT NOT NULL,
        updated_at INTEGER NOT NULL,
        run_at INTEGER NOT NULL,
        status TEXT NOT NULL,
        image_id TEXT,
        import_type TEXT,
        attempts INTEGER NOT NULL,
        abandoned INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        worker_id TEXT,
        error TEXT,
        image TEXT
    ) STRICT
    """,
    "CREATE INDEX imports_queued ON imports (issuer_id, run_at) WHERE status = 'queued'",
    "CREATE INDEX imports_running ON imports (worker_id) WHERE status = 'running'",
    "CREATE TABLE workers (id TEXT PRIMARY KEY NOT NULL, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE issuers (
        id TEXT PRIMARY KEY NOT NULL,
        organization_id TEXT NOT NULL,
        secret TEXT NOT NULL,
        algorithm TEXT NOT NULL,
        enabled INTEGER NOT NULL,
        require_exp INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)

# Images are read back and deleted. One index finds an import by its image, the other holds deletions in progress alone.
_IMAGES = (
    "ALTER TABLE imports ADD COLUMN image_deleted_at INTEGER",
    "ALTER TABLE imports ADD COLUMN image_purged_at INTEGER",
    "CREATE INDEX imports_done ON imports (image_id) WHERE status = 'done'",
    """
    CREATE INDEX imports_unpurged ON imports (image_deleted_at)
    WHERE image_deleted_at IS NOT NULL AND image_purged_at IS NULL
    """,
)

# Images are moved from storage to storage, and kept in two. The indexes find those that a storage has, in the order of
# their ids.
_PLACES = (
    """
    CREATE INDEX imports_stored ON imports (image ->> 'storage', id)
    WHERE image IS NOT NULL AND image_purged_at IS NULL
    """,
    """
    CREATE INDEX imports_mirror ON imports (image ->> 'mirror', image ->> 'is_mirrored', id)
    WHERE image ->> 'mirror' IS NOT NULL AND image_purged_at IS NULL
    """,
)

# Issuers have public keys too, and a key before the present one.
_KEYS = (
    "ALTER TABLE issuers RENAME COLUMN secret TO key",
    "ALTER TABLE issuers ADD COLUMN previous_key TEXT",
    "ALTER TABLE issuers ADD COLUMN previous_until INTEGER",
)

# What is secret in the parameters, until the import is final.
_SEALED = ("ALTER TABLE imports ADD COLUMN sealed TEXT",)

# What each organisation has stored. Triggers keep the sums, in the transaction of the write that changes them, so that
# they follow the documents whatever writes those.
_IS_STORED = "{0}.status = 'done' AND {0}.image IS NOT NULL AND {0}.image_purged_at IS NULL"
_SIZE = f"iif({_IS_STORED}, json_extract({{0}}.image, '$.byte_size'), 0)"
_ADD = """
    INSERT INTO organizations (id, stored_bytes) VALUES (new.organization_id, {change})
    ON CONFLICT (id) DO UPDATE SET stored_bytes = stored_bytes + excluded.stored_bytes;
"""
_STORED_BYTES = (
    "CREATE TABLE organizations (id TEXT PRIMARY KEY NOT NULL, stored_bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """
    INSERT INTO organizations (id, stored_bytes)
    SELECT organization_id, sum(json_extract(image, '$.byte_size')) FROM imports
    WHERE status = 'done' AND image IS NOT NULL AND image_purged_at IS NULL GROUP BY organization_id
    """,
    f"""
    CREATE TRIGGER imports_added AFTER INSERT ON imports WHEN {_IS_STORED.format("new")}
    BEGIN {_ADD.format(change=_SIZE.format("new"))} END
    """,
    f"""
    CREATE TRIGGER imports_changed AFTER UPDATE OF status, image, image_purged_at ON imports
    WHEN {_SIZE.format("new")} <> {_SIZE.format("old")}
    BEGIN {_ADD.format(change=f"{_SIZE.format('new')} - {_SIZE.format('old')}")} END
    """,
)

# Imports are listed, watched, looked up by what they hold, and come in batches. Done imports, nearly all rows in the
# end, are found by time alone: the index of states holds the others. What clients keep beside an image has a table of
# its own; earlier imports are entered into it.
_SEARCH = (
    "ALTER TABLE imports ADD COLUMN batch_id TEXT",
    "ALTER TABLE imports ADD COLUMN retried_at INTEGER",
    "ALTER TABLE imports ADD COLUMN deleted_at INTEGER",
    "ALTER TABLE imports ADD COLUMN duplicate TEXT",
    "ALTER TABLE imports ADD COLUMN outbox TEXT",
    "ALTER TABLE imports ADD COLUMN trace TEXT",
    "ALTER TABLE imports ADD COLUMN album_id TEXT GENERATED ALWAYS AS (params ->> 'album_id') VIRTUAL",
    "CREATE INDEX imports_listed ON imports (organization_id, created_at, id)",
    "CREATE INDEX imports_album ON imports (organization_id, album_id, created_at, id) WHERE album_id IS NOT NULL",
    "CREATE INDEX imports_state ON imports (organization_id, status, created_at, id) WHERE status <> 'done'",
    "CREATE INDEX imports_changed_at ON imports (organization_id, updated_at, id)",
    "CREATE INDEX imports_batch ON imports (batch_id, created_at, id, status) WHERE batch_id IS NOT NULL",
    "CREATE INDEX imports_waiting ON imports (run_at) WHERE status = 'waiting'",
    "CREATE INDEX imports_outbox ON imports (updated_at) WHERE outbox IS NOT NULL",
    """
    CREATE INDEX imports_sha256 ON imports (organization_id, image ->> 'sha256', created_at)
    WHERE image IS NOT NULL AND image_deleted_at IS NULL
    """,
    """
    CREATE INDEX imports_source ON imports (organization_id, image ->> 'source', created_at)
    WHERE image ->> 'source' IS NOT NULL AND image_deleted_at IS NULL
    """,
    """
    CREATE TABLE import_metadata (
        organization_id TEXT NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        id TEXT NOT NULL,
        PRIMARY KEY (organization_id, name, value, created_at, id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    INSERT OR IGNORE INTO import_metadata (organization_id, name, value, created_at, id)
    SELECT organization_id, member.key, member.atom, created_at, imports.id
    FROM imports, json_each(coalesce(params -> 'metadata', params -> 'metadatas', '{}')) AS member
    WHERE member.type = 'text' AND length(member.key) + length(member.atom) <= 512
    """,
    f"""
    CREATE TRIGGER imports_removed AFTER DELETE ON imports WHEN {_IS_STORED.format("old")}
    BEGIN
        UPDATE organizations SET stored_bytes = stored_bytes - {_SIZE.format("old")} WHERE id = old.organization_id;
    END
    """,  # noqa: S608 - our own text
)

# Small documents other than imports, by their kind.
_RECORDS = (
    """
    CREATE TABLE records (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        owner TEXT NOT NULL,
        data TEXT NOT NULL,
        revision INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        due_at INTEGER,
        expires_at INTEGER,
        PRIMARY KEY (kind, id)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX records_owned ON records (kind, owner, id)",
    "CREATE INDEX records_due ON records (kind, due_at, id) WHERE due_at IS NOT NULL",
    "CREATE INDEX records_expiring ON records (expires_at) WHERE expires_at IS NOT NULL",
)

# The runs of an import are told apart, also those under one lease.
_RUNS = ("ALTER TABLE imports ADD COLUMN claim INTEGER",)

# Each write of an import has a number, by which listeners follow an organisation's changes in the order of their
# commits. Earlier imports are numbered in the order in which they were changed. The highest number of what was removed
# is kept, so that no number is given twice.
_SEQUENCE = (
    "ALTER TABLE imports ADD COLUMN sequence INTEGER",
    """
    UPDATE imports SET sequence = numbered.number FROM (
        SELECT id, row_number() OVER (PARTITION BY organization_id ORDER BY updated_at, id) AS number FROM imports
    ) AS numbered WHERE imports.id = numbered.id
    """,
    "DROP INDEX imports_changed_at",
    "CREATE INDEX imports_sequence ON imports (organization_id, sequence)",
    "ALTER TABLE organizations ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0",
    """
    CREATE TRIGGER imports_unnumbered AFTER DELETE ON imports
    BEGIN
        INSERT INTO organizations (id, stored_bytes, sequence)
        VALUES (old.organization_id, 0, coalesce(old.sequence, 0))
        ON CONFLICT (id) DO UPDATE SET sequence = max(sequence, excluded.sequence);
    END
    """,
)

# The clock that judges leases and due times, see ``engine.clock``: when the machine was started by it, and how far it
# has come. And since when an import has been due, by that clock.
_CLOCK = (
    """
    CREATE TABLE clock (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        boot_id TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        reached_at INTEGER NOT NULL
    ) STRICT
    """,
    "ALTER TABLE imports ADD COLUMN due_since INTEGER",
)

# Imports share objects, and leave some behind. One index finds who has a share in an object, the other what is to be
# removed. Duplicates of earlier imports are entered; those whose image was deleted had none of their own.
_SHARES = (
    "ALTER TABLE imports ADD COLUMN leftover_at INTEGER",
    "ALTER TABLE imports ADD COLUMN leftover_removed_at INTEGER",
    "ALTER TABLE imports ADD COLUMN unsettled_at INTEGER",
    "ALTER TABLE imports ADD COLUMN shared_key TEXT",
    "ALTER TABLE imports ADD COLUMN share INTEGER",
    """
    UPDATE imports SET unsettled_at = image_deleted_at
    WHERE image_deleted_at IS NOT NULL AND image_purged_at IS NULL
    """,
    """
    UPDATE imports SET shared_key = duplicate ->> 'key', share = 1
    WHERE duplicate IS NOT NULL AND status = 'done' AND image_deleted_at IS NULL AND deleted_at IS NULL
    """,
    "DROP INDEX imports_unpurged",
    "CREATE INDEX imports_unsettled ON imports (unsettled_at) WHERE unsettled_at IS NOT NULL",
    "CREATE INDEX imports_shared ON imports (shared_key, share) WHERE shared_key IS NOT NULL",
)

# ``dedupe=organization`` looks only where the token of the import may look.
_DEDUPE_ALBUMS = ("ALTER TABLE imports ADD COLUMN dedupe_albums TEXT",)

_ORIENTATION: Final[tuple[str, ...]] = ()
"""Nothing to change. Images in ``image`` and ``duplicate`` have fields that an earlier Lading cannot read."""

# Operators ask for failed imports by when they failed.
_FAILED = ("CREATE INDEX imports_failed ON imports (updated_at) WHERE status = 'failed'",)

UNFINISHED: Final = "status IN ('waiting', 'queued', 'running')"
"""Of the imports that are not final. SQLite finds the index by this very text (https://sqlite.org/partialindex.html)."""
# The backlog counts the imports that are not final, of an issuer and of all, and reads no row: the index has the state.
_UNFINISHED = (f"CREATE INDEX imports_unfinished ON imports (issuer_id, status) WHERE {UNFINISHED}",)

# Retention finds old imports by when they ended.
_ENDED = (
    "DROP INDEX imports_failed",
    "CREATE INDEX imports_failed_at ON imports (updated_at, id) WHERE status = 'failed'",
    "CREATE INDEX imports_cancelled_at ON imports (updated_at, id) WHERE status = 'cancelled'",
    "CREATE INDEX imports_done_at ON imports (updated_at, id) WHERE status = 'done'",
)

# Workers continue the trace of the request that made an import.
_TRACEPARENT = ("ALTER TABLE imports ADD COLUMN traceparent TEXT",)

# The storage key that the operator's template made of an import, when it was accepted.
_OWN_KEY = ("ALTER TABLE imports ADD COLUMN own_key TEXT",)

VERSIONS: Final = (
    *(_FIRST, _IMAGES, _PLACES, _KEYS, _SEALED, _STORED_BYTES, _SEARCH, _RECORDS),
    *(_RUNS, _SEQUENCE, _CLOCK, _SHARES, _DEDUPE_ALBUMS, _ORIENTATION, _FAILED, _UNFINISHED, _ENDED),
    *(_TRACEPARENT, _OWN_KEY),
)
"""The statements that lead to each version from the one before it; the first from an empty file."""

SCHEMA_VERSION: Final = len(VERSIONS)
"""Kept in ``PRAGMA user_version``."""
