"""The form of imports and issuers as rows of the tables in ``schema``, and the way back."""

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pydantic_core

from ...models import Failure, Image, Import, Status
from ...models.compact import compact
from ...models.issuers import Algorithm, Issuer
from ..records import Record
from ..search import metadata_pairs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# json escapes every control character, so that the text never holds a NUL, at which SQLite's own text functions and its
# shell would cut it.
_to_json = compact(default=dict)


def _own_json(value: Any) -> str:
    """JSON of what Lading has found, and not of what a client sent, whose numbers stay as they are: faster."""
    return pydantic_core.to_json(value, fallback=dict).decode()


def to_milliseconds(moment: datetime) -> int:
    """Whole milliseconds since the Unix epoch, rounded down; ``moment`` is timezone-aware."""
    since = moment - _EPOCH  # whose division by a millisecond takes four times as long
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def from_milliseconds(milliseconds: int) -> datetime:
    """The inverse of ``to_milliseconds``, in UTC."""
    return _EPOCH + milliseconds * _MILLISECOND


BIRTH_COLUMNS: Final = (
    "organization_id",
    "issuer_id",
    "params",
    "created_at",
    "host",
    "request_id",
    "batch_id",
    "dedupe_albums",
    "traceparent",
)
"""The columns of an import that no transition changes."""

OUTBOX: Final = "outbox"
"""The column that a write adds to, and does not replace."""

STATE_COLUMNS: Final = (
    "id",
    "updated_at",
    "run_at",
    "due_since",
    "status",
    "image_id",
    "import_type",
    "attempts",
    "abandoned",
    "revision",
    "worker_id",
    "claim",
    "error",
    "image",
    "sealed",
    "image_deleted_at",
    "image_purged_at",
    "retried_at",
    "deleted_at",
    "duplicate",
    "leftover_at",
    "leftover_removed_at",
    "unsettled_at",
    "shared_key",
    "share",
    OUTBOX,
    "trace",
    "own_key",
)
"""The columns of an import that transitions change, and its id."""

IMPORT_COLUMNS: Final = (*BIRTH_COLUMNS, *STATE_COLUMNS)
"""All columns of an import."""


def birth_values(document: Import) -> tuple[Any, ...]:
    """The values of ``BIRTH_COLUMNS``."""
    return (
        document.organization_id,
        document.issuer_id,
        _to_json(document.params),
        to_milliseconds(document.created_at),
        document.host,
        document.request_id,
        document.batch_id,
        None if document.dedupe_albums is None else _to_json(document.dedupe_albums),
        document.traceparent,
    )


def state_values(document: Import) -> tuple[Any, ...]:
    """The values of ``STATE_COLUMNS`` for an update; for the outbox, the events to add."""
    return (
        document.id,
        to_milliseconds(document.updated_at),
        to_milliseconds(document.run_at),
        _to_milliseconds_or_none(document.due_since),
        document.status.value,
        document.image_id,
        document.import_type,
        document.attempts,
        document.abandoned,
        document.revision,
        document.worker_id,
        document.claim,
        None if document.error is None else _own_json(_fields(document.error)),
        None if document.image is None else _own_json(_fields(document.image)),
        document.sealed,
        _to_milliseconds_or_none(document.image_deleted_at),
        _to_milliseconds_or_none(document.image_purged_at),
        _to_milliseconds_or_none(document.retried_at),
        _to_milliseconds_or_none(document.deleted_at),
        None if document.duplicate is None else _own_json(_fields(document.duplicate)),
        _to_milliseconds_or_none(document.leftover_at),
        _to_milliseconds_or_none(document.leftover_removed_at),
        _to_milliseconds_or_none(document.unsettled_at),
        document.shared_key,
        document.share,
        _to_json(document.new_events) if document.new_events else None,
        _own_json(document.trace) if document.trace else None,
        document.key,
    )


def metadata_rows(document: Import) -> list[tuple[str, str, str, int, str]]:
    """The rows of ``import_metadata`` that an import has."""
    created_at = to_milliseconds(document.created_at)
    return [
        (document.organization_id, name, value, created_at, document.id) for name, value in metadata_pairs(document)
    ]


