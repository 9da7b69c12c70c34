"""The common part of every answer: request id, headers, the echo of the token, and the only writer of error bodies."""

import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from tornado.web import HTTPError, RequestHandler

from ....plugins.host.turns import act_for
from ...errors.catalogue import ApiError, problem_of
from ...errors.database import told_as_outage
from ...errors.params import ParamsError
from ...errors.specs import AnyStatus, reason_phrase
from ...models.grants import Grant, Unauthorized
from ...models.representation import encode
from ...observe.audit.recording import request_id as audited_request_id
from ...observe.metrics.meter import NO_SCOPE, Scope
from ..resources import Common
from .client_address import client_address
from .headers import WireHeaders, http_date
from .methods import as_get, methods_of
from .request_head import request_id_of

PROBLEM = "application/problem+json"

log = structlog.get_logger(__name__)


class AnsweringHandler(RequestHandler):
    """A handler whose answers, errors included, have the headers of the contract."""

    common: Common
    api: object
    """The value of its resource; each handler declares its type."""
    grant: Grant | None
    kept_headers: dict[str, str]
    """Headers of every answer, errors included."""
    request_id: str
    log_fields: dict[str, Any]
    """Fields of the request's log line, in addition to those of the request itself."""
    scope: Scope = NO_SCOPE
    """The request, as it is traced."""
    head: Callable[..., Awaitable[None] | None] = as_get

    def initialize(self, common: Common, api: object) -> None:
        """Keep the resources of the handler.

        Args:
            common: the resources of every handler.
            api: the value that the route names.
        """
        self.common = common
        self.api = api
        self.grant = None
        self.kept_headers = {}
        self.log_fields = {}
        common.in_flight.begin(self)
        if common.cors is not None:
            self.keep_headers(common.cors.headers(self.request))

    def on_finish(self) -> None:
        """Release the resources of the request; Tornado calls this when the connection has taken the answer."""
        self._release()

    def on_connection_close(self) -> None:
        """Release the resources of the request; Tornado calls this when the client went away."""
        super().on_connection_close()
        self._release()

    def _release(self) -> None:
        self.common.in_flight.end(self)
        self.scope.end()

    # --- headers ------------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Begin the answer again; see ``RequestHandler.clear``, which first makes headers of its own."""
        self._write_buffer, self._status_code, self._reason = [], HTTPStatus.OK.value, HTTPStatus.OK.phrase
        self._headers = WireHeaders.fixed()
        self._headers["Date"] = http_date(int(time.time()))
        if not hasattr(self, "request_id"):
            self.request_id = request_id_of(self.request.headers.get("X-Request-Id"))
        self._headers["X-Request-Id"] = self.request_id
        if getattr(self, "grant", None) is not None:
            self._headers["X-token"] = self.grant.token  # type: ignore[union-attr]
        for name, value in getattr(self, "kept_headers", {}).items():
            self._headers[name] = value

    def keep_headers(self, headers: Mapping[str, str]) -> None:
        """Set headers, also for an error that follows."""
        self.kept_headers |= headers
        for name, value in headers.items():
            self.set_header(name, value)

    @property
    def method(self) -> str:
        """The method that the request asks for."""
        return self.request.method or ""

    @property
    def client_address(self) -> str:
        """The sender of the request, for the log."""
        forwarded_for = ",".join(self.request.headers.get_list("X-Forwarded-For"))
        return client_address(self.request.remote_ip or "", forwarded_for, self.common.trusted_proxies)

    def decode_argument(self, value: bytes, name: str | None = None) -> str:  # noqa: ARG002
        """Decode a segment of the path. A segment that is not UTF-8 matches nothing, instead of being an error."""
        return value.decode("utf-8", "replace")

    def compute_etag(self) -> None:
        """Send no ``Etag``: an answer with ``no-store`` has no use for it."""

    def answer(self, status: AnyStatus, body: dict[str, Any], content_type: str = "application/json") -> None:
        """Finish with a JSON body."""
        self.set_status(status, reason_phrase(status))
        payload = encode(body)
        # Not ``set_header``, which looks through each value for what the head may not hold, and ``head`` does so once.
        self._headers["Content-Type"] = f"{content_type}; charset=utf-8"
        self._headers["Content-Length"] = str(len(payload))
        if not self.request._body_future.done():  # noqa: SLF001  # nothing public tells
            # Tornado closes the connection instead of reading the rest of the request.
            self.set_header("Connection", "close")
            self.request.connection.stream.is_answered_early = True  # type: ignore[union-attr]  # of our server
        self._headers["X-Runtime"] = f"{self.request.request_time():.6f}"
        self.finish(payload)

    def answer_nothing(self) -> None:
        """Finish with 204."""
        self.set_status(HTTPStatus.NO_CONTENT)
        self.set_header("X-Runtime", f"{self.request.request_time():.6f}")
        self.finish()

    # --- errors -------------------------------------------------------------------------------------------------------

    def write_error(self, status_code: int, **kwargs: Any) -> None:  # noqa: ARG002
        """Answer with ``application/problem+json`` (RFC 9457), whatever went wrong; Tornado calls this."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        self.answer_error(_api_error(error, self.method))

    def answer_error(self, error: ApiError) -> None:
        """Finish with the error."""
        self.log_fields |= {"code": error.code, "reason": error.internal or error.detail}
        if error.code in ("unauthorized", "forbidden"):
            self.set_header("X-message", "Access denied")
        if error.status is HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", 'Token realm="Application"')
        if error.status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(self.allowed_methods()))
        if error.retry_after is not None:
            self.set_header("Retry-After", str(error.retry_after))
        self.answer(error.status, problem_of(error, self.request_id), PROBLEM)

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log unexpected errors only; expected errors are part of the request's own line."""
        if not isinstance(value, ApiError | ParamsError | Unauthorized | HTTPError):
            log.error("a request failed unexpectedly", request_id=self.request_id, exc_info=(typ, value, tb))

    def allowed_methods(self) -> tuple[str, ...]:
        """The methods of the resource (RFC 9110 section 10.2.1)."""
        return methods_of(type(self))

    # --- tokens -------------------------------------------------------------------------------------------------------

    async def authenticate(self) -> Grant:
        """The grant of the request's token, which the answer then echoes as ``X-token``.

        Raises:
            Unauthorized: no valid token.
            ApiError: ``documents_unavailable``.
        """
        values = self.request.headers.get_list("Authorization")
        with told_as_outage():
            self.grant = await self.common.authenticator.authenticate(values[0] if len(values) == 1 else None)
        act_for(self.grant.issuer_id)
        audited_request_id.set(self.request_id)
        self._headers["X-token"] = self.grant.token
        self.log_fields["issuer_id"] = self.grant.issuer_id
        return self.grant


def _api_error(error: BaseException | None, method: str) -> ApiError:
    """The answer to any exception of a handler."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Unauthorized):
        return ApiError("unauthorized", internal=str(error))
    if isinstance(error, ParamsError):
        return ApiError.of(error.code, error.status, error.detail, parameter=error.parameter)
    if isinstance(error, HTTPError) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return ApiError("method_not_allowed", method=method)
    return ApiError("internal_error")
