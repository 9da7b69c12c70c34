"""An event: its type, its id and its body."""

import uuid
from collections.abc import Mapping
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any, Final

from ..models import Import, Status
from ..models.representation import detailed, timestamp

_NAMESPACE: Final = uuid.UUID("6d2b3b0e-5a0c-4f0e-9c55-1c1f4c2f8f3a")
_LONGEST_DATA_URL: Final = 256


class EventType(StrEnum):
    """What happened."""

    IMPORT_DONE = "import.done"
    IMPORT_FAILED = "import.failed"
    IMPORT_CANCELLED = "import.cancelled"
    IMPORT_DELETED = "import.deleted"
    IMAGE_DELETED = "image.deleted"
    PING = "ping"
    """A test of an endpoint."""


_ENDS: Final = {
    Status.DONE: EventType.IMPORT_DONE,
    Status.FAILED: EventType.IMPORT_FAILED,
    Status.CANCELLED: EventType.IMPORT_CANCELLED,
}


def event_type_of(before: Import, after: Import) -> EventType | None:
    """The type of the event that a transition makes true; None if the transition is no event."""
    if after.deleted_at is not None and before.deleted_at is None:
        return EventType.IMPORT_DELETED
    if after.status.is_final and after.status is not before.status:
        return _ENDS[after.status]
    if after.status is Status.DONE and after.image_deleted_at is not None and before.image_deleted_at is None:
        return EventType.IMAGE_DELETED
    return None


def event_id(document: Import) -> str:
    """The id of the event that the write of this revision makes true, always the same for the same revision."""
    return f"evt_{uuid.uuid5(_NAMESPACE, f'{document.id}:{document.revision}').hex}"


def event(kind: EventType, data: Mapping[str, Any], moment: datetime, timezone: tzinfo) -> dict[str, Any]:
    """The body of a request, before encoding: ``type``, ``timestamp`` and ``data`` of Standard Webhooks."""
    return {"type": kind.value, "timestamp": timestamp(moment, timezone), "data": dict(data)}


def about(document: Import, timezone: tzinfo) -> dict[str, Any]:
    """The import as ``GET /api/v1/imports/{id}`` shows it, with a long ``data:`` url cut short."""
    shown = detailed(document, timezone)
    params = shown["params"]
    url = params.get("url")
    if isinstance(url, str) and len(url) > _LONGEST_DATA_URL and url[:5].lower() == "data:":
        shown["params"] = {**params, "url": f"{url[:_LONGEST_DATA_URL]}…"}
    return shown
