"""Runs the admin listener of a process: its sockets, and the parts that it tells of."""

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from socket import socket

import structlog

from ..api.admin.app import AdminResources, make_admin_server
from ..api.http.connections.listening import patient
from ..config import Settings
from ..observe.readiness import Readiness
from .sockets import listen, url_of
from .wiring import Parts

log = structlog.get_logger(__name__)


def admin_sockets(settings: Settings) -> Sequence[socket]:
    """The listening sockets of the admin listener; none if ``[admin] port`` is empty.

    Raises:
        OSError: the address cannot be bound.
    """
    options = settings.admin
    return () if options.port is None else listen(options.address, options.port)


@asynccontextmanager
async def administered(
    parts: Parts, readiness: Readiness, inherited: Sequence[socket] = ()
) -> AsyncIterator[str | None]:
    """The admin listener of a process, if ``[admin] port`` is set; on exit it is closed.

    Args:
        parts: the opened parts.
        readiness: of the parts that requests and imports need.
        inherited: listening sockets from a supervisor; without any, this binds the configured address.

    Yields:
        the base URL of the listener; None without one.

    Raises:
        OSError: the address cannot be bound.
    """
    with ExitStack() as stack:
        sockets = patient(inherited or admin_sockets(parts.settings))
        for listening in sockets:
            stack.callback(listening.close)
        if not sockets:
            yield None
            return
        server = make_admin_server(AdminResources(_in_detail(parts, readiness)))
        server.add_sockets(sockets)
        url = url_of(sockets[0])
        log.info("admin listening", address=url)
        try:
            yield url
        finally:
            server.stop()
            await server.close_all_connections()


def _in_detail(parts: Parts, readiness: Readiness) -> Readiness:
    """The readiness that operators see: also of the storages that no new image waits for."""
    storages = parts.storages
    others = {f"storage.{name}": one.ping for name, one in storages.by_name.items() if name != storages.main}
    return Readiness({}, others=others, within=readiness)
