"""The form of imports and issuers as MongoDB documents, and the way back.

``params`` is JSON text: keys that clients chose (``$set``, ``a.b``, with NUL, empty) come back unchanged, and never
become keys of a MongoDB document, where they could act as operators or paths.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from ...models import Failure, Image, Import, Status
from ...models.compact import compact
from ...models.issuers import Algorithm, Issuer
from ..records import Record
from ..search import metadata_pairs

_JSON = compact()
"""Made once: ``json.dumps`` makes one for each call that wants no spaces."""


def text(value: str) -> str:
    """The value, where it is text: a mapping in its place would act as operators of a query.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, str):
        raise TypeError(f"text is needed, not {type(value).__name__}")
    return str(value)


def birth_fields(document: Import) -> dict[str, Any]:
    """The fields of an import that no transition replaces."""
    return {
        "_id": text(document.id),
        "organization_id": text(document.organization_id),
        "issuer_id": text(document.issuer_id),
        "params": _JSON(dict(document.params)),
        "created_at": document.created_at,
        "host": document.host,
        "request_id": document.request_id,
        **search_fields(document),
        **({} if document.dedupe_albums is None else {"dedupe_albums": list(document.dedupe_albums)}),
        **({} if document.traceparent is None else {"traceparent": document.traceparent}),
        "events": event_fields((*document.outbox, *document.new_events)),
    }


