"""The catalogue of API errors: stable code, HTTP status, title and public text; and the map from the plugins' errors.

Any client may read these texts. Internal text goes to the log, never into an error body (RFC 9457 section 5).
``docs/reference/errors.md`` explains every code; a test compares the two.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from ...plugins.errors import HeaderNotAllowed, PluginError, SourceRefused
from ..models import Failure
from .specs import ErrorSpec, TusStatus, reason_phrase

_SPECS = (
    ErrorSpec("unauthorized", HTTPStatus.UNAUTHORIZED, "A valid token is required."),
    ErrorSpec("forbidden", HTTPStatus.FORBIDDEN, "The token does not grant '{ability}' here."),
    ErrorSpec("not_found", HTTPStatus.NOT_FOUND, "There is no such resource."),
    ErrorSpec("method_not_allowed", HTTPStatus.METHOD_NOT_ALLOWED, "The method {method} is not allowed here."),
    ErrorSpec(
        "idempotency_key_invalid",
        HTTPStatus.BAD_REQUEST,
        "The Idempotency-Key must be one string of 1 to 255 printable ASCII characters.",
    ),
    ErrorSpec(
        "idempotency_in_progress",
        HTTPStatus.CONFLICT,
        "The first request with this Idempotency-Key is still running; try again.",
    ),
    ErrorSpec(
        "idempotency_key_reused",
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Another request used this Idempotency-Key; use a new key for each request.",
    ),
    ErrorSpec(
        "import_deleted",
        HTTPStatus.GONE,
        "The import of this Idempotency-Key was deleted; use a new key to import again.",
    ),
    ErrorSpec(
        "docs_not_installed",
        HTTPStatus.NOT_FOUND,
        "The documentation page is not installed; run: pip install 'lading[docs]'.",
    ),
    ErrorSpec(
        "service_restarting", HTTPStatus.SERVICE_UNAVAILABLE, "No process of the service is running; try again later."
    ),
    ErrorSpec("too_many_streams", HTTPStatus.SERVICE_UNAVAILABLE, "Too many event streams are open; try again later."),
    ErrorSpec(
        "batch_too_long",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The batch has more than {limit} items; post the rest as another batch.",
    ),
    ErrorSpec("header_invalid", HTTPStatus.BAD_REQUEST, "The header field {header} {reason}."),
    ErrorSpec(
        "tus_version_unsupported", HTTPStatus.PRECONDITION_FAILED, "The header field Tus-Resumable must be 1.0.0."
    ),
    ErrorSpec(
        "upload_content_type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The Content-Type must be application/offset+octet-stream.",
    ),
    ErrorSpec(
        "upload_offset_mismatch",
        HTTPStatus.CONFLICT,
        "The service has {offset} bytes of the upload; continue from there.",
    ),
    ErrorSpec("upload_locked", HTTPStatus.LOCKED, "Another request is sending bytes of this upload; try again."),
    ErrorSpec(
        "upload_checksum_mismatch",
        TusStatus.CHECKSUM_MISMATCH,
        "The bytes do not match Upload-Checksum; the service discarded them.",
    ),
    ErrorSpec("upload_gone", HTTPStatus.GONE, "This upload has ended; start another upload."),
    ErrorSpec("content_missing", HTTPStatus.UNPROCESSABLE_ENTITY, "The request has no image bytes."),
    ErrorSpec(
        "content_in_progress", HTTPStatus.CONFLICT, "Another request is sending the bytes of this import; try again."
    ),
    ErrorSpec(
        "content_not_expected",
        HTTPStatus.CONFLICT,
        "The import is {status}; an import accepts bytes only while it is waiting.",
    ),
    ErrorSpec(
        "too_many_uploads", HTTPStatus.SERVICE_UNAVAILABLE, "The service is receiving too many images; try again later."
    ),
    ErrorSpec(
        "upload_room_full",
        HTTPStatus.INSUFFICIENT_STORAGE,
        "Unfinished uploads leave no room for another of this length; finish or end uploads, or try again later.",
    ),
    ErrorSpec(
        "disk_full", HTTPStatus.SERVICE_UNAVAILABLE, "The service has no disk space for the bytes; try again later."
    ),
    ErrorSpec(
        "disk_unavailable",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The service cannot write the bytes to its disk; try again later.",
    ),
    ErrorSpec(
        "not_cancellable",
        HTTPStatus.CONFLICT,
        "The import is {status}; only a waiting, queued or running import can be cancelled.",
    ),
    ErrorSpec(
        "not_retryable",
        HTTPStatus.CONFLICT,
        "The import is {status}; only a failed or cancelled import can be retried.",
    ),
    ErrorSpec(
        "secrets_dropped",
        HTTPStatus.CONFLICT,
        "The service dropped the secrets in the headers or the url when the import ended; post the import again.",
    ),
    ErrorSpec(
        "write_conflict",
        HTTPStatus.CONFLICT,
        "Other requests keep changing the same resource; nothing was changed, try again.",
    ),
    ErrorSpec(
        "still_stopping",
        HTTPStatus.CONFLICT,
        "The service is still removing what an attempt at the import stored; try again later.",
    ),
    ErrorSpec("image_deleted", HTTPStatus.GONE, "The image was deleted."),
    ErrorSpec(
        "precondition_failed", HTTPStatus.PRECONDITION_FAILED, "The image does not meet the request's precondition."
    ),
    ErrorSpec(
        "range_not_satisfiable",
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        "The requested range is malformed or begins beyond the {size} bytes of the image.",
    ),
    ErrorSpec("request_timeout", HTTPStatus.REQUEST_TIMEOUT, "The request body did not arrive within {seconds} s."),
    ErrorSpec(
        "request_body_too_large",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The request body is larger than {limit} bytes.",
    ),
    ErrorSpec(
        "request_head_too_large",
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The request line and header fields are larger than {limit} bytes.",
    ),
    ErrorSpec(
        "rate_limited",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many requests; try again in {seconds} s.",
    ),
    ErrorSpec(
        "quota_exceeded",
        HTTPStatus.FORBIDDEN,
        "The organisation's images have reached the limit of {limit} stored bytes.",
    ),
    ErrorSpec("parameter_invalid", HTTPStatus.UNPROCESSABLE_ENTITY, "The parameter '{parameter}' {reason}."),
    ErrorSpec("webhooks_full", HTTPStatus.CONFLICT, "The issuer already has {limit} endpoints, which is the maximum."),
    ErrorSpec("webhook_disabled", HTTPStatus.CONFLICT, "The endpoint is disabled; the service sends it nothing."),
    ErrorSpec(
        "webhook_secret_unreadable",
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "The service can no longer decrypt the secret; rotate it to get a new secret.",
    ),
    ErrorSpec("worker_unknown", HTTPStatus.NOT_FOUND, "No worker with this id is alive."),
    ErrorSpec("pauses_full", HTTPStatus.CONFLICT, "There are {limit} pauses already; resume some of them."),
    ErrorSpec(
        "browser_refused",
        HTTPStatus.FORBIDDEN,
        "The request has the header field Origin, as the requests of web pages have; no web page may change anything.",
    ),
    ErrorSpec(
        "host_unknown",
        HTTPStatus.MISDIRECTED_REQUEST,
        "The request names another host; use an IP address, or a name that [admin] hosts lists.",
    ),
    ErrorSpec("internal_error", HTTPStatus.INTERNAL_SERVER_ERROR, "The service failed unexpectedly."),
    ErrorSpec("image_lost", HTTPStatus.INTERNAL_SERVER_ERROR, "Storage no longer holds the image as it was imported."),
    ErrorSpec(
        "image_elsewhere",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The image is in the storage '{storage}', which the configuration of this service does not name.",
    ),
    ErrorSpec("image_unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Storage is unavailable; try again later."),
    ErrorSpec(
        "too_many_downloads", HTTPStatus.SERVICE_UNAVAILABLE, "The service is sending too many images; try again later."
    ),
    ErrorSpec("thumbnails_off", HTTPStatus.NOT_FOUND, "This service makes no thumbnails."),
    ErrorSpec(
        "too_many_thumbnails",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The service is making too many thumbnails; try again later.",
    ),
    ErrorSpec(
        "thumbnail_unavailable",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The service could not make the thumbnail; try again later.",
    ),
    ErrorSpec("backlog_full", HTTPStatus.SERVICE_UNAVAILABLE, "Too many imports are unfinished; try again later."),
    ErrorSpec(
        "documents_unavailable",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database does not answer, or has not confirmed a change: whether it was made is unknown; try again later.",
    ),
    ErrorSpec("not_ready", HTTPStatus.SERVICE_UNAVAILABLE, "Not ready: {components}."),
    ErrorSpec(
        "service_stopping", HTTPStatus.SERVICE_UNAVAILABLE, "This process is about to stop; send requests elsewhere."
    ),
)

CATALOGUE: Mapping[str, ErrorSpec] = {spec.code: spec for spec in _SPECS}
"""Every API error by code, without those of ``lading.service.api.params`` and of refused sources, which have their own
text.
"""

WORKER_LOST = Failure("worker_lost", "The workers that ran this import died repeatedly.", retryable=True)
SECRETS_UNREADABLE = Failure(
    "secrets_unreadable", "The service can no longer decrypt the headers or the url of this import.", retryable=True
)
CONTENT_EXPIRED = Failure("content_expired", "The bytes of the image did not arrive in time.", retryable=True)
HOST_UNAVAILABLE = Failure(
    "host_unavailable",
    "The host of the url was unreachable, or asked the service to wait, for too long.",
    retryable=True,
)
RECEIVER_REFUSED = Failure("receiver_refused", "The receiver did not answer with a 2xx status.", retryable=True)
RECEIVER_GONE = Failure(
    "receiver_gone", "The receiver answered with status 410: it accepts no further requests.", retryable=False
)
ENDPOINT_DISABLED = Failure("endpoint_disabled", "The endpoint was disabled.", retryable=False)
ENDPOINT_DELETED = Failure("endpoint_deleted", "The endpoint or its signing secret was deleted.", retryable=False)
DELIVERY_FAILURES = (RECEIVER_REFUSED, RECEIVER_GONE, ENDPOINT_DISABLED, ENDPOINT_DELETED)
"""Failures of deliveries, in addition to the errors of fetchers."""
INTERNAL = Failure("internal_error", CATALOGUE["internal_error"].text, retryable=True)
IMPORT_FAILURES = (WORKER_LOST, SECRETS_UNREADABLE, CONTENT_EXPIRED, HOST_UNAVAILABLE)
"""Failures of imports without a plugin's error, in addition to ``INTERNAL``."""


