"""Documents as JSON: the eight keys of an accepted import, the further keys of a later answer, and images."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from . import Image, Import
from .compact import compact
from .redaction import filtered

_JSON = compact(allow_nan=False)


def accepted(document: Import, timezone: tzinfo, params: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to ``POST /api/v1/imports``: eight keys in the order of the contract, and ``params`` as given."""
    created_at = timestamp(document.created_at, timezone)
    is_new = document.updated_at == document.created_at
    return {
        "id": document.id,
        "organization_id": document.organization_id,
        "image_id": document.image_id,
        "import_type": document.import_type,
        "album_id": document.album_id,
        "params": params,
        "created_at": created_at,
        "updated_at": created_at if is_new else timestamp(document.updated_at, timezone),
    }


def detailed(document: Import, timezone: tzinfo) -> dict[str, Any]:
    """The answer to ``GET /api/v1/imports/{id}``: the same eight keys, then state, error and image.

    Any token of the organisation may read this, so it shows no secret of the client.
    """
    return {
        **accepted(document, timezone, filtered(document.params)),  # an earlier version kept secrets
        "status": document.status.value,
        "attempts": document.attempts,
        "error": _error(document),
        "image": _image(document, timezone),
    }


def timestamp(moment: datetime, timezone: tzinfo) -> str:
    """ISO 8601 with milliseconds and a numeric offset, also for UTC."""
    return moment.astimezone(timezone).isoformat(timespec="milliseconds")


def encode(value: Any) -> bytes:
    """Compact JSON in UTF-8, keys in their order."""
    return _JSON(value).encode()


def _error(document: Import) -> dict[str, Any] | None:
    error = document.error
    if error is None:
        return None
    return {"code": error.code, "detail": error.detail, "retryable": error.retryable}


def _image(document: Import, timezone: tzinfo) -> dict[str, Any] | None:
    deleted_at = document.image_deleted_at
    deleted = {"deleted_at": None if deleted_at is None else timestamp(deleted_at, timezone)}
    if document.duplicate is not None:
        if not document.status.is_final:
            return None
        return {**image_facts(document.duplicate), **deleted, "duplicate_of": document.duplicate.import_id}
    return None if document.image is None else {**image_facts(document.image), **deleted}


def image_facts(image: Image) -> dict[str, Any]:
    """The facts about an image."""
    return {
        "format": image.format,
        "content_type": image.content_type,
        "width": image.width,
        "height": image.height,
        "orientation": image.orientation,
        "frames": image.frames,
        "byte_size": image.byte_size,
        "sha256": image.sha256,
        "storage": image.storage,
        **({"notes": list(image.notes)} if image.notes else {}),
        # Without processors no document has these, so that it is what it was before there were any.
        **({} if image.source_sha256 is None else {"source_sha256": image.source_sha256}),
        **({"facts": image.facts} if image.facts else {}),
    }
