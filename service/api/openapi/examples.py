"""Examples of bodies, by the name of their schema, or of one operation if the schema is not specific enough.

A test validates each example against its schema.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from .declaration import NDJSON, Schema

Examples = Mapping[str, Any]

_ORGANIZATION: Final = "194c51fb-fef1-4bdf-ab27-fed1b67cf6f1"
_IMPORT: Final = "f60ae96b-2681-4885-8437-356e9fae9f6e"
_IMAGE: Final = "5d0c1f6e-9a55-4a0c-8f4e-1f2f6a8c6d10"
_ENDPOINT: Final = "0b4b5b3c-3a10-4a86-b1a4-6f6d2a5e0c11"
_BATCH: Final = "c2b4c1de-52ef-49b1-9b0c-6d1f2f7a9e12"
_DELIVERY: Final = "9e1f7c55-7f1b-4a52-8c39-9a64c9f0aa13"
_BEGAN: Final = "2026-02-03T04:05:06.789+00:00"
_ENDED: Final = "2026-02-03T04:05:07.214+00:00"
_URL: Final = "https://example.org/photo.jpg"
_PARAMETERS: Final = {
    "album_id": "imported_album",
    "filename": "photo.jpg",
    "metadata": {"attachmentId": "00P24000003vSXsEAM"},
    "url": _URL,
}
_FACTS: Final = {
    "format": "JPEG",
    "content_type": "image/jpeg",
    "width": 1200,
    "height": 800,
    "orientation": 1,
    "frames": 1,
    "byte_size": 184213,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
_ACCEPTED: Final = {
    "id": _IMPORT,
    "organization_id": _ORGANIZATION,
    "image_id": None,
    "import_type": None,
    "album_id": "imported_album",
    "params": {**_PARAMETERS, "controller": "api/v1/imports", "action": "create"},
    "created_at": _BEGAN,
    "updated_at": _BEGAN,
}
_DONE: Final = {
    **_ACCEPTED,
    "image_id": _IMAGE,
    "import_type": "url",
    "updated_at": _ENDED,
    "status": "done",
    "attempts": 1,
    "error": None,
    "image": {**_FACTS, "storage": "local", "deleted_at": None},
}
_NOT_FOUND: Final = {"code": "origin_not_found", "detail": "The origin answered with status 404.", "retryable": False}
_FAILED: Final = {**_DONE, "image_id": None, "status": "failed", "error": _NOT_FOUND, "image": None}
_MIRROR: Final = {
    "url": _URL,
    "would_succeed": True,
    "final_url": _URL,
    "findings": [],
    "image": _FACTS,
    "error": None,
}
_ENDPOINT_SHOWN: Final = {
    "id": _ENDPOINT,
    "url": "https://example.org/hooks",
    "events": ["import.done", "import.failed"],
    "description": "The shop",
    "enabled": True,
    "disabled_reason": None,
    "created_at": _BEGAN,
    "updated_at": _BEGAN,
}
_SENT: Final = {
    "id": _DELIVERY,
    "event_id": "d3c8b0aa-5ad5-4a7e-8ff5-2c1f0de7b914",
    "type": "import.done",
    "status": "delivered",
    "created_at": _BEGAN,
    "next_attempt_at": None,
    "attempt_count": 1,
    "attempts": [{"at": _ENDED, "status": 200, "ms": 41, "error": None}],
}
_ALBUM: Final = {
    "album_id": "imported_album",
    "import_count": 12,
    "is_exact": True,
    "newest_at": "2026-02-03T04:05:06.789+01:00",
}
_ATTEMPT: Final = {
    "began_at": _BEGAN,
    "milliseconds": 412.5,
    "status": "done",
    "phases": [{"hop": 0, "name": "dns", "milliseconds": 3.2}, {"hop": 0, "name": "body", "milliseconds": 120.9}],
    "redirects": [],
    "plugin": None,
    "error": None,
}
_WISHES: Final = {"url": "https://example.org/hooks", "events": ["import.done", "import.failed"]}
_BY_SCHEMA: Final[Mapping[str, Examples]] = {
    "ImportParameters": {
        "one": _PARAMETERS,
        "mirrors": {"album_id": "imported_album", "url": [_URL, "https://mirror.example.org/photo.jpg"]},
        "bytes follow": {"album_id": "imported_album", "filename": "photo.jpg"},
    },
    "ImportParametersWithFile": {"file": {"album_id": "imported_album", "file": "(the bytes of the image)"}},
    "ImportForm": {"one": _PARAMETERS},
    "PreflightParameters": {"one": _PARAMETERS},
    "PreflightForm": {"one": _PARAMETERS},
    "AcceptedImport": {"accepted": _ACCEPTED},
    "Import": {"done": _DONE, "failed": _FAILED},
    "Deletion": {
        "bytes go later": {
            "status": "deleting",
            "detail": "It is deleted for everyone who asks. Its bytes go when an attempt that still runs has ended.",
        }
    },
    "Imports": {"page": {"imports": [_DONE, _FAILED]}},
    "Albums": {"page": {"albums": [_ALBUM, {**_ALBUM, "album_id": "press", "import_count": 1000, "is_exact": False}]}},
    "Album": {"counted": _ALBUM},
    "Trace": {"one attempt": {"id": _IMPORT, "status": "done", "trace_id": None, "attempts": [_ATTEMPT]}},
    "Preflight": {
        "would succeed": {
            "would_succeed": True,
            "grant": {"ability": "image_upload", "album_id": "imported_album", "allowed": True},
            "findings": [],
            "final_url": _URL,
            "image": _FACTS,
            "duplicates": [],
            "plugins": {"fetcher": "http", "storage": "local"},
            "error": None,
            "mirrors": [_MIRROR],
        }
    },
    "Batch": {
        "running": {
            "id": _BATCH,
            "organization_id": _ORGANIZATION,
            "created_at": _BEGAN,
            "complete": True,
            "accepted": 3,
            "replayed": 0,
            "rejected": {"json_invalid": 1},
            "not_repeatable": 0,
            "imports": {
                "waiting": 0,
                "receiving": 0,
                "queued": 1,
                "running": 0,
                "done": 1,
                "failed": 1,
                "cancelled": 0,
            },
            "failed": {"origin_not_found": 1},
        }
    },
    "Retried": {"one": {"retried": 1, "refused": {}}},
    "Image": {
        "one": {
            "id": _IMAGE,
            "import_id": _IMPORT,
            "organization_id": _ORGANIZATION,
            "album_id": "imported_album",
            "filename": "photo.jpg",
            "metadata": {"attachmentId": "00P24000003vSXsEAM"},
            **_FACTS,
            "storage": "local",
            "created_at": _BEGAN,
        }
    },
    "EndpointParameters": {"two events": _WISHES},
    "EndpointForm": {"two events": _WISHES},
    "EndpointChangesForm": {"switched off": {"enabled": "false"}},
    "EndpointChanges": {"switched off": {"enabled": False}},
    "Endpoint": {"one": _ENDPOINT_SHOWN},
    "Endpoints": {"all": {"webhooks": [_ENDPOINT_SHOWN]}},
    "Secret": {"one": {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}},
    "Delivery": {"delivered": {**_SENT, "payload": {"type": "import.done", "timestamp": _ENDED, "data": _DONE}}},
    "Deliveries": {"page": {"deliveries": [_SENT]}},
}


def _lines(*items: Any) -> str:
    return "".join(f"{json.dumps(item, separators=(',', ':'))}\n" for item in items)


_ITEMS: Final = (_PARAMETERS, {"album_id": "imported_album", "url": "https://example.org/other.png"})
_NDJSON_ITEMS: Final = {"two": _lines(*_ITEMS)}
_BYTES: Final = {"bytes": "(the bytes of the image)"}
_OFFSET_STREAM: Final = "application/offset+octet-stream"
_BY_OPERATION: Final[Mapping[tuple[str, str, str], Examples]] = {
    ("createBatch", "request", "application/x-ndjson"): _NDJSON_ITEMS,
    ("createBatch", "request", "application/ndjson"): _NDJSON_ITEMS,
    ("createBatch", "request", "application/jsonl"): _NDJSON_ITEMS,
    ("createBatch", "request", "application/json"): {"two": list(_ITEMS)},
    ("createBatch", "request", "text/csv"): {
        "two": f"imported_album;{_URL};;\nimported_album;https://example.org/other.png;red,round;\n"
    },
    ("createBatch", "answer", NDJSON): {
        "two": _lines(
            {"line": 1, "status": 200, "id": _IMPORT},
            {"line": 2, "status": 400, "code": "json_invalid", "detail": "The element is empty."},
            {"batch_id": _BATCH, "accepted": 1, "rejected": {"json_invalid": 1}, "complete": True},
        )
    },
    ("getBatchFailures", "answer", NDJSON): {"one": _lines(_PARAMETERS)},
    ("sendContent", "request", "application/octet-stream"): _BYTES,
    ("createUpload", "request", _OFFSET_STREAM): _BYTES,
    ("continueUpload", "request", _OFFSET_STREAM): _BYTES,
    ("getHealth", "answer", "application/json"): {"alive": {"status": "ok"}},
    ("getReadiness", "answer", "application/json"): {"ready": {"status": "ready"}},
}


def examples_of(schema: Schema, media_type: str, part: str, operation: str) -> Examples:
    """Examples of a body, by their names.

    Args:
        schema: of the body.
        media_type: of the body.
        part: ``request`` or ``answer``.
        operation: its id.
    """
    own = _BY_OPERATION.get((operation, part, media_type))
    if own is not None:
        return own
    found: dict[str, Any] = {}
    for one in schema.get("anyOf", [schema]):
        found |= _BY_SCHEMA.get(one.get("$ref", "").rpartition("/")[2], {})
    return found
