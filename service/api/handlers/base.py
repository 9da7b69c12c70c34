"""What every handler shares: request id, headers, the body's limits, tokens, and the one writer of error bodies."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import structlog
from tornado.web import HTTPError, RequestHandler, stream_request_body

from ...errors.catalogue import AnyStatus, ApiError, problem_of, reason_phrase
from ...errors.database import told_as_outage
from ...errors.params import ParamsError
from ...images.service import Images
from ...imports.accept import Imports
from ...imports.actions import Actions
from ...imports.batches.batches import Batches
from ...imports.events.stream import Events
from ...imports.lists import Listing
from ...imports.preflight import Preflight
from ...imports.uploads.receiving import Receiving
from ...imports.uploads.resumable import Uploads
from ...imports.waiting import Waiting
from ...limits.rates import Rates
from ...models.grants import Grant, Unauthorized
from ...models.representation import encode
from ...observe.readiness import Readiness
from ...webhooks.history import Webhooks
from ..auth import Authenticator
from ..http.client_address import client_address
from ..http.cors import Cors
from ..http.event_streams import Streams
from ..http.headers import FIXED, WireHeaders, http_date
from ..http.in_flight import InFlight
from ..http.methods import methods_of
from ..http.request_head import head_bytes, request_id_of
from ..openapi.document import Description
from ..params import ParamLimits

PROBLEM = "application/problem+json"
DISCARD_FACTOR = 32
"""A refused body is read to its end up to this multiple of the limit, so that its client reads the answer rather than a
reset connection; of a longer one nothing is read."""
MAX_LENGTH_DIGITS = 18
"""Digits of a ``Content-Length`` that are read; more of them are beyond any limit, whatever they are."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Api:
    """What handlers work with; one value for the whole application."""

    imports: Imports
    listing: Listing
    actions: Actions
    preflight: Preflight
    waiting: Waiting
    images: Images
    image_max_age: int
    stall_timeout: float
    authenticator: Authenticator
    readiness: Readiness
    timezone: tzinfo
    rates: Rates
    param_limits: ParamLimits
    head_max_bytes: int
    body_max_bytes: int
    body_timeout: float
    trusted_proxies: Sequence[IPv4Network | IPv6Network]
    in_flight: InFlight
    receiving: Receiving
    uploads: Uploads
    events: Events
    streams: Streams
    stream_seconds: float
    heartbeat: float
    batches: Batches
    batch_max_bytes: int
    description: Description
    upload_max_bytes: int
    upload_stall_timeout: float
    webhooks: Webhooks | None = None
    cors: Cors | None = None