def to_import(row: sqlite3.Row | Mapping[str, Any]) -> Import:
    """The import that a row of ``imports`` holds."""
    if isinstance(row, sqlite3.Row):  # which looks through its columns for each name
        row = dict(zip(row.keys(), row, strict=True))
    return Import(
        id=row["id"],
        organization_id=row["organization_id"],
        issuer_id=row["issuer_id"],
        params=json.loads(row["params"]),
        created_at=from_milliseconds(row["created_at"]),
        updated_at=from_milliseconds(row["updated_at"]),
        run_at=from_milliseconds(row["run_at"]),
        due_since=_from_milliseconds_or_none(row["due_since"]),
        status=Status(row["status"]),
        host=row["host"],
        request_id=row["request_id"],
        image_id=row["image_id"],
        import_type=row["import_type"],
        attempts=row["attempts"],
        abandoned=row["abandoned"],
        revision=row["revision"],
        worker_id=row["worker_id"],
        claim=row["claim"],
        error=None if row["error"] is None else Failure(**json.loads(row["error"])),
        image=None if row["image"] is None else Image.of(json.loads(row["image"])),
        sealed=row["sealed"],
        image_deleted_at=_from_milliseconds_or_none(row["image_deleted_at"]),
        image_purged_at=_from_milliseconds_or_none(row["image_purged_at"]),
        batch_id=row["batch_id"],
        dedupe_albums=None if row["dedupe_albums"] is None else tuple(json.loads(row["dedupe_albums"])),
        retried_at=_from_milliseconds_or_none(row["retried_at"]),
        deleted_at=_from_milliseconds_or_none(row["deleted_at"]),
        duplicate=None if row["duplicate"] is None else Image.of(json.loads(row["duplicate"])),
        leftover_at=_from_milliseconds_or_none(row["leftover_at"]),
        leftover_removed_at=_from_milliseconds_or_none(row["leftover_removed_at"]),
        outbox=() if row["outbox"] is None else tuple(json.loads(row["outbox"])),
        trace=() if row["trace"] is None else tuple(json.loads(row["trace"])),
        traceparent=row["traceparent"],
        key=row["own_key"],
    )


def issuer_columns(issuer: Issuer) -> dict[str, Any]:
    """The columns of an issuer."""
    return {
        "id": issuer.id,
        "organization_id": issuer.organization_id,
        "key": issuer.key,
        "algorithm": issuer.algorithm.value,
        "enabled": issuer.enabled,
        "require_exp": issuer.require_exp,
        "previous_key": issuer.previous_key,
        "previous_until": _to_milliseconds_or_none(issuer.previous_until),
    }


def to_issuer(row: sqlite3.Row) -> Issuer:
    """The issuer that a row of ``issuers`` holds."""
    return Issuer(
        id=row["id"],
        organization_id=row["organization_id"],
        key=row["key"],
        algorithm=Algorithm(row["algorithm"]),
        enabled=bool(row["enabled"]),
        require_exp=bool(row["require_exp"]),
        previous_key=row["previous_key"],
        previous_until=_from_milliseconds_or_none(row["previous_until"]),
    )


def record_columns(record: Record) -> dict[str, Any]:
    """The columns of a record."""
    return {
        "kind": record.kind,
        "id": record.id,
        "owner": record.owner,
        "data": _to_json(dict(record.data)),
        "revision": record.revision,
        "created_at": to_milliseconds(record.created_at),
        "due_at": _to_milliseconds_or_none(record.due_at),
        "expires_at": _to_milliseconds_or_none(record.expires_at),
    }


def to_record(row: sqlite3.Row) -> Record:
    """The record that a row of ``records`` holds."""
    return Record(
        kind=row["kind"],
        id=row["id"],
        owner=row["owner"],
        data=json.loads(row["data"]),
        revision=row["revision"],
        created_at=from_milliseconds(row["created_at"]),
        due_at=_from_milliseconds_or_none(row["due_at"]),
        expires_at=_from_milliseconds_or_none(row["expires_at"]),
    )


def _to_milliseconds_or_none(moment: datetime | None) -> int | None:
    return None if moment is None else to_milliseconds(moment)


def _from_milliseconds_or_none(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)


def _fields(value: Failure | Image) -> dict[str, Any]:
    """The fields of a flat value; what dataclasses offers looks into each of them."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
