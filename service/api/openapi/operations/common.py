"""The common parts of operations."""

from collections.abc import Mapping
from typing import Final

from ....errors.queries import DEFAULT_LIMIT, MAX_LIMIT
from ..declaration import JSON, Parameter, Schema, reference

FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
BINARY: Final[Schema] = {"type": "string", "format": "binary"}

BODY: Final = ("unsupported_media_type", "params_invalid_encoding", "params_conflict", "params_too_deep")
BODY_ERRORS: Final = (
    *(*BODY, "params_too_many", "json_invalid", "json_not_an_object", "json_duplicate_key", "json_number_invalid"),
    "json_sent_as_form",
    *("multipart_invalid", "request_body_too_large", "request_timeout", "parameter_invalid"),
)
QUERY_ERRORS: Final = ("params_invalid_encoding", "params_conflict", "params_too_deep", "params_too_many")
SOURCE_ERRORS: Final = (
    *("url_invalid", "url_scheme_missing", "url_scheme_not_allowed", "url_port_not_allowed", "host_not_allowed"),
    *("header_not_allowed", "address_not_allowed", "data_url_invalid"),
)
CREATE_ERRORS: Final = (*(*BODY_ERRORS, *SOURCE_ERRORS, "forbidden", "backlog_full", "quota_exceeded", "rate_limited"),)
CONTENT_ERRORS: Final = (
    *("content_missing", "too_many_uploads", "disk_full", "disk_unavailable"),
    *("not_an_image", "image_corrupt", "image_too_complex"),
    *("format_not_allowed", "image_not_supported", "side_too_long", "too_many_pixels", "too_many_frames"),
    *(
        "detector_crashed",
        "detector_stalled",
        "deadline_exceeded",
        "plugin_fault",
        "plugin_blocked",
        "storage_unavailable",
    ),
    *("process_error", "image_refused", "output_too_large", "processor_unavailable", "processor_stalled"),
    *("metadata_unremovable", "malware_found", "image_not_scanned"),
    *("storage_full", "storage_denied", "storage_quota_exceeded", "expectation_failed"),
)
LIMIT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
CURSOR: Final = Parameter("cursor", {"type": "string", "minLength": 1}, "From the `Link` of the previous page.")
WAIT: Final = Parameter(
    "Prefer",
    {"type": "string", "examples": ["wait=20"]},
    "Answer when the import is final, after this time at most.",
    "header",
)
TUS: Final = Parameter("Tus-Resumable", {"type": "string", "const": "1.0.0"}, "Version.", "header", is_required=True)
PARAMETERS: Final[Mapping[str, Schema]] = {
    JSON: reference("ImportParameters"),
    FORM: reference("ImportForm"),
    MULTIPART: reference("ImportParametersWithFile"),
}
TEXT: Final[Schema] = {"type": "string", "minLength": 1}
KEY: Final[Schema] = {
    "type": "string",
    "pattern": r'^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-~]{1,255})$',
    "examples": ["8e03978e-40d5-43dd-bc93-6894a57f9324"],
}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
