"""Runs the admin listener of a process: its sockets, the metrics, and the parts that it tells of."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from socket import gethostname, socket
from typing import TYPE_CHECKING, Any, Final

import structlog

from ...api.admin.app import AdminResources, make_admin_server
from ...api.admin.handlers import Detail
from ...api.admin.operations import Operations
from ...api.http.connections.listening import patient
from ...config import Settings
from ...config.sections.admin import AdminSettings
from ...observe.metrics.ledger import Board
from ...observe.metrics.meter import NO_METER, Meter
from ...observe.metrics.sampling import Source
from ...observe.readiness import Readiness
from ...work.worker import Worker
from ..operating import bulk_on
from ..sockets import close_all, listen, url_of
from ..wiring import Parts

if TYPE_CHECKING:
    from .measuring import Measuring

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a process in the admin listener of its service.

    Attributes:
        sockets: listening sockets from a supervisor; without any, the process binds the configured address.
        board: of the metrics of all processes; without one, the process has a board for itself.
        number: of this process on the board.
    """

    sockets: Sequence[socket] = ()
    board: Board | None = None
    number: int = 1


ALONE: Final = Share()
"""The share of a process without a supervisor."""


class Admin:
    """The admin listener of a process, if ``[admin] port`` is set.

    Attributes:
        meter: measures the parts of the process.
    """

    def __init__(self, settings: Settings, share: Share) -> None:
        self._settings = settings
        self._share = share
        self._measuring = None if settings.admin.port is None else _measuring(settings, share)
        self.meter: Meter = NO_METER if self._measuring is None else self._measuring.meter

    @asynccontextmanager
    async def listening(self, parts: Parts, readiness: Readiness, worker: Worker | None) -> AsyncIterator[str | None]:
        """Listen, and look at gauges, until the block ends.

        Args:
            parts: the opened parts, measured by ``meter``.
            readiness: of the parts that requests and imports need.
            worker: of the process, if it has one.

        Yields:
            the base URL of the listener; None without one.

        Raises:
            OSError: the address cannot be bound.
        """
        if self._measuring is None:
            yield None
            return
        sources: dict[str, Source] = {} if worker is None else {"worker": worker.slots}
        async with AsyncExitStack() as stack:
            sockets = patient(self._share.sockets or admin_sockets(self._settings))
            stack.callback(close_all, sockets)
            scrape = await stack.enter_async_context(self._measuring.sampling(parts.store, sources))
            bulk = await stack.enter_async_context(
                bulk_on(parts.store, self._settings, parts.clock, parts.outbox, parts.changes)
            )
            operations = Operations(bulk, parts.clock, _names(self._settings.admin))
            server = make_admin_server(AdminResources(in_detail(parts, readiness, worker), scrape, operations))
            server.add_sockets(sockets)
            stack.push_async_callback(server.close_all_connections)
            stack.callback(server.stop)
            url = url_of(sockets[0])
            log.info("admin listening", address=url)
            yield url


def _measuring(settings: Settings, share: Share) -> "Measuring":
    # Imported here, since a process without the listener does not need Prometheus' library.
    from .measuring import Measuring  # noqa: PLC0415

    return Measuring(settings, share.board, share.number)


def admin_sockets(settings: Settings) -> Sequence[socket]:
    """The listening sockets of the admin listener; none if ``[admin] port`` is empty.

    Raises:
        OSError: the address cannot be bound.
    """
    options = settings.admin
    return () if options.port is None else listen(options.address, options.port)


def _names(options: AdminSettings) -> frozenset[str]:
    """The names of the listener, in lower case."""
    return frozenset({options.address.lower(), gethostname().lower(), *options.hosts})


def in_detail(parts: Parts, readiness: Readiness, worker: Worker | None) -> Detail:
    """The readiness that operators see: also of the fetchers, of the storages that no new image waits for, and of the
    worker.
    """
    storages = parts.storages
    pings = {f"storage.{name}": one.ping for name, one in storages.by_name.items() if name != storages.main}
    others = {**pings, **parts.plugins.fetcher_pings}
    return Detail(Readiness({}, others=others, within=readiness), None if worker is None else partial(_told, worker))


def _told(worker: Worker) -> dict[str, Any]:
    presence = worker.presence
    return {
        "id": presence.identity.id,
        "state": presence.state.value,
        "drained_at": None if presence.drained_at is None else presence.drained_at.isoformat(),
        "imports": len(worker.slots.held),
    }
