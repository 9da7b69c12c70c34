"""Every operation of the API. ``service.openapi.operation`` says how one is declared."""

from collections.abc import Mapping, Sequence
from typing import Final

from service.batches.items import READERS
from service.listing import DEFAULT_LIMIT, MAX_LIMIT
from service.openapi.operation import JSON, NDJSON, STRING, Operation, Parameter, Schema, json_of, reference
from service.openapi.schemas import STATUS
from service.webhooks.deliveries import DeliveryStatus

FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
BINARY: Final[Schema] = {"type": "string", "format": "binary"}

_BODY: Final = ("unsupported_media_type", "params_invalid_encoding", "params_conflict", "params_too_deep")
_BODY_ERRORS: Final = (
    *(*_BODY, "params_too_many", "json_invalid", "json_not_an_object", "json_duplicate_key", "json_number_invalid"),
    *("multipart_invalid", "request_body_too_large", "request_timeout", "parameter_invalid"),
)
_QUERY_ERRORS: Final = ("params_invalid_encoding", "params_conflict", "params_too_deep", "params_too_many")
_SOURCE_ERRORS: Final = (
    *("url_invalid", "url_scheme_missing", "url_scheme_not_allowed", "url_port_not_allowed", "host_not_allowed"),
    *("header_not_allowed", "address_not_allowed", "data_url_invalid"),
)
_CREATE_ERRORS: Final = (
    *(*_BODY_ERRORS, *_SOURCE_ERRORS, "forbidden", "backlog_full", "quota_exceeded", "rate_limited"),
)
_CONTENT_ERRORS: Final = (
    *("content_missing", "too_many_uploads", "not_an_image", "image_corrupt", "image_too_complex"),
    *("format_not_allowed", "image_not_supported", "side_too_long", "too_many_pixels", "too_many_frames"),
    *("detector_crashed", "deadline_exceeded", "plugin_fault", "plugin_blocked", "storage_unavailable"),
    *("storage_full", "storage_denied", "storage_quota_exceeded", "expectation_failed"),
)
_LIMIT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
_CURSOR: Final = Parameter("cursor", {"type": "string", "minLength": 1}, "From the `Link` of the page before.")
_WAIT: Final = Parameter(
    "Prefer", {"type": "string", "examples": ["wait=20"]}, "Answer when the import is final.", "header"
)
_TUS: Final = Parameter("Tus-Resumable", {"type": "string", "const": "1.0.0"}, "Version.", "header", is_required=True)
_PARAMETERS: Final[Mapping[str, Schema]] = {
    JSON: reference("ImportParameters"),
    FORM: reference("ImportParameters"),
    MULTIPART: reference("ImportParametersWithFile"),
}
_TEXT: Final[Schema] = {"type": "string", "minLength": 1}
_KEY: Final[Schema] = {"type": "string", "pattern": "^[0-9A-Za-z-]{1,255}$"}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}

