"""The route table, and the HTTP server around it."""

import socket
from http import HTTPStatus
from typing import Any
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

from service.handlers.base import Api, BaseHandler, NotFoundHandler
from service.handlers.batches import BatchFailuresHandler, BatchHandler, BatchRetryHandler, BatchSummaryHandler
from service.handlers.content import ContentHandler
from service.handlers.events import AlbumEventsHandler, ImportEventsHandler
from service.handlers.health import HealthHandler, ReadinessHandler
from service.handlers.images import ImageContentHandler, ImageHandler
from service.handlers.imports import (
    CancelHandler,
    ImportHandler,
    ImportsHandler,
    PreflightHandler,
    RetryHandler,
    TraceHandler,
)
from service.handlers.uploads import UploadHandler, UploadsHandler
from service.handlers.webhooks import (
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

log = structlog.get_logger(__name__)

QUIET_PATHS = frozenset({"/healthz", "/readyz"})
"""Probes come every few seconds; those that succeed are logged at debug level."""


class LadingApplication(Application):
    """An application that also understands request targets in absolute form (RFC 9112 section 3.2.2)."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """See ``tornado.web.Application.find_handler``."""
        if request.path.lower().startswith(("http://", "https://")):
            request.path = urlsplit(request.path).path or "/"
        return super().find_handler(request, **kwargs)


def make_app(api: Api) -> Application:
    """The application: every route, and one log line for each request."""
    # Tornado parses the query of every request for itself; what it holds is bounded by the head, and judged by ours.
    set_parse_body_config(ParseBodyConfig(urlencoded=ParseUrlEncodedConfig(max_arguments=2**31)))
    context = {"api": api}
    return LadingApplication(
        [
            (r"/api/v1/imports", ImportsHandler, context),
            (r"/api/v1/imports/batch", BatchHandler, context),
            (r"/api/v1/batches/([^/]+)", BatchSummaryHandler, context),
            (r"/api/v1/batches/([^/]+)/failures", BatchFailuresHandler, context),
            (r"/api/v1/batches/([^/]+)/retry", BatchRetryHandler, context),
            (r"/api/v1/imports/preflight", PreflightHandler, context),
            (r"/api/v1/imports/([^/]+)", ImportHandler, context),
            (r"/api/v1/imports/([^/]+)/trace", TraceHandler, context),
            (r"/api/v1/imports/([^/]+)/events", ImportEventsHandler, context),
            (r"/api/v1/events", AlbumEventsHandler, context),
            (r"/api/v1/imports/([^/]+)/content", ContentHandler, context),
            (r"/api/v1/imports/([^/]+)/cancel", CancelHandler, context),
            (r"/api/v1/imports/([^/]+)/retry", RetryHandler, context),
            (r"/api/v1/imports/([^/]+)/deliveries", ImportDeliveriesHandler, context),
            (r"/api/v1/imports/([^/]+)/deliveries/([^/]+)", ImportDeliveryHandler, context),
            (r"/api/v1/imports/([^/]+)/deliveries/([^/]+)/replay", ImportReplayHandler, context),
            (r"/api/v1/webhooks", EndpointsHandler, context),
            (r"/api/v1/webhooks/secret", SecretHandler, context),
            (r"/api/v1/webhooks/secret/rotate", SecretRotationHandler, context),
            (r"/api/v1/webhooks/([^/]+)", EndpointHandler, context),
            (r"/api/v1/webhooks/([^/]+)/rotate", EndpointRotationHandler, context),
            (r"/api/v1/webhooks/([^/]+)/test", EndpointTestHandler, context),
            (r"/api/v1/webhooks/([^/]+)/deliveries", DeliveriesHandler, context),
            (r"/api/v1/webhooks/([^/]+)/deliveries/([^/]+)", DeliveryHandler, context),
            (r"/api/v1/webhooks/([^/]+)/deliveries/([^/]+)/replay", ReplayHandler, context),
            (r"/api/v1/uploads", UploadsHandler, context),
            (r"/api/v1/uploads/([^/]+)", UploadHandler, context),
            (r"/api/v1/images/([^/]+)", ImageHandler, context),
            (r"/api/v1/images/([^/]+)/content", ImageContentHandler, context),
            (r"/healthz", HealthHandler, context),
            (r"/readyz", ReadinessHandler, context),
        ],
        default_handler_class=NotFoundHandler,
        default_handler_args=context,
        log_function=log_request,
    )


def make_server(app: Application, *, head_max_bytes: int, idle_timeout: float, body_timeout: float) -> HTTPServer:
    """The server of an application.

    Args:
        app: what ``make_app`` made.
        head_max_bytes: size of a request's head. Handlers answer 431 to a longer one; one of more than four times the
            size closes the connection.
        idle_timeout: seconds for which a connection may stay without a request; also the time that a head may take.
        body_timeout: seconds that a body may take. Handlers answer 408 then; one second later the connection closes.
    """
    return HTTPServer(
        app,
        max_header_size=4 * head_max_bytes,
        idle_connection_timeout=idle_timeout,
        body_timeout=body_timeout + 1.0,
    )


def bind(address: str, port: int) -> list[socket.socket]:
    """Listening sockets for an address; port 0 takes a free one.

    Raises:
        OSError: the address cannot be bound.
    """
    return bind_sockets(port, address)


def log_request(handler: RequestHandler) -> None:
    """One line for a finished request. The path is logged without its query, which may hold parameters."""
    if not isinstance(handler, BaseHandler):
        raise TypeError(f"{type(handler).__name__} is not a BaseHandler")
    request = handler.request
    status = handler.get_status()
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        write = log.error
    elif request.path in QUIET_PATHS and status < HTTPStatus.BAD_REQUEST:
        write = log.debug
    else:
        write = log.info
    write(
        "request",
        method=request.method,
        path=request.path,
        status=status,
        seconds=round(request.request_time(), 6),
        request_id=handler.request_id,
        client=handler.client_address,
        **handler.log_fields,
    )
