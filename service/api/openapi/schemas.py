"""The documents of the API as JSON Schema 2020-12, by their names in the description."""

from collections.abc import Mapping
from typing import Final

from ...documents.search import MAX_COUNTED
from ...imports.validation import ParamRules, parameters_schema
from ...models import Status
from ...webhooks.endpoint_params import WISHES
from .declaration import Schema, reference

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
    "orientation": {"type": ["integer", "null"], "minimum": 1, "maximum": 8},
    "frames": COUNT,
    "byte_size": COUNT,
    "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
}
_OPTIONAL_FACTS: Final[Mapping[str, Schema]] = {
    "source_sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "facts": {"type": "object", "additionalProperties": {"type": "object"}},
}
"""Of images that processors have changed, or know something about."""
_NOTES: Final[Schema] = {"type": "array", "items": {"type": "string"}}
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


def in_form(schema: Schema) -> Schema:
    """The schema for a form, whose parameters cannot be null."""
    found = dict(schema)
    if isinstance(found.get("type"), list):
        found["type"] = next(one for one in found["type"] if one != "null")
    if "enum" in found:
        found["enum"] = [one for one in found["enum"] if isinstance(one, str)]
    if "anyOf" in found:
        found["anyOf"] = [in_form(one) for one in found["anyOf"] if one.get("type") != "null"]
    if "properties" in found:
        found["properties"] = {name: in_form(one) for name, one in found["properties"].items()}
    return found


def schemas(rules: ParamRules, upload_max_bytes: int) -> Mapping[str, Schema]:
    """Every schema.

    Args:
        rules: limits on the parameters of an import.
        upload_max_bytes: the largest size of an upload.
    """
    parameters = parameters_schema(rules)
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
        "Deletion": _object({"status": {"const": "deleting"}, "detail": {"type": "string"}}),
        "State": _object({"status": {"enum": ["ok", "ready"]}}),
        "ImportParameters": parameters,
        "ImportForm": in_form(parameters),
        "ImportParametersWithFile": in_form({**parameters, "properties": with_file}),
        "PreflightParameters": {**parameters, "required": ["url"]},
        "PreflightForm": in_form({**parameters, "required": ["url"]}),
        "AcceptedImport": _object(_ACCEPTED),
        "ImageFacts": _object(_FACTS, **_OPTIONAL_FACTS),
        "ImportImage": _object(
            {**_FACTS, "storage": {"type": "string"}, "deleted_at": TIME_OR_NULL},
            duplicate_of=UUID,
            notes=_NOTES,
            **_OPTIONAL_FACTS,
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
        "Albums": _object({"albums": {"type": "array", "items": reference("Album")}}),
        "Album": _object(
            {
                "album_id": {"type": "string"},
                "import_count": {**COUNT, "maximum": MAX_COUNTED},
                "is_exact": FLAG,
                "newest_at": TIME,
            }
        ),
        "Trace": _object(
            {
                "id": UUID,
                "status": STATUS,
                "trace_id": {"type": ["string", "null"], "pattern": "^[0-9a-f]{32}$"},
                "attempts": {"type": "array", "items": {"type": "object"}},
            },
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
                "not_repeatable": COUNT,
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
            },
            notes=_NOTES,
            **_OPTIONAL_FACTS,
        ),
        "UploadLength": {"type": "integer", "minimum": 1, "maximum": upload_max_bytes},
        "EndpointParameters": {**WISHES, "required": ["url"]},
        "EndpointChanges": WISHES,
        "EndpointForm": in_form({**WISHES, "required": ["url"]}),
        "EndpointChangesForm": in_form(WISHES),
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