_IMPORTS: Final = (
    Operation(
        "post",
        "/api/v1/imports",
        "createImport",
        "Imports",
        "Import an image.",
        "Answers at once with the import's document; the image is fetched, recognised and stored behind it.",
        (
            Parameter("Idempotency-Key", _KEY, "The same key makes one import.", "header"),
            _WAIT,
        ),
        _PARAMETERS,
        answers={200: {JSON: {"anyOf": [reference("AcceptedImport"), reference("Import")]}}},
        errors=(
            *_CREATE_ERRORS,
            *_CONTENT_ERRORS,
            *("idempotency_key_invalid", "idempotency_in_progress", "idempotency_key_reused"),
            *("file_part_not_supported", "content_in_progress", "content_not_expected"),
        ),
    ),
    Operation(
        "get",
        "/api/v1/imports",
        "listImports",
        "Imports",
        "List imports, the newest first.",
        "`Link` leads to the next page; a page may be short and have a next one.",
        (
            Parameter("album_id", _TEXT, "Those of an album."),
            Parameter("status", STATUS, "Those in a state."),
            Parameter("created_after", _TIME, "Those created then or later."),
            Parameter("created_before", _TIME, "Those created before."),
            Parameter(
                "metadata",
                {"type": "object", "additionalProperties": STRING, "minProperties": 1, "maxProperties": 1},
                "Those with this text in their metadata.",
                is_object=True,
            ),
            Parameter("batch_id", {**_TEXT, "maxLength": 64}, "Those of a batch."),
            Parameter("limit", _LIMIT, "Imports of a page."),
            _CURSOR,
        ),
        answers={200: json_of("Imports")},
        errors=(*_QUERY_ERRORS, "parameter_invalid", "forbidden"),
    ),
    Operation(
        "post",
        "/api/v1/imports/preflight",
        "preflightImport",
        "Imports",
        "Say whether an import would succeed; nothing is stored.",
        bodies={JSON: reference("PreflightParameters"), FORM: reference("PreflightParameters")},
        is_body_required=True,
        answers={200: json_of("Preflight")},
        errors=(*_CREATE_ERRORS, "too_many_uploads", "file_part_not_supported"),
    ),
    Operation(
        "get",
        "/api/v1/imports/{import_id}",
        "getImport",
        "Imports",
        "Show an import.",
        parameters=(_WAIT,),
        answers={200: json_of("Import")},
        errors=("not_found",),
    ),
    Operation(
        "delete",
        "/api/v1/imports/{import_id}",
        "deleteImport",
        "Imports",
        "Delete an import with its image.",
        answers={204: {}},
        errors=("not_found", "forbidden", "image_elsewhere", "image_unavailable"),
    ),
    Operation(
        "post",
        "/api/v1/imports/{import_id}/cancel",
        "cancelImport",
        "Imports",
        "Cancel an import that is not final.",
        answers={200: json_of("Import")},
        errors=("not_found", "forbidden", "not_cancellable"),
    ),
    Operation(
        "post",
        "/api/v1/imports/{import_id}/retry",
        "retryImport",
        "Imports",
        "Try a failed or cancelled import anew.",
        answers={200: json_of("Import")},
        errors=("not_found", "forbidden", "not_retryable", "secrets_dropped", "still_stopping", "backlog_full"),
    ),
    Operation(
        "get",
        "/api/v1/imports/{import_id}/trace",
        "traceImport",
        "Imports",
        "Show what the attempts at an import did.",
        answers={200: json_of("Trace")},
        errors=("not_found",),
    ),
    Operation(
        "get",
        "/api/v1/imports/{import_id}/events",
        "watchImport",
        "Events",
        "Follow an import to its end, as server-sent events.",
        parameters=(Parameter("Last-Event-ID", STRING, "Of the last event that is known.", "header"),),
        answers={200: {"text/event-stream": {}}, 204: {}},
        errors=("not_found", "too_many_streams"),
    ),
    Operation(
        "get",
        "/api/v1/events",
        "watchAlbums",
        "Events",
        "Follow the imports of an album, or of all, as server-sent events.",
        parameters=(
            Parameter("album_id", STRING, "The album."),
            Parameter("Last-Event-ID", STRING, "Of the last event that is known.", "header"),
        ),
        answers={200: {"text/event-stream": {}}},
        errors=("forbidden", "too_many_streams"),
    ),
    Operation(
        "put",
        "/api/v1/imports/{import_id}/content",
        "sendContent",
        "Uploads",
        "Send the bytes of a waiting import.",
        bodies={"application/octet-stream": BINARY},
        is_body_required=True,
        answers={200: json_of("Import")},
        errors=(
            *("not_found", "forbidden", "content_in_progress", "content_not_expected", "request_body_too_large"),
            *("request_timeout", "quota_exceeded", *_CONTENT_ERRORS),
        ),
    ),
)

