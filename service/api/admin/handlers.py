"""The handlers of the admin listener. Their answers may tell what is internal: only the operator reaches them."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import structlog
from tornado.web import HTTPError, RequestHandler, stream_request_body

from ...errors.catalogue import ApiError, problem_of
from ...errors.specs import reason_phrase
from ...models.ids import new_uuid
from ...models.representation import encode
from ...observe.readiness import Part, Readiness
from ..http.methods import as_get, methods_of
from ..http.request_head import announced_bytes

Scrape = Callable[[str], Awaitable[tuple[bytes, str]]]
"""Gives the metrics as text, with its media type, for an ``Accept`` header."""

BODY_MAX_BYTES: Final = 64 * 1024
JSON: Final = "application/json; charset=utf-8"
PROBLEM: Final = "application/problem+json"

log = structlog.get_logger(__name__)


@stream_request_body
class AdminHandler(RequestHandler):
    """Base of the handlers: JSON answers, errors as ``application/problem+json`` (RFC 9457), and a small body."""

    resource: object
    """The value that the route names; each handler declares its type."""

    head: Callable[..., Awaitable[None] | None] = as_get

    def initialize(self, resource: object) -> None:
        """Keep the resource of the handler."""
        self.resource = resource
        self._body = bytearray()

    def prepare(self) -> None:
        """Refuse a body that is announced to be too large.

        Raises:
            ApiError: ``request_body_too_large``.
        """
        self.request.connection.set_max_body_size(2**62)  # type: ignore[union-attr]  # counted here, to answer with 413
        if announced_bytes(self.request) > BODY_MAX_BYTES:
            raise _too_large()

    def data_received(self, chunk: bytes) -> None:
        """Gather the body as far as the limit and one byte; Tornado calls this, and ends a body that lasts too long."""
        self._body += chunk[: BODY_MAX_BYTES + 1 - len(self._body)]

    def body(self) -> bytes:
        """The body of the request.

        Raises:
            ApiError: ``request_body_too_large``.
        """
        if len(self._body) > BODY_MAX_BYTES:
            raise _too_large()
        return bytes(self._body)

    def set_default_headers(self) -> None:
        """Every answer is of its moment, and no page of another origin may frame or sniff it."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("X-Frame-Options", "DENY")
        self.clear_header("Server")

    def decode_argument(self, value: bytes, name: str | None = None) -> str:  # noqa: ARG002
        """Decode a segment of the path. A segment that is not UTF-8 matches nothing, instead of being an error."""
        return value.decode("utf-8", "replace")

    def compute_etag(self) -> None:
        """Send no ``Etag``."""

    def answer(self, status: HTTPStatus, body: dict[str, Any], content_type: str = JSON) -> None:
        """Finish with a JSON body."""
        self.set_status(status)
        self.set_header("Content-Type", content_type)
        self.finish(encode(body))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with a problem, whatever went wrong; Tornado calls this."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(methods_of(type(self))))
            error = ApiError("method_not_allowed", method=self.request.method or "")
        elif not isinstance(error, ApiError):
            error = ApiError("internal_error")
        self.set_status(error.status, reason_phrase(error.status))
        self.set_header("Content-Type", PROBLEM)
        if error.retry_after is not None:
            self.set_header("Retry-After", str(error.retry_after))
        self.finish(encode(problem_of(error, new_uuid())))

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log unexpected errors only."""
        if not isinstance(value, ApiError | HTTPError):
            log.error("an admin request failed unexpectedly", path=self.request.path, exc_info=(typ, value, tb))


class LivenessHandler(AdminHandler):
    """Liveness: answers while the event loop turns."""

    async def get(self) -> None:
        """200."""
        self.answer(HTTPStatus.OK, {"status": "ok"})


class Detail(NamedTuple):
    """What the readiness of a process is told from.

    Attributes:
        readiness: its parts.
        worker: tells of its worker; None without one.
    """

    readiness: Readiness
    worker: Callable[[], dict[str, Any]] | None = None


class PartsHandler(AdminHandler):
    """Readiness in detail: each part with its state, and the worker."""

    resource: Detail

    async def get(self) -> None:
        """200, or 503 while a part fails that the work needs; 503 too when the process is about to stop. A drained
        worker is ready.
        """
        readiness, worker = self.resource
        parts = await readiness.parts()
        status = "ready" if all(part.works for part in parts if part.is_required) else "not_ready"
        if readiness.is_stopping:
            status = "stopping"
        body: dict[str, Any] = {"status": status, "parts": {part.name: _shown(part) for part in parts}}
        self.answer(
            HTTPStatus.OK if status == "ready" else HTTPStatus.SERVICE_UNAVAILABLE,
            body if worker is None else {**body, "worker": worker()},
        )


class MetricsHandler(AdminHandler):
    """Metrics in Prometheus' text format, or OpenMetrics if the client asks for it."""

    resource: Scrape

    async def get(self) -> None:
        """200."""
        text, media_type = await self.resource(self.request.headers.get("Accept", ""))
        self.set_header("Content-Type", media_type)
        self.finish(text)


class MissingHandler(AdminHandler):
    """The handler of every path without a route."""

    def prepare(self) -> None:
        """404."""
        super().prepare()
        raise ApiError("not_found")


def _too_large() -> ApiError:
    return ApiError("request_body_too_large", limit=BODY_MAX_BYTES)


def _shown(part: Part) -> dict[str, Any]:
    shown = {
        "status": "ok" if part.works else "failing",
        "required": part.is_required,
        "milliseconds": round(part.seconds * 1000, 3),
    }
    return shown if part.works else {**shown, "reason": part.reason}
