"""The routes of the admin listener, and the HTTP server around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from .handlers import AdminHandler, Detail, LivenessHandler, MetricsHandler, MissingHandler, PartsHandler, Scrape
from .operations import (
    CancelHandler,
    DrainHandler,
    FailuresHandler,
    Operations,
    PauseHandler,
    PausesHandler,
    QueueHandler,
    ReleaseHandler,
    ResumeHandler,
    RetryHandler,
    WorkersHandler,
)

HEAD_MAX_BYTES: Final = 16 * 1024
IDLE_SECONDS: Final = 30.0
BODY_SECONDS: Final = 10.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AdminResources:
    """The values that the handlers work with.

    Attributes:
        detail: the parts and the worker of this process.
        scrape: gives the metrics of all processes of the service.
        operations: on the queue and on the workers.
    """

    detail: Detail
    scrape: Scrape
    operations: Operations


@dataclass(frozen=True, slots=True)
class AdminRoute:
    """A path and its handler.

    Attributes:
        uses: the field of ``AdminResources`` that becomes the handler's ``resource``; empty if it needs none.
    """

    path: str
    handler: type[AdminHandler]
    uses: str = ""


ADMIN_ROUTES: Final[Sequence[AdminRoute]] = (
    AdminRoute("/healthz", LivenessHandler),
    AdminRoute("/readyz", PartsHandler, "detail"),
    AdminRoute("/metrics", MetricsHandler, "scrape"),
    AdminRoute("/admin/queue", QueueHandler, "operations"),
    AdminRoute("/admin/queue/failures", FailuresHandler, "operations"),
    AdminRoute("/admin/queue/retry", RetryHandler, "operations"),
    AdminRoute("/admin/queue/cancel", CancelHandler, "operations"),
    AdminRoute("/admin/queue/pause", PauseHandler, "operations"),
    AdminRoute("/admin/queue/resume", ResumeHandler, "operations"),
    AdminRoute("/admin/pauses", PausesHandler, "operations"),
    AdminRoute("/admin/workers", WorkersHandler, "operations"),
    AdminRoute("/admin/workers/([^/]+)/drain", DrainHandler, "operations"),
    AdminRoute("/admin/workers/([^/]+)/resume", ReleaseHandler, "operations"),
)
"""Every route of the admin listener."""


def make_admin_server(resources: AdminResources) -> HTTPServer:
    """The server, without a socket. Create it inside the running event loop."""
    routes: list[Any] = [
        (route.path, route.handler, {"resource": getattr(resources, route.uses) if route.uses else None})
        for route in ADMIN_ROUTES
    ]
    app = Application(
        routes,
        default_handler_class=MissingHandler,
        default_handler_args={"resource": None},
        log_function=_log_request,
    )
    return HTTPServer(
        app,
        max_header_size=HEAD_MAX_BYTES,
        idle_connection_timeout=IDLE_SECONDS,
        body_timeout=BODY_SECONDS,
    )


def _log_request(handler: RequestHandler) -> None:
    """Probes and scrapes come every few seconds, so their lines have level debug; what changes something has info."""
    request = handler.request
    tell = log.info if request.method == "POST" else log.debug
    tell(
        "admin request",
        method=request.method,
        path=request.path,
        status=int(handler.get_status()),
        seconds=round(request.request_time(), 6),
    )