_BATCHES: Final = (
    Operation(
        "post",
        "/api/v1/imports/batch",
        "createBatch",
        "Batches",
        "Import many images.",
        "Answers while it reads: a line for each item, and one that sums up.",
        bodies={
            **{media_type: {} for media_type in READERS},
            JSON: {"type": "array", "items": reference("ImportParameters")},
        },
        is_body_required=True,
        answers={200: {NDJSON: STRING}},
        errors=(
            "unsupported_media_type",
            "request_body_too_large",
            "request_timeout",
            "rate_limited",
            "too_many_uploads",
        ),
    ),
    Operation(
        "get",
        "/api/v1/batches/{batch_id}",
        "getBatch",
        "Batches",
        "Sum a batch up.",
        answers={200: json_of("Batch")},
        errors=("not_found",),
    ),
    Operation(
        "get",
        "/api/v1/batches/{batch_id}/failures",
        "getBatchFailures",
        "Batches",
        "Download what has failed, as a batch that can be posted again.",
        answers={200: {NDJSON: STRING}},
        errors=("not_found",),
    ),
    Operation(
        "post",
        "/api/v1/batches/{batch_id}/retry",
        "retryBatch",
        "Batches",
        "Retry what has failed.",
        answers={200: json_of("Retried")},
        errors=("not_found",),
    ),
)

_IMAGES: Final = (
    Operation(
        "get",
        "/api/v1/images/{image_id}",
        "getImage",
        "Images",
        "Show an image's document.",
        answers={200: json_of("Image")},
        errors=("not_found", "image_deleted"),
    ),
    Operation(
        "delete",
        "/api/v1/images/{image_id}",
        "deleteImage",
        "Images",
        "Delete an image.",
        answers={204: {}},
        errors=("not_found", "forbidden", "image_elsewhere", "image_unavailable"),
    ),
    Operation(
        "get",
        "/api/v1/images/{image_id}/content",
        "getImageContent",
        "Images",
        "Get the bytes of an image.",
        "Ranges and conditions are those of RFC 9110.",
        (
            Parameter("Range", STRING, "Parts of the image.", "header"),
            Parameter("If-None-Match", STRING, "Versions that are known.", "header"),
        ),
        answers={200: {"*/*": BINARY}, 206: {"*/*": BINARY}, 302: {}, 304: {}},
        errors=(
            *("not_found", "forbidden", "image_deleted", "precondition_failed", "range_not_satisfiable"),
            *("image_lost", "image_elsewhere", "image_unavailable", "too_many_downloads"),
        ),
    ),
)