def event_fields(events: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Events of an outbox: by their ids, and as text, since what they tell has keys that clients chose."""
    return [{"id": text(event["id"]), "event": json.dumps(event, ensure_ascii=False)} for event in events]


def search_fields(document: Import) -> dict[str, Any]:
    """The fields by which alone an import is found, of what no transition changes."""
    pairs = [metadata_pair(name, value) for name, value in metadata_pairs(document)]
    fields: dict[str, Any] = {"album_id": document.album_id, "batch_id": document.batch_id}
    return {**fields, "metadata_pairs": pairs} if pairs else fields


def metadata_pair(name: str, value: str) -> str:
    """A name and a text of the metadata as one text."""
    return _JSON([text(name), text(value)])


def state_fields(document: Import) -> dict[str, Any]:
    """The fields of an import that transitions change."""
    return {
        "updated_at": document.updated_at,
        "run_at": document.run_at,
        "due_since": document.due_since,
        "status": document.status.value,
        "image_id": document.image_id,
        "import_type": document.import_type,
        "attempts": document.attempts,
        "abandoned": document.abandoned,
        "revision": document.revision,
        "worker_id": document.worker_id,
        "claim": document.claim,
        "error": None if document.error is None else asdict(document.error),
        "image": None if document.image is None else asdict(document.image),
        "sealed": document.sealed,
        "image_deleted_at": document.image_deleted_at,
        "image_purged_at": document.image_purged_at,
        "stored_bytes": document.stored_bytes,
        "retried_at": document.retried_at,
        "deleted_at": document.deleted_at,
        "duplicate": None if document.duplicate is None else asdict(document.duplicate),
        "leftover_at": document.leftover_at,
        "leftover_removed_at": document.leftover_removed_at,
        **share_fields(document),
        "trace": json.dumps(document.trace, ensure_ascii=False) if document.trace else None,
        **({} if document.key is None else {"own_key": document.key}),
    }


def share_fields(document: Import) -> dict[str, Any]:
    """The only fields that find pending removals and shared objects."""
    return {
        "unsettled_at": document.unsettled_at,
        "shared_key": document.shared_key,
        "share": None if document.share is None else document.share.value,
    }


def to_import(found: Mapping[str, Any]) -> Import:
    """The import that a document of ``imports`` holds."""
    return Import(
        id=found["_id"],
        organization_id=found["organization_id"],
        issuer_id=found["issuer_id"],
        params=json.loads(found["params"]),
        created_at=found["created_at"],
        updated_at=found["updated_at"],
        run_at=found["run_at"],
        status=Status(found["status"]),
        host=found["host"],
        request_id=found["request_id"],
        image_id=found["image_id"],
        import_type=found["import_type"],
        attempts=int(found["attempts"]),
        abandoned=int(found["abandoned"]),
        revision=int(found["revision"]),
        worker_id=found["worker_id"],
        error=None if found["error"] is None else Failure(**found["error"]),
        image=None if found["image"] is None else _to_image(found["image"]),
        sealed=found.get("sealed"),  # documents of earlier versions lack this and what follows
        image_deleted_at=found.get("image_deleted_at"),
        image_purged_at=found.get("image_purged_at"),
        claim=found.get("claim"),
        batch_id=found.get("batch_id"),
        dedupe_albums=None if found.get("dedupe_albums") is None else tuple(found["dedupe_albums"]),
        retried_at=found.get("retried_at"),
        due_since=found.get("due_since"),
        deleted_at=found.get("deleted_at"),
        duplicate=None if found.get("duplicate") is None else _to_image(found["duplicate"]),
        leftover_at=found.get("leftover_at"),
        leftover_removed_at=found.get("leftover_removed_at"),
        outbox=tuple(json.loads(one["event"]) for one in found.get("events", ())),
        trace=tuple(json.loads(found["trace"])) if found.get("trace") else (),
        traceparent=found.get("traceparent"),
        key=found.get("own_key"),
    )


def record_fields(record: Record) -> dict[str, Any]:
    """The document of a record."""
    return {
        "_id": record_key(record.kind, record.id),
        "kind": text(record.kind),
        "id": text(record.id),
        "owner": text(record.owner),
        "data": _JSON(dict(record.data)),
        "revision": record.revision,
        "created_at": record.created_at,
        "due_at": record.due_at,
        "expires_at": record.expires_at,
    }


def record_key(kind: str, record_id: str) -> str:
    """The ``_id`` of a record."""
    return f"{text(kind)}/{text(record_id)}"


def to_record(found: Mapping[str, Any]) -> Record:
    """The record that a document of ``records`` holds."""
    return Record(
        kind=found["kind"],
        id=found["id"],
        owner=found["owner"],
        data=json.loads(found["data"]),
        revision=int(found["revision"]),
        created_at=found["created_at"],
        due_at=found["due_at"],
        expires_at=found["expires_at"],
    )


def issuer_fields(issuer: Issuer) -> dict[str, Any]:
    """The document of an issuer. Its key is called ``secret``, as it was when there were no public keys."""
    return {
        "_id": text(issuer.id),
        "organization_id": issuer.organization_id,
        "secret": issuer.key,
        "algorithm": issuer.algorithm.value,
        "enabled": issuer.enabled,
        "require_exp": issuer.require_exp,
        "previous_secret": issuer.previous_key,
        "previous_until": issuer.previous_until,
    }


def rotated_issuer_fields(key: str, keep_until: datetime | None) -> dict[str, Any]:
    """What the ``$set`` of an update's pipeline makes of an issuer's keys; see ``DocumentStore.rotate_issuer``."""
    return {
        "secret": {"$literal": text(key)},
        "previous_secret": None if keep_until is None else "$secret",
        "previous_until": keep_until,
    }


def to_issuer(found: Mapping[str, Any]) -> Issuer:
    """The issuer that a document of ``issuers`` holds."""
    return Issuer(
        id=found["_id"],
        organization_id=found["organization_id"],
        key=found["secret"],
        algorithm=Algorithm(found["algorithm"]),
        enabled=found["enabled"],
        require_exp=found["require_exp"],
        previous_key=found.get("previous_secret"),  # documents of earlier versions lack both
        previous_until=found.get("previous_until"),
    )


def _to_image(found: Mapping[str, Any]) -> Image:
    # A whole number beyond 32 bits arrives as a class of the driver's own.
    return Image.of({**found, "byte_size": int(found["byte_size"])})
