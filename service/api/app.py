"""The route table, and the HTTP server around it."""

import logging
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPServerRequest,
    ParseBodyConfig,
    ParseUrlEncodedConfig,
    set_parse_body_config,
)
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from ..observe.metrics.meter import NO_METER, NO_SCOPE, Meter
from .handlers.albums import AlbumsHandler
from .handlers.batches import BatchFailuresHandler, BatchHandler, BatchRetryHandler, BatchSummaryHandler
from .handlers.content import ContentHandler
from .handlers.cors import CorsPreflightHandler
from .handlers.docs import DescriptionHandler, DocsFileHandler, DocsHandler
from .handlers.events import AlbumEventsHandler, ImportEventsHandler
from .handlers.health import HealthHandler, ReadinessHandler
from .handlers.images import ImageContentHandler, ImageHandler
from .handlers.imports import CancelHandler, ImportHandler, ImportsHandler, PreflightHandler, RetryHandler, TraceHandler
from .handlers.thumbnails import ThumbnailHandler
from .handlers.uploads import UploadHandler, UploadsHandler
from .handlers.webhooks import (
    DeliveriesHandler,
    DeliveryHandler,
    EndpointHandler,
    EndpointRotationHandler,
    EndpointsHandler,
    EndpointTestHandler,
    ImportDeliveriesHandler,
    ImportDeliveryHandler,
    ImportReplayHandler,
    ReplayHandler,
    SecretHandler,
    SecretRotationHandler,
)
from .http.base import BaseHandler, NotFoundHandler
from .http.connections.early_answers import EarlyAnswers
from .http.connections.long_heads import Refusals
from .http.connections.server import Server
from .http.connections.tracing import TracedRequest
from .http.cors import is_preflight
from .http.in_flight import InFlight
from .http.methods import methods_of
from .page.handlers import PageFileHandler, PageHandler
from .resources import Resources

log = structlog.get_logger(__name__)
_std = logging.getLogger(__name__)

_VARIABLE: Final = re.compile(r"\{\w+\}")

QUIET_PATHS = frozenset({"/healthz", "/readyz"})
"""Probes come every few seconds, so successful ones are logged at debug level."""


@dataclass(frozen=True, slots=True)
class Route:
    """A path and its handler.

    Attributes:
        path: with its variables in braces, as in OpenAPI.
        uses: the field of ``Resources`` that becomes the handler's ``api``; empty if it needs none.
    """

    path: str
    handler: type[BaseHandler]
    uses: str = ""

    @property
    def pattern(self) -> str:
        """The path for Tornado: a variable matches a segment of any content."""
        return _VARIABLE.sub("([^/]+)", self.path.replace(".", r"\."))


ROUTES: Final[Sequence[Route]] = (
    Route("/api/v1/imports", ImportsHandler, "imports"),
    Route("/api/v1/imports/batch", BatchHandler, "batches"),
    Route("/api/v1/batches/{batch_id}", BatchSummaryHandler, "batches"),
    Route("/api/v1/batches/{batch_id}/failures", BatchFailuresHandler, "batches"),
    Route("/api/v1/batches/{batch_id}/retry", BatchRetryHandler, "batches"),
    Route("/api/v1/imports/preflight", PreflightHandler, "imports"),
    Route("/api/v1/imports/{import_id}", ImportHandler, "imports"),
    Route("/api/v1/imports/{import_id}/trace", TraceHandler, "imports"),
    Route("/api/v1/imports/{import_id}/events", ImportEventsHandler, "events"),
    Route("/api/v1/events", AlbumEventsHandler, "events"),
    Route("/api/v1/albums", AlbumsHandler, "imports"),
    Route("/api/v1/imports/{import_id}/content", ContentHandler, "imports"),
    Route("/api/v1/imports/{import_id}/cancel", CancelHandler, "imports"),
    Route("/api/v1/imports/{import_id}/retry", RetryHandler, "imports"),
    Route("/api/v1/imports/{import_id}/deliveries", ImportDeliveriesHandler, "webhooks"),
    Route("/api/v1/imports/{import_id}/deliveries/{delivery_id}", ImportDeliveryHandler, "webhooks"),
    Route("/api/v1/imports/{import_id}/deliveries/{delivery_id}/replay", ImportReplayHandler, "webhooks"),
    Route("/api/v1/webhooks", EndpointsHandler, "webhooks"),
    Route("/api/v1/webhooks/secret", SecretHandler, "webhooks"),
    Route("/api/v1/webhooks/secret/rotate", SecretRotationHandler, "webhooks"),
    Route("/api/v1/webhooks/{endpoint_id}", EndpointHandler, "webhooks"),
    Route("/api/v1/webhooks/{endpoint_id}/rotate", EndpointRotationHandler, "webhooks"),
    Route("/api/v1/webhooks/{endpoint_id}/test", EndpointTestHandler, "webhooks"),
    Route("/api/v1/webhooks/{endpoint_id}/deliveries", DeliveriesHandler, "webhooks"),
    Route("/api/v1/webhooks/{endpoint_id}/deliveries/{delivery_id}", DeliveryHandler, "webhooks"),
    Route("/api/v1/webhooks/{endpoint_id}/deliveries/{delivery_id}/replay", ReplayHandler, "webhooks"),
    Route("/api/v1/uploads", UploadsHandler, "uploads"),
    Route("/api/v1/uploads/{upload_id}", UploadHandler, "uploads"),
    Route("/api/v1/images/{image_id}", ImageHandler, "images"),
    Route("/api/v1/images/{image_id}/content", ImageContentHandler, "images"),
    Route("/api/v1/images/{image_id}/thumbnail", ThumbnailHandler, "images"),
    Route("/healthz", HealthHandler),
    Route("/readyz", ReadinessHandler, "readiness"),
    Route("/openapi.json", DescriptionHandler, "description"),
    Route("/docs", DocsHandler),
    Route("/docs/{file}", DocsFileHandler),
    Route("/", PageHandler, "page"),
    Route("/page/{version}/{file}", PageFileHandler, "page"),
    Route("/page/{version}/{folder}/{file}", PageFileHandler, "page"),
)
"""Every route, a more special route before a more general one."""
UNKNOWN: Final = "other"
"""The route of requests for paths without a route, for metrics."""
_PATHS: Final[Mapping[type[RequestHandler], str]] = {
    **{route.handler: route.path for route in ROUTES},
    CorsPreflightHandler: "cors-preflight",
}