_UPLOAD: Final = "/api/v1/uploads/{upload_id}"
_OFFSET: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1}
_UPLOADS: Final = (
    Operation(
        "post",
        "/api/v1/uploads",
        "createUpload",
        "Uploads",
        "Begin an upload that can be resumed (tus 1.0).",
        parameters=(
            _TUS,
            Parameter("Upload-Length", {**_OFFSET, "minimum": 1}, "Bytes of the image.", "header", is_required=True),
            Parameter("Upload-Metadata", STRING, "Parameters of the import.", "header"),
        ),
        answers={201: {}},
        errors=(
            *("header_invalid", "tus_version_unsupported", "upload_metadata_invalid", *_CREATE_ERRORS),
            "content_missing",
        ),
    ),
    Operation(
        "options",
        "/api/v1/uploads",
        "describeUploads",
        "Uploads",
        "Say what uploads can do.",
        answers={204: {}},
        is_open=True,
    ),
    Operation(
        "head",
        _UPLOAD,
        "getUploadOffset",
        "Uploads",
        "Say how far an upload has come.",
        parameters=(_TUS,),
        answers={200: {}},
        errors=(
            *("not_found", "forbidden", "upload_gone", "tus_version_unsupported", "content_in_progress"),
            *("content_not_expected", *_CONTENT_ERRORS),
        ),
    ),
    Operation(
        "patch",
        _UPLOAD,
        "continueUpload",
        "Uploads",
        "Send bytes of an upload.",
        parameters=(
            _TUS,
            Parameter("Upload-Offset", _OFFSET, "How far it has come.", "header", is_required=True),
            Parameter("Upload-Checksum", STRING, "Of these bytes: `sha1 BASE64`.", "header"),
        ),
        bodies={"application/offset+octet-stream": BINARY},
        is_body_required=True,
        answers={204: {}},
        errors=(
            *("not_found", "forbidden", "upload_gone", "tus_version_unsupported", "header_invalid"),
            *("upload_content_type", "upload_offset_mismatch", "upload_locked", "upload_checksum_mismatch"),
            *("request_body_too_large", "request_timeout", "content_in_progress", "content_not_expected"),
            *_CONTENT_ERRORS,
        ),
    ),
    Operation(
        "delete",
        _UPLOAD,
        "terminateUpload",
        "Uploads",
        "End an upload before it is complete.",
        parameters=(_TUS,),
        answers={204: {}},
        errors=("not_found", "forbidden", "upload_gone", "upload_locked", "tus_version_unsupported", "not_cancellable"),
    ),
    Operation(
        "options",
        _UPLOAD,
        "describeUpload",
        "Uploads",
        "Say what uploads can do.",
        answers={204: {}},
        is_open=True,
    ),
)

