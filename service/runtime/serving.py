"""Runs the service and the worker as processes: listening, the order of the stop, and reloads.

A process that must stop first says so in ``/readyz`` for ``drain_delay``, and serves on. Then it accepts no new
connections and makes no new claims. It answers running requests. Running imports finish within ``shutdown_timeout`` or
go back to the queue. Then everything closes. ``lading.service.runtime.signals`` says which signals ask for that.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from tornado.httpserver import HTTPServer

from ...backends.guard.storage import GuardedStorage
from ...plugins.errors import PluginError
from ..api.app import make_app, make_server
from ..api.http.connections.listening import patient
from ..api.http.in_flight import InFlight
from ..config import Components, Settings
from ..config.sections.service import ISSUER_PREFIX
from ..documents import StoreUnavailable
from ..models.clock import Clock
from ..observe.readiness import Readiness
from ..work.worker import Worker
from .admin.listener import ALONE, Admin, Share
from .api_wiring import make_readiness, make_resources
from .collector import settle
from .disk_space import say_if_short
from .signals.handlers import Wishes
from .signals.parts import Section
from .signals.reloading import Reloading
from .sockets import close_all, listen, url_of
from .wiring import Parts, make_mirroring, make_purger, make_retention, make_worker, open_parts

REQUEST_GRACE = 5.0
"""Seconds for which running requests may continue after the service was asked to stop."""
CLOSE_GRACE = 1.0
"""Seconds for which requests whose connections were closed may continue."""
STARTUP_PING_TIMEOUT = 10.0

log = structlog.get_logger(__name__)


class WorkerDied(Exception):
    """The worker ended although nobody stopped it: a defect. The process must not continue without its worker."""


async def serve(
    settings: Settings,
    components: Components,
    clock: Clock,
    wishes: Wishes,
    reloading: Reloading,
    *,
    inherited: Sequence[socket.socket] = (),
    share: Share = ALONE,
    listening: Callable[[], None] = lambda: None,
) -> None:
    """Run the service until somebody wishes it to stop.

    Args:
        settings: the configuration.
        components: the configured plugins.
        clock: gives the time.
        wishes: what somebody wants from the process.
        reloading: reloads the configuration.
        inherited: listening sockets from a supervisor; without any, this binds the configured address.
        share: the process's part in the admin listener.
        listening: called when the service answers requests.

    Raises:
        OSError: the address cannot be bound.
        SettingsError: the database cannot be used as it is configured.
        WorkerDied: the embedded worker failed.
    """
    async with running(settings, components, clock, inherited=inherited, share=share) as service:
        settle()
        log.info("listening", address=service.url, documents=settings.documents.backend, pid=os.getpid())
        listening()
        parts = service.parts
        await say_if_short(settings, components, parts.spools, receives=True)
        async with (
            _once_opened(parts, partial(_say_if_nobody_can_come, settings, parts), "greeting"),
            _reloads(reloading, wishes, parts),
        ):
            await wait_for_stop(wishes.stop, service.worker_task, parts.opening.task)
            await _drain(settings.service.drain_delay, service, wishes)
        log.info("stopping", grace=settings.service.shutdown_timeout)


async def work(settings: Settings, components: Components, clock: Clock, wishes: Wishes, reloading: Reloading) -> None:
    """Run a worker alone until somebody wishes it to stop.

    Raises:
        SettingsError: the database cannot be used as it is configured.
        WorkerDied: the worker failed.
    """
    admin = Admin(settings, ALONE)
    async with open_parts(settings, components, clock, admin.meter) as parts:
        await _first_ping(parts)
        worker = make_worker(parts, "worker")
        progress = _once_opened(parts, parts.progress.run, "progress")
        listening = admin.listening(parts, make_readiness(parts), worker)
        async with listening, progress, _sending_webhooks(parts), _worker_running(parts, worker) as task:
            settle()
            identity = worker.presence.identity
            log.info("working", documents=settings.documents.backend, pid=identity.pid, worker=identity.id)
            await say_if_short(settings, components, parts.spools, receives=False)
            for section in (ISSUER_PREFIX, "retention"):
                parts.reloadables.add(Section(section, _unused))
            async with _reloads(reloading, wishes, parts):
                await wait_for_stop(wishes.stop, task, parts.opening.task)
            log.info("stopping", grace=settings.service.shutdown_timeout)


@dataclass(frozen=True)
class RunningService:
    """A listening service.

    Attributes:
        parts: the opened parts.
        readiness: what ``/readyz`` answers.
        url: its base URL, with the actual port.
        worker_task: the task of the embedded worker, or None without one.
        admin_url: the base URL of the admin listener; None without one.
    """

    parts: Parts
    readiness: Readiness
    url: str
    worker_task: asyncio.Task[None] | None
    admin_url: str | None = None


@asynccontextmanager
async def running(
    settings: Settings,
    components: Components,
    clock: Clock,
    *,
    inherited: Sequence[socket.socket] = (),
    share: Share = ALONE,
) -> AsyncIterator[RunningService]:
    """A listening service with its embedded worker; on exit, everything stops in order. Arguments and errors: see
    ``serve``.
    """
    options = settings.service
    sockets = patient(inherited or listen(options.address, options.port))
    admin = Admin(settings, share)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(close_all, sockets)
        parts = await stack.enter_async_context(open_parts(settings, components, clock, admin.meter))
        await _first_ping(parts)
        await stack.enter_async_context(_sending_webhooks(parts))
        worker = make_worker(parts, "serve") if settings.worker.enabled else None
        task = await stack.enter_async_context(_worker_running(parts, worker)) if worker else None
        resources = (
            make_resources(parts, worker.wake, worker.stop_import, worker.holds)
            if worker
            else make_resources(parts, lambda: None)
        )
        admin_url = await stack.enter_async_context(admin.listening(parts, resources.readiness, worker))
        for run, name in (
            (parts.progress.run, "progress"),
            (make_purger(parts).run, "purger"),
            (make_mirroring(parts).run, "mirroring"),
            (make_retention(parts).run, "retention"),
            (resources.imports.receiving.run, "uploads"),
            (resources.uploads.uploads.run, "files of uploads"),
            *([(resources.images.thumbnails.run, "thumbnails")] if resources.images.thumbnails else []),
        ):
            await stack.enter_async_context(_once_opened(parts, run, name))
        stack.push_async_callback(resources.events.events.feeds.close)
        stack.push_async_callback(resources.imports.imports.backlog.close)
        stack.push_async_callback(resources.common.rates.close)
        server = make_server(
            make_app(resources, parts.meter),
            resources.common.in_flight,
            head_max_bytes=options.head_max_bytes,
            idle_timeout=options.idle_timeout,
            body_timeout=options.body_timeout,
        )
        server.add_sockets(sockets)
        stack.push_async_callback(_stop_server, server, resources.common.in_flight)
        yield RunningService(parts, resources.readiness, url_of(sockets[0]), task, admin_url)


async def _say_if_nobody_can_come(settings: Settings, parts: Parts) -> None:
    """Warn a newcomer that the service will refuse every request."""
    try:
        if settings.issuers or await parts.store.list_issuers():
            return
    except StoreUnavailable:
        return
    if settings.documents.backend == "memory":
        remedy = "declare an [issuer.<id>] in service.conf"
    else:
        remedy = "lading issuer create --organization NAME"
    log.warning("no issuer exists, so nobody can sign a token", remedy=remedy)


async def _first_ping(parts: Parts) -> None:
    """Let every storage prepare itself. An unavailable storage stops nothing: imports are accepted, and wait (P6)."""
    await asyncio.gather(*(_prepared(name, storage) for name, storage in parts.storages.by_name.items()))


async def _prepared(name: str, storage: GuardedStorage) -> None:
    try:
        async with asyncio.timeout(STARTUP_PING_TIMEOUT):
            await storage.ping()
    except (PluginError, TimeoutError) as error:
        log.error("storage is unavailable; imports wait for it", storage=name, reason=str(error))  # noqa: TRY400


@asynccontextmanager
async def _worker_running(parts: Parts, worker: Worker) -> AsyncIterator[asyncio.Task[None]]:
    """The worker's task; on exit it is stopped and has ended. The worker begins when the database is there."""
    task = asyncio.create_task(parts.opening.before(worker.run), name="worker")
    try:
        yield task
    finally:
        worker.stop()
        if not parts.opening.is_done:
            task.cancel()
        await asyncio.wait({task})


