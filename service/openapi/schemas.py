"""What documents look like, as JSON Schema 2020-12, by their names in the description."""

from collections.abc import Mapping
from typing import Any, Final

from service.dedupe import SCOPES
from service.expectations import RULES
from service.models import Status
from service.openapi.operation import Schema, reference
from service.validation import MAX_URLS
from service.webhooks.endpoints import ALL, EVENT_NAMES
from service.webhooks.wishes import MAX_DESCRIPTION

UUID: Final[Schema] = {"type": "string", "minLength": 1}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
TEXT_OR_NULL: Final[Schema] = {"type": ["string", "null"]}
UUID_OR_NULL: Final[Schema] = {"type": ["string", "null"]}
TIME_OR_NULL: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
FLAG: Final[Schema] = {"type": "boolean"}
COUNTS: Final[Schema] = {"type": "object", "additionalProperties": COUNT}
STATUS: Final[Schema] = {"type": "string", "enum": [status.value for status in Status]}


def _object(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": {**required, **optional}}


def _nullable(name: str) -> Schema:
    return {"anyOf": [reference(name), {"type": "null"}]}


_FACTS: Final[Mapping[str, Schema]] = {
    "format": {"type": "string"},
    "content_type": {"type": "string"},
    "width": COUNT,
    "height": COUNT,
    "frames": COUNT,
    "byte_size": COUNT,
    "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
}
_ACCEPTED: Final[Mapping[str, Schema]] = {
    "id": UUID,
    "organization_id": UUID,
    "image_id": UUID_OR_NULL,
    "import_type": TEXT_OR_NULL,
    "album_id": TEXT_OR_NULL,
    "params": {"type": "object"},
    "created_at": TIME,
    "updated_at": TIME,
}
_DELIVERY: Final[Mapping[str, Schema]] = {
    "id": UUID,
    "event_id": UUID,
    "type": {"type": "string"},
    "status": {"type": "string", "enum": ["pending", "delivered", "failed"]},
    "created_at": TIME,
    "next_attempt_at": TIME_OR_NULL,
    "attempt_count": COUNT,
    "attempts": {"type": "array", "items": {"type": "object"}},
}
_URL: Final[Schema] = {"type": "string", "minLength": 1, "examples": ["https://example.org/photo.jpg"]}


_WISHES: Final[Schema] = {
    "type": "object",
    "properties": {
        "url": {"anyOf": [_URL, {"type": "null"}]},
        "events": {"type": ["array", "null"], "items": {"enum": [ALL, *EVENT_NAMES]}, "minItems": 1},
        "description": {"type": ["string", "null"], "maxLength": MAX_DESCRIPTION},
        "enabled": {"type": ["boolean", "null"]},
    },
    "additionalProperties": False,
}


def import_parameters(limits: Mapping[str, int]) -> Schema:
    """The parameters of an import, as ``service.validation`` judges them.

    Args:
        limits: bytes: ``metadata``, ``filename``, ``album_id``, ``upload``.
    """
    metadata = {
        "type": ["object", "null"],
        "description": f"Kept and returned as sent; at most {limits['metadata']} bytes of JSON.",
    }
    expect: dict[str, Any] = {}
    for name, rule in RULES.items():
        text: Schema = {"type": "string", "pattern": f"^({rule.pattern.pattern})$", "description": rule.form}
        expect[name] = {"anyOf": [text, COUNT]} if name.startswith(("min_", "max_")) else text
    return {
        "type": "object",
        "description": "Other parameters are kept and returned as sent.",
        "properties": {
            "album_id": {**TEXT_OR_NULL, "maxLength": limits["album_id"], "description": "Album of the image."},
            "filename": {**TEXT_OR_NULL, "maxLength": limits["filename"], "description": "Name of the image."},
            "url": {
                "anyOf": [
                    _URL,
                    {"type": "array", "items": _URL, "minItems": 1, "maxItems": MAX_URLS},
                    {"type": "null"},
                ],
                "description": "What to import; several are mirrors. Without it, the import waits for its bytes.",
            },
            "metadata": metadata,
            "metadatas": metadata,
            "headers": {
                "type": ["object", "null"],
                "additionalProperties": {"type": "string"},
                "description": "Request headers for the fetch; never shown again.",
            },
            "tags": {"description": "Kept and returned as sent."},
            "import_type": {**TEXT_OR_NULL, "description": "`url`, `data`, `upload`, or a fetcher's own; no effect."},
            "webhook": {
                "type": ["object", "null"],
                "required": ["url"],
                "properties": {"url": _URL},
                "description": "Where the end of this import is told.",
            },
            "dedupe": {"enum": [*SCOPES, None], "description": "Where an image with the same bytes will do."},
            "expect": {
                "type": ["object", "null"],
                "properties": expect,
                "additionalProperties": False,
                "description": "What the image has to be; what is not met fails the import.",
            },
        },
    }


def schemas(limits: Mapping[str, int]) -> Mapping[str, Schema]:
    """Every schema; for ``limits`` see ``import_parameters``."""
    parameters = import_parameters(limits)
    with_file = {**parameters["properties"], "file": {"type": "string", "contentMediaType": "image/*"}}
    return {
        "Problem": _object(
            {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer", "minimum": 400, "maximum": 599},
                "detail": {"type": "string"},
                "code": {"type": "string"},
                "request_id": {"type": "string"},
            },
            parameter={"type": "string"},
        ),
        "ImportParameters": parameters,
        "ImportParametersWithFile": {**parameters, "properties": with_file},
        "PreflightParameters": {**parameters, "required": ["url"]},
        "AcceptedImport": _object(_ACCEPTED),
        "ImageFacts": _object(_FACTS),
        "ImportImage": _object(
            {**_FACTS, "storage": {"type": "string"}, "deleted_at": TIME_OR_NULL}, duplicate_of=UUID
        ),
        "ImportError": _object({"code": {"type": "string"}, "detail": {"type": "string"}, "retryable": FLAG}),
        "Import": _object(
            {
                **_ACCEPTED,
                "status": STATUS,
                "attempts": COUNT,
                "error": _nullable("ImportError"),
                "image": _nullable("ImportImage"),
            }
        ),
        "Imports": _object({"imports": {"type": "array", "items": reference("Import")}}),
        "Trace": _object(
            {"id": UUID, "status": STATUS, "attempts": {"type": "array", "items": {"type": "object"}}},
        ),
        "Preflight": _object(
            {
                "would_succeed": FLAG,
                "grant": {"type": "object"},
                "findings": {"type": "array", "items": {"type": "object"}},
                "final_url": TEXT_OR_NULL,
                "image": _nullable("ImageFacts"),
                "duplicates": {"type": "array", "items": UUID},
                "plugins": {"type": ["object", "null"]},
                "error": {"type": ["object", "null"]},
                "mirrors": {"type": "array", "items": reference("Mirror")},
            }
        ),
        "Mirror": _object(
            {
                "url": TEXT_OR_NULL,
                "would_succeed": FLAG,
                "final_url": TEXT_OR_NULL,
                "findings": {"type": "array", "items": {"type": "object"}},
                "image": _nullable("ImageFacts"),
                "error": {"type": ["object", "null"]},
            }
        ),
        "Batch": _object(
            {
                "id": UUID,
                "organization_id": UUID,
                "created_at": TIME,
                "complete": FLAG,
                "accepted": COUNT,
                "replayed": COUNT,
                "rejected": COUNTS,
                "imports": COUNTS,
                "failed": COUNTS,
            }
        ),
        "Retried": _object({"retried": COUNT, "refused": COUNTS}),
        "Image": _object(
            {
                "id": UUID,
                "import_id": UUID,
                "organization_id": UUID,
                "album_id": TEXT_OR_NULL,
                "filename": TEXT_OR_NULL,
                "metadata": {"type": ["object", "null"]},
                **_FACTS,
                "storage": {"type": "string"},
                "created_at": TIME,
            }
        ),
        "UploadLength": {"type": "integer", "minimum": 1, "maximum": limits["upload"]},
        "EndpointParameters": {**_WISHES, "required": ["url"]},
        "EndpointChanges": _WISHES,
        "Endpoint": _object(
            {
                "id": UUID,
                "url": {"type": "string"},
                "events": {"type": "array", "items": {"type": "string"}},
                "description": {"type": "string"},
                "enabled": FLAG,
                "disabled_reason": TEXT_OR_NULL,
                "created_at": TIME,
                "updated_at": TIME,
            },
            secret={"type": "string"},
        ),
        "Endpoints": _object({"webhooks": {"type": "array", "items": reference("Endpoint")}}),
        "Secret": _object({"secret": {"type": "string"}}),
        "Delivery": _object(_DELIVERY, payload={"type": "object"}),
        "Deliveries": _object({"deliveries": {"type": "array", "items": reference("Delivery")}}),
    }