_MANAGED: Final = ("forbidden", "not_found")
_ENDPOINT: Final = "/api/v1/webhooks/{endpoint_id}"
_WISHES: Final = {JSON: reference("EndpointParameters"), FORM: reference("EndpointParameters")}
_CHANGES: Final = {JSON: reference("EndpointChanges"), FORM: reference("EndpointChanges")}
_WISH_ERRORS: Final = (
    *_MANAGED,
    *_BODY_ERRORS,
    *_SOURCE_ERRORS,
    "file_part_not_supported",
    "webhooks_full",
    "webhook_secret_unreadable",
)
_STATUS: Final = Parameter("status", {"enum": [status.value for status in DeliveryStatus]}, "Those in a state.")
_PAGE: Final = (_STATUS, Parameter("limit", _LIMIT, "Deliveries of a page."), _CURSOR)
_PAGE_ERRORS: Final = (*_MANAGED, *_QUERY_ERRORS, "parameter_invalid")
_WEBHOOKS: Final = (
    Operation(
        "get",
        "/api/v1/webhooks",
        "listEndpoints",
        "Webhooks",
        "List the endpoints of the issuer.",
        answers={200: json_of("Endpoints")},
        errors=_MANAGED,
    ),
    Operation(
        "post",
        "/api/v1/webhooks",
        "createEndpoint",
        "Webhooks",
        "Make an endpoint; its secret is in this answer alone.",
        bodies=_WISHES,
        is_body_required=True,
        answers={201: json_of("Endpoint")},
        errors=_WISH_ERRORS,
    ),
    Operation(
        "get",
        _ENDPOINT,
        "getEndpoint",
        "Webhooks",
        "Show an endpoint.",
        answers={200: json_of("Endpoint")},
        errors=_MANAGED,
    ),
    Operation(
        "patch",
        _ENDPOINT,
        "changeEndpoint",
        "Webhooks",
        "Change an endpoint.",
        bodies=_CHANGES,
        answers={200: json_of("Endpoint")},
        errors=_WISH_ERRORS,
    ),
    Operation(
        "delete", _ENDPOINT, "deleteEndpoint", "Webhooks", "Remove an endpoint.", answers={204: {}}, errors=_MANAGED
    ),
    Operation(
        "post",
        f"{_ENDPOINT}/rotate",
        "rotateEndpoint",
        "Webhooks",
        "Give an endpoint a new secret; both sign for a day.",
        answers={200: json_of("Endpoint")},
        errors=_MANAGED,
    ),
    Operation(
        "post",
        f"{_ENDPOINT}/test",
        "testEndpoint",
        "Webhooks",
        "Send an endpoint a `ping`.",
        answers={202: json_of("Delivery")},
        errors=(*_MANAGED, "webhook_disabled"),
    ),
    Operation(
        "get",
        f"{_ENDPOINT}/deliveries",
        "listDeliveries",
        "Webhooks",
        "List what was sent to an endpoint, the latest first.",
        parameters=_PAGE,
        answers={200: json_of("Deliveries")},
        errors=_PAGE_ERRORS,
    ),
    Operation(
        "get",
        f"{_ENDPOINT}/deliveries/{{delivery_id}}",
        "getDelivery",
        "Webhooks",
        "Show a delivery.",
        answers={200: json_of("Delivery")},
        errors=_MANAGED,
    ),
    Operation(
        "post",
        f"{_ENDPOINT}/deliveries/{{delivery_id}}/replay",
        "replayDelivery",
        "Webhooks",
        "Send a delivery again.",
        answers={202: json_of("Delivery")},
        errors=(*_MANAGED, "webhook_disabled"),
    ),
    Operation(
        "get",
        "/api/v1/webhooks/secret",
        "getSecret",
        "Webhooks",
        "Show what signs the webhooks that imports ask for.",
        answers={200: json_of("Secret")},
        errors=_MANAGED,
    ),
    Operation(
        "post",
        "/api/v1/webhooks/secret/rotate",
        "rotateSecret",
        "Webhooks",
        "Change that secret; both sign for a day.",
        answers={200: json_of("Secret")},
        errors=_MANAGED,
    ),
    Operation(
        "get",
        "/api/v1/imports/{import_id}/deliveries",
        "listImportDeliveries",
        "Webhooks",
        "List what an import's own webhook was sent.",
        parameters=_PAGE,
        answers={200: json_of("Deliveries")},
        errors=_PAGE_ERRORS,
    ),
    Operation(
        "get",
        "/api/v1/imports/{import_id}/deliveries/{delivery_id}",
        "getImportDelivery",
        "Webhooks",
        "Show a delivery.",
        answers={200: json_of("Delivery")},
        errors=_MANAGED,
    ),
    Operation(
        "post",
        "/api/v1/imports/{import_id}/deliveries/{delivery_id}/replay",
        "replayImportDelivery",
        "Webhooks",
        "Send a delivery again.",
        answers={202: json_of("Delivery")},
        errors=(*_MANAGED, "webhook_disabled"),
    ),
)

_SERVICE: Final = (
    Operation(
        "get",
        "/healthz",
        "getHealth",
        "Service",
        "Say that the process is alive.",
        answers={200: {JSON: {}}},
        is_open=True,
    ),
    Operation(
        "get",
        "/readyz",
        "getReadiness",
        "Service",
        "Say whether the database and the storage answer.",
        answers={200: {JSON: {}}},
        errors=("not_ready",),
        is_open=True,
    ),
    Operation(
        "get",
        "/openapi.json",
        "getDescription",
        "Service",
        "This description.",
        answers={200: {JSON: {}}},
        is_open=True,
    ),
    Operation(
        "get",
        "/docs",
        "getDocs",
        "Service",
        "This description, to be read.",
        answers={200: {"text/html": STRING}},
        errors=("docs_not_installed",),
        is_open=True,
    ),
    Operation(
        "get",
        "/docs/{file}",
        "getDocsFile",
        "Service",
        "A file of that page.",
        answers={200: {"*/*": STRING}},
        errors=("not_found",),
        is_open=True,
    ),
)

OPERATIONS: Final[Sequence[Operation]] = (*_IMPORTS, *_BATCHES, *_IMAGES, *_UPLOADS, *_WEBHOOKS, *_SERVICE)
"""All of them, in the order in which they are shown."""