def _once_opened(
    parts: Parts, run: Callable[[], Coroutine[Any, Any, None]], name: str
) -> AbstractAsyncContextManager[None]:
    """``_in_the_background``, from the moment at which the database is there."""
    return _in_the_background(partial(parts.opening.before, run), name)


@asynccontextmanager
async def _in_the_background(run: Callable[[], Coroutine[Any, Any, None]], name: str) -> AsyncIterator[None]:
    """The task of a loop; on exit it has ended. The next process continues its work."""
    task = asyncio.create_task(run(), name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def _sending_webhooks(parts: Parts) -> AsyncIterator[None]:
    """The announcer and the deliverer; on exit both have ended. The next process continues their work."""
    if parts.webhooks is None:
        yield
        return
    async with (
        _once_opened(parts, parts.webhooks.deliverer.run, "deliverer"),
        _once_opened(parts, parts.webhooks.announcer.run, "announcer"),
    ):
        yield


def _reloads(reloading: Reloading, wishes: Wishes, parts: Parts) -> AbstractAsyncContextManager[None]:
    return _in_the_background(lambda: reloading.run(wishes, parts.reloadables.parts), "reloads")


def _unused(_: Settings) -> None:
    """Take over an option that this process does not use."""


async def _drain(delay: float, service: RunningService, wishes: Wishes) -> None:
    """Say that the service is about to stop, and serve on until balancers have noticed.

    Raises:
        SettingsError, WorkerDied: see ``wait_for_stop``.
    """
    service.readiness.stop()
    if delay and not wishes.undelayed.is_set():
        log.info("draining: /readyz answers 503, and requests are served", seconds=delay)
        await wait_for_stop(wishes.undelayed, service.worker_task, service.parts.opening.task, delay)


async def wait_for_stop(
    stop: asyncio.Event,
    worker_task: asyncio.Task[None] | None,
    opening_task: asyncio.Task[None],
    timeout: float | None = None,
) -> None:
    """Wait until ``stop`` is set, or for ``timeout`` seconds.

    Raises:
        SettingsError: the database, which was away at first, cannot be used as it is configured.
        WorkerDied: the worker ended before that.
    """
    stopped = asyncio.create_task(stop.wait(), name="stop")
    awaited = {stopped, opening_task} | ({worker_task} if worker_task else set())
    try:
        async with asyncio.timeout(timeout):
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            if opening_task.done():
                opening_task.result()
                await asyncio.wait(awaited - {opening_task}, return_when=asyncio.FIRST_COMPLETED)
    except TimeoutError:
        pass
    finally:
        stopped.cancel()
    if worker_task is not None and worker_task.done():
        raise WorkerDied from worker_task.exception()


async def _stop_server(server: HTTPServer, in_flight: InFlight) -> None:
    server.stop()
    in_flight.stop_waiting()
    await in_flight.drained(REQUEST_GRACE)
    await server.close_all_connections()
    # Everything that those requests use must close after them.
    await in_flight.drained(CLOSE_GRACE)