class ApiError(Exception):
    """An error answer.

    Args:
        code: a code of ``CATALOGUE``.
        internal: text for the log.
        retry_after: seconds for the ``Retry-After`` header, or None.
        facts: values for the placeholders of the public text; ``parameter`` also becomes a member of the body.
    """

    def __init__(self, code: str, *, internal: str = "", retry_after: int | None = None, **facts: str | int) -> None:
        spec = CATALOGUE[code]
        self.code = code
        self.status = spec.status
        self.detail = spec.text.format(**facts)
        self.internal = internal
        self.retry_after = retry_after
        self.parameter = str(facts["parameter"]) if "parameter" in facts else None
        super().__init__(f"{code}: {internal or self.detail}")

    @classmethod
    def of(
        cls, code: str, status: HTTPStatus, detail: str, *, parameter: str | None = None, internal: str = ""
    ) -> "ApiError":
        """An answer with the code and text of a refused parameter or source."""
        answer = cls("internal_error", internal=internal or detail)
        answer.code, answer.status, answer.detail, answer.parameter = code, status, detail, parameter
        return answer

    @classmethod
    def from_refusal(cls, error: SourceRefused, parameter: str = "url") -> "ApiError":
        """The answer to an import whose source is refused before it is accepted: 422, naming the parameter."""
        parameter = "headers" if isinstance(error, HeaderNotAllowed) else parameter
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return cls.of(error.code, status, error.detail, parameter=parameter, internal=error.internal)


def problem_of(error: ApiError, request_id: str) -> dict[str, Any]:
    """The body of an error answer (RFC 9457)."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": reason_phrase(error.status),
        "status": error.status.value,
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id,
    }
    return body if error.parameter is None else {**body, "parameter": error.parameter}


def failure_of(error: PluginError) -> Failure:
    """The failure in an import's document for a plugin's error."""
    return Failure(code=error.code, detail=error.detail, retryable=error.retryable)