class LadingApplication(Application):
    """An application that also understands request targets in absolute form (RFC 9112 section 3.2.2).

    Args:
        meter: learns of every request that arrives.
        arguments: see ``tornado.web.Application``.
    """

    def __init__(self, meter: Meter, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._meter = meter

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """See ``tornado.web.Application.find_handler``."""
        if request.path.lower().startswith(("http://", "https://")):
            request.path = urlsplit(request.path).path or "/"
        return super().find_handler(request, **kwargs)

    def get_handler_delegate(
        self,
        request: HTTPServerRequest,
        target_class: type[RequestHandler],
        target_kwargs: dict[str, Any] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """See ``tornado.web.Application.get_handler_delegate``. CORS-preflight requests get a handler of their own."""
        if target_kwargs is not None and target_kwargs["common"].cors is not None and is_preflight(request):
            target_kwargs = {**target_kwargs, "methods": methods_of(target_class)}
            target_class = CorsPreflightHandler
        delegate = super().get_handler_delegate(request, target_class, target_kwargs, *args, **kwargs)
        route = _PATHS.get(target_class, UNKNOWN)
        scope = self._meter.requested(route, request.method or "", request.path, request.headers.get_list)
        return delegate if scope is NO_SCOPE else TracedRequest(delegate, scope)


def make_app(resources: Resources, meter: Meter = NO_METER) -> Application:
    """The application: every route with the value of its handler. Each request has one log line, and is measured."""

    def finished(handler: RequestHandler) -> None:
        request = handler.request
        route = _PATHS.get(type(handler), UNKNOWN)
        meter.request(route, request.method or "", handler.get_status(), request.request_time())
        if isinstance(handler, BaseHandler):
            handler.scope.note(http_status=handler.get_status())
        log_request(handler)

    # Tornado parses every query for itself. The limit on the head bounds the query, and Lading's own parser judges it.
    set_parse_body_config(ParseBodyConfig(urlencoded=ParseUrlEncodedConfig(max_arguments=2**31)))
    return LadingApplication(
        meter,
        [(route.pattern, route.handler, _arguments(resources, route.uses)) for route in ROUTES],
        default_handler_class=NotFoundHandler,
        default_handler_args=_arguments(resources, ""),
        log_function=finished if meter is not NO_METER else log_request,
    )


def _arguments(resources: Resources, uses: str) -> dict[str, Any]:
    """The arguments of a handler's ``initialize``."""
    return {"common": resources.common, "api": getattr(resources, uses) if uses else None}


def make_server(
    app: Application, in_flight: InFlight, *, head_max_bytes: int, idle_timeout: float, body_timeout: float
) -> HTTPServer:
    """The server of an application.

    Args:
        app: the result of ``make_app``.
        in_flight: counts the answers that no handler gives.
        head_max_bytes: size of a request's head. A longer head gets 431; beyond four times the size, the rest is not
            read, and the connection closes.
        idle_timeout: seconds for which a connection may stay without a request; also the time for a head.
        body_timeout: seconds for a body. Handlers then answer 408; one second later the connection closes.
    """
    return Server(
        app,
        refusals=Refusals(head_max_bytes, in_flight),
        early_answers=EarlyAnswers(in_flight),
        max_header_size=4 * head_max_bytes,
        idle_seconds=idle_timeout,
        body_timeout=body_timeout + 1.0,
    )


def bind(address: str, port: int) -> list[socket.socket]:
    """Listening sockets for an address; port 0 takes a free one.

    Raises:
        OSError: the address cannot be bound.
    """
    return bind_sockets(port, address)


def log_request(handler: RequestHandler) -> None:
    """Log a finished request. The path has no query, since that may contain parameters."""
    if not isinstance(handler, BaseHandler):
        raise TypeError(f"{type(handler).__name__} is not a BaseHandler")
    request = handler.request
    status = int(handler.get_status())
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        level = logging.ERROR
    elif request.path in QUIET_PATHS and status < HTTPStatus.BAD_REQUEST:
        level = logging.DEBUG
    else:
        level = logging.INFO
    if not _std.isEnabledFor(level):  # structlog checks as well, but only after it has made the line
        return
    log.log(
        level,
        "request",
        method=handler.method,
        path=request.path,
        status=status,
        seconds=round(request.request_time(), 6),
        request_id=handler.request_id,
        client=handler.client_address,
        **handler.log_fields,
    )
