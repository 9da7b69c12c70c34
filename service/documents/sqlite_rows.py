"""How imports and issuers are written into the columns of ``sqlite_schema``, and read back."""

import json
import sqlite3
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from service.documents.records import Record
from service.documents.search import metadata_pairs
from service.issuers import Algorithm, Issuer
from service.models import Failure, Image, Import, Status

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_milliseconds(moment: datetime) -> int:
    """Whole milliseconds since the Unix epoch, rounded down; ``moment`` is timezone-aware."""
    return (moment - _EPOCH) // _MILLISECOND


def from_milliseconds(milliseconds: int) -> datetime:
    """The inverse of ``to_milliseconds``, in UTC."""
    return _EPOCH + milliseconds * _MILLISECOND


def birth_columns(document: Import) -> dict[str, Any]:
    """The columns of an import that no transition changes."""
    return {
        "organization_id": document.organization_id,
        "issuer_id": document.issuer_id,
        "params": _to_json(dict(document.params)),
        "created_at": to_milliseconds(document.created_at),
        "host": document.host,
        "request_id": document.request_id,
        "batch_id": document.batch_id,
    }


def state_columns(document: Import) -> dict[str, Any]:
    """The columns of an import that transitions change, and its id."""
    return {
        "id": document.id,
        "updated_at": to_milliseconds(document.updated_at),
        "run_at": to_milliseconds(document.run_at),
        "status": document.status.value,
        "image_id": document.image_id,
        "import_type": document.import_type,
        "attempts": document.attempts,
        "abandoned": document.abandoned,
        "revision": document.revision,
        "worker_id": document.worker_id,
        "error": None if document.error is None else _to_json(asdict(document.error)),
        "image": None if document.image is None else _to_json(asdict(document.image)),
        "sealed": document.sealed,
        "image_deleted_at": _to_milliseconds_or_none(document.image_deleted_at),
        "image_purged_at": _to_milliseconds_or_none(document.image_purged_at),
        "retried_at": _to_milliseconds_or_none(document.retried_at),
        "deleted_at": _to_milliseconds_or_none(document.deleted_at),
        "duplicate": None if document.duplicate is None else _to_json(asdict(document.duplicate)),
        "outbox": _to_json(document.outbox) if document.outbox else None,
        "trace": _to_json(document.trace) if document.trace else None,
    }


def metadata_rows(document: Import) -> list[tuple[str, str, str, int, str]]:
    """The rows of ``import_metadata`` that an import has."""
    created_at = to_milliseconds(document.created_at)
    return [
        (document.organization_id, name, value, created_at, document.id) for name, value in metadata_pairs(document)
    ]


def to_import(row: sqlite3.Row) -> Import:
    """The import that a row of ``imports`` holds."""
    return Import(
        id=row["id"],
        organization_id=row["organization_id"],
        issuer_id=row["issuer_id"],
        params=json.loads(row["params"]),
        created_at=from_milliseconds(row["created_at"]),
        updated_at=from_milliseconds(row["updated_at"]),
        run_at=from_milliseconds(row["run_at"]),
        status=Status(row["status"]),
        host=row["host"],
        request_id=row["request_id"],
        image_id=row["image_id"],
        import_type=row["import_type"],
        attempts=row["attempts"],
        abandoned=row["abandoned"],
        revision=row["revision"],
        worker_id=row["worker_id"],
        error=None if row["error"] is None else Failure(**json.loads(row["error"])),
        image=None if row["image"] is None else Image(**json.loads(row["image"])),
        sealed=row["sealed"],
        image_deleted_at=_from_milliseconds_or_none(row["image_deleted_at"]),
        image_purged_at=_from_milliseconds_or_none(row["image_purged_at"]),
        batch_id=row["batch_id"],
        retried_at=_from_milliseconds_or_none(row["retried_at"]),
        deleted_at=_from_milliseconds_or_none(row["deleted_at"]),
        duplicate=None if row["duplicate"] is None else Image(**json.loads(row["duplicate"])),
        outbox=() if row["outbox"] is None else tuple(json.loads(row["outbox"])),
        trace=() if row["trace"] is None else tuple(json.loads(row["trace"])),
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


def _to_json(value: Any) -> str:
    # json escapes every control character, so that the text never holds a NUL, at which SQLite's own text functions
    # and its shell would cut it.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