@stream_request_body
class BaseHandler(RequestHandler):
    """A handler whose every answer, errors included, has the headers of the contract."""

    api: Api
    grant: Grant | None
    kept_headers: dict[str, str]
    """Headers of the answer whatever it is, an error too."""
    request_id: str
    log_fields: dict[str, Any]
    """What the request's log line says beside the request itself."""

    def initialize(self, api: Api) -> None:
        """Take what handlers work with."""
        self.api = api
        self.grant = None
        self.kept_headers = {}
        self.log_fields = {}
        api.in_flight.begin(self)
        if api.cors is not None:
            self.keep_headers(api.cors.headers(self.request))
        self._body = bytearray()
        self._discarded = 0
        self._refusal: ApiError | None = None
        self._timer: asyncio.TimerHandle | None = None

    # --- headers ------------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Begin the answer anew; see ``RequestHandler.clear``, which makes headers of its own first."""
        self._write_buffer, self._status_code, self._reason = [], HTTPStatus.OK.value, HTTPStatus.OK.phrase
        self._headers = WireHeaders()
        self._headers["Date"] = http_date(int(time.time()))
        for name, value in FIXED:
            self._headers[name] = value
        if not hasattr(self, "request_id"):
            self.request_id = request_id_of(self.request.headers.get("X-Request-Id"))
        self._headers["X-Request-Id"] = self.request_id
        if getattr(self, "grant", None) is not None:
            self._headers["X-token"] = self.grant.token  # type: ignore[union-attr]
        for name, value in getattr(self, "kept_headers", {}).items():
            self._headers[name] = value

    def keep_headers(self, headers: Mapping[str, str]) -> None:
        """Set headers, also of an error that follows."""
        self.kept_headers |= headers
        for name, value in headers.items():
            self.set_header(name, value)

    @property
    def client_address(self) -> str:
        """Who sent the request, for the log."""
        forwarded_for = ",".join(self.request.headers.get_list("X-Forwarded-For"))
        return client_address(self.request.remote_ip or "", forwarded_for, self.api.trusted_proxies)

    def decode_argument(self, value: bytes, name: str | None = None) -> str:  # noqa: ARG002
        """A segment of the path; one that is not UTF-8 names nothing, rather than being an error of its own."""
        return value.decode("utf-8", "replace")

    def compute_etag(self) -> None:
        """No ``Etag``: an answer that says ``no-store`` has no use for one."""

    def answer(self, status: AnyStatus, body: dict[str, Any], content_type: str = "application/json") -> None:
        """Finish with a JSON body."""
        self.set_status(status, reason_phrase(status))
        self.set_header("Content-Type", f"{content_type}; charset=utf-8")
        self.set_header("Content-Length", str(len(payload := encode(body))))
        if not self.request._body_future.done():  # noqa: SLF001  # nothing public tells
            # Tornado closes the connection rather than reading what is left of the request.
            self.set_header("Connection", "close")
        self.set_header("X-Runtime", f"{self.request.request_time():.6f}")
        self.finish(payload)

    def answer_nothing(self) -> None:
        """Finish with 204."""
        self.set_status(HTTPStatus.NO_CONTENT)
        self.set_header("X-Runtime", f"{self.request.request_time():.6f}")
        self.finish()

    # --- errors -------------------------------------------------------------------------------------------------------

    def write_error(self, status_code: int, **kwargs: Any) -> None:  # noqa: ARG002
        """Answer with ``application/problem+json`` (RFC 9457), whatever went wrong; called by Tornado."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        self.answer_error(_api_error(error, self.request.method or ""))

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
        """Log only what was not expected; what was is part of the request's own line."""
        if not isinstance(value, ApiError | ParamsError | Unauthorized | HTTPError):
            log.error("unexpected failure of a request", request_id=self.request_id, exc_info=(typ, value, tb))

    def allowed_methods(self) -> tuple[str, ...]:
        """The methods that the resource has (RFC 9110 section 10.2.1)."""
        return methods_of(type(self))

    # --- body ---------------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Decide whether the body may come, before any of it is read."""
        self.check_head()
        self.request.connection.set_max_body_size(2**62)  # type: ignore[union-attr]  # counted here, to answer with 413
        announced = self.announced_bytes()
        if announced > self.api.body_max_bytes:
            self._refuse_body()
            if announced > DISCARD_FACTOR * self.api.body_max_bytes or "Expect" in self.request.headers:
                self.body()
        if announced or "Transfer-Encoding" in self.request.headers:
            self._timer = asyncio.get_running_loop().call_later(self.api.body_timeout, self._body_timed_out)

    def check_head(self) -> None:
        """Judge the request's head.

        Raises:
            ApiError: ``request_head_too_large``.
        """
        if head_bytes(self.request) > self.api.head_max_bytes:
            raise ApiError("request_head_too_large", limit=self.api.head_max_bytes)

    def announced_bytes(self) -> int:
        """Length of the body as its sender has announced it; 0 where it has not."""
        length = self.request.headers.get("Content-Length", "")
        digits = length.lstrip("0")[:MAX_LENGTH_DIGITS]
        return int(digits) if digits.isascii() and digits.isdigit() else 0

    def data_received(self, chunk: bytes) -> None:
        """Gather the body; beyond the limit, count what is thrown away."""
        if self._refusal is None and len(self._body) + len(chunk) > self.api.body_max_bytes:
            self._refuse_body()
        if self._refusal is None:
            self._body += chunk
            return
        self._discarded += len(chunk)
        if self._discarded > DISCARD_FACTOR * self.api.body_max_bytes and not self._finished:
            self.answer_error(self._refusal)

    def body(self) -> bytes:
        """The whole body.

        Raises:
            ApiError: ``request_body_too_large``.
        """
        if self._timer is not None:
            self._timer.cancel()
        if self._refusal is not None:
            raise self._refusal
        return bytes(self._body)

    def on_finish(self) -> None:
        """Release what the request held; called by Tornado when the answer was handed to the connection."""
        self._release()

    def on_connection_close(self) -> None:
        """Release what the request held; called by Tornado when the client went away."""
        super().on_connection_close()
        self._release()

    def _release(self) -> None:
        self.api.in_flight.end(self)
        if self._timer is not None:
            self._timer.cancel()
        self._body = bytearray()

    def _refuse_body(self) -> None:
        self._refusal = ApiError("request_body_too_large", limit=self.api.body_max_bytes)
        self._discarded = len(self._body)
        self._body = bytearray()

    def _body_timed_out(self) -> None:
        if not self._finished:
            self.answer_error(ApiError("request_timeout", seconds=round(self.api.body_timeout)))

    # --- tokens -------------------------------------------------------------------------------------------------------

    async def authenticate(self) -> Grant:
        """The grant of the request's token, which the answer then echoes as ``X-token``.

        Raises:
            Unauthorized: no valid token.
            ApiError: ``documents_unavailable``.
        """
        values = self.request.headers.get_list("Authorization")
        with told_as_outage():
            self.grant = await self.api.authenticator.authenticate(values[0] if len(values) == 1 else None)
        self.set_header("X-token", self.grant.token)
        self.log_fields["issuer_id"] = self.grant.issuer_id
        return self.grant


class NotFoundHandler(BaseHandler):
    """Any path that no route has."""

    async def get(self) -> None:
        """404."""
        raise ApiError("not_found")

    head = post = put = patch = delete = options = get


def _api_error(error: BaseException | None, method: str) -> ApiError:
    """The answer to whatever a handler raised."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Unauthorized):
        return ApiError("unauthorized", internal=str(error))
    if isinstance(error, ParamsError):
        return ApiError.of(error.code, error.status, error.detail, parameter=error.parameter)
    if isinstance(error, HTTPError) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return ApiError("method_not_allowed", method=method)
    return ApiError("internal_error")
