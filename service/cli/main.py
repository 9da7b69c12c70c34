"""The ``lading`` command. Exit status: 0 done, 1 refused or failed with a message, 2 wrong usage."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import structlog
import uvloop

from ...plugins.errors import PluginError
from ..config import Components, Fault, Settings, SettingsError, load_all
from ..config.contradictions import refusals, refusals_of_worker, warnings
from ..documents import StoreError
from ..models.clock import SystemClock
from ..observe import logs
from ..observe.log_queue import queued_lines
from ..observe.telemetry import opening as telemetry
from ..runtime.checks import probe
from ..runtime.descriptors import REMEDY, needed, raise_limit, say_if_short
from ..runtime.serving import WorkerDied, serve, work
from ..runtime.signals.handlers import Wishes, obeying
from ..runtime.signals.reloading import Reloading
from ..runtime.supervision.child import inherited_share, serve_as_child
from ..runtime.supervision.supervisor import StartRefused, supervise
from .client.bulk.command import bulk_command
from .client.documents import imports_group
from .client.images import images_group
from .client.login import login_command
from .client.send.command import import_command
from .common import (
    InOrder,
    audit_file_of,
    config_option,
    documents_place,
    everything_from,
    interrupted_by_sigterm,
    refused,
)
from .config import config_command
from .demo.run import DemoFailed, run_demo
from .fetch.command import fetch_group
from .issuers import issuer_group
from .plugins.command import plugins_group
from .queue.command import queue_group
from .queue.workers import workers_group
from .storage.command import storage_group
from .tokens import page_command, token_command
from .upkeep.backup import backup_command
from .upkeep.migrate import migrate_command
from .upkeep.plan import documents_group
from .upkeep.restore import restore_command
from .upkeep.retention import retention_group

log = structlog.get_logger(__name__)


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("lading"), prog_name="lading")
def main() -> None:
    """Lading imports images by URL: it fetches, recognises and stores them."""


@main.command("demo")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=".lading-demo",
    show_default=True,
    help="Folder for everything that the demo writes.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Port to listen on. If it is taken, the demo picks a free port.",
)
@click.option("--once", is_flag=True, help="Stop after the import of the sample image.")
def demo_command(directory: Path, port: int, once: bool) -> None:
    """Try Lading: import a sample image by URL.

    Runs the service and an origin for the sample, both on loopback, until you press Ctrl-C (exit status 0).
    """
    _run(lambda: run_demo(directory, port, once=once))


@main.command("serve")
@config_option
@click.option("--address", help="Address to listen on, instead of [service] address.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on, instead of [service] port.")
@click.option("--processes", type=click.IntRange(1, 64), help="Number of processes, instead of [service] processes.")
@click.option("--listen-fd", "descriptors", type=int, multiple=True, hidden=True)
@click.option("--admin-fd", "admin_descriptors", type=int, multiple=True, hidden=True)
@click.option("--board-fd", "board", type=int, hidden=True)
@click.option("--child", type=int, default=1, hidden=True)
def serve_command(
    config: Path | None,
    address: str | None,
    port: int | None,
    processes: int | None,
    descriptors: tuple[int, ...],
    admin_descriptors: tuple[int, ...],
    board: int | None,
    child: int,
) -> None:
    """Run the service.

    The process also runs a worker, unless [worker] enabled = false. After SIGTERM or Ctrl-C, running imports may finish
    within [service] shutdown_timeout; a second signal ends every process at once. The next start continues unfinished
    imports. SIGHUP reloads the configuration.
    """
    environ = dict(os.environ)
    if address is not None:
        environ["LADING_SERVICE__ADDRESS"] = address
    if port is not None:
        environ["LADING_SERVICE__PORT"] = str(port)
    if processes is not None:
        environ["LADING_SERVICE__PROCESSES"] = str(processes)
    settings, components = everything_from(config, environ)
    _refuse([*refusals(settings), *telemetry.refusals(settings, environ)])
    run = _Run(config, environ, settings, components)
    if descriptors:
        share = inherited_share(admin_descriptors, board, child)
        run.until_stopped(
            lambda wishes, reloading: serve_as_child(
                settings, components, SystemClock(), wishes, reloading, descriptors, share
            )
        )
    elif settings.service.processes == 1:
        run.until_stopped(
            lambda wishes, reloading: serve(settings, components, SystemClock(), wishes, reloading),
            warnings(settings, components),
            telemetry.doubts(settings, environ),
        )
    else:
        arguments = ("serve", *(("--config", str(config)) if config else ()))
        run.until_stopped(
            lambda wishes, reloading: supervise(settings, arguments, environ, wishes, reloading),
            warnings(settings, components),
            telemetry.doubts(settings, environ),
            has_children=True,
        )


@main.command("worker")
@config_option
def worker_command(config: Path | None) -> None:
    """Run a worker without the service.

    The worker shares the documents and the storage of a service, and stops on the same signals.
    """
    settings, components = everything_from(config, os.environ)
    _refuse([*refusals_of_worker(settings), *telemetry.refusals(settings, os.environ)])
    run = _Run(config, os.environ, settings, components)
    run.until_stopped(
        lambda wishes, reloading: work(settings, components, SystemClock(), wishes, reloading),
        warnings(settings, components),
        telemetry.doubts(settings, os.environ),
    )


def _refuse(faults: Sequence[Fault]) -> None:
    """Refuse a configuration with faults."""
    if faults:
        raise refused(SettingsError(faults))


@main.command("check")
@config_option
def check_command(config: Path | None) -> None:
    """Check a configuration.

    Validates every option, loads the plugins, and tests the database, the storages and the folders for spools and
    uploads. It leaves no object and no folder behind. A database with an older schema is upgraded, as at a start.
    Prints every fault, and warns of limits that contradict each other. The exit status is 1 if there is a fault.
    """
    try:
        settings, components = load_all(config, os.environ)
        with interrupted_by_sigterm():
            faults = asyncio.run(probe(settings, components))
        limit, wanted = raise_limit(), needed(settings)
        if limit < wanted:
            click.echo(f"warning: up to {wanted} file descriptors are needed, and {limit} allowed; {REMEDY}", err=True)
        for warning in (*warnings(settings, components), *telemetry.doubts(settings, os.environ)):
            click.echo(f"warning: {warning}", err=True)
    except SettingsError as error:
        faults = [str(fault) for fault in error.faults]
    for fault in faults:
        click.echo(f"fault: {fault}", err=True)
    if faults:
        sys.exit(1)
    click.echo(f"ok: documents in {documents_place(settings)}, images in {' and '.join(components.storages)}")
    click.echo(f"file descriptors: up to {wanted} for a process, of {limit}")
    if settings.service.processes > 1:
        click.echo(_together(settings))


def _together(settings: Settings) -> str:
    """The bounds that each process has for itself, for all processes of one service: origins and receivers meet the
    sum.
    """
    number, worker, webhooks = settings.service.processes, settings.worker, settings.webhooks
    bounds = []
    if worker.enabled:
        bounds += [
            f"{number * worker.concurrency} running imports",
            f"{number * worker.per_issuer} of an issuer",
            f"{number * worker.per_host} fetches from a host",
        ]
    if webhooks.enabled:
        bounds += [f"{number * webhooks.per_host} webhook requests to a receiver"]
    return f"{number} processes together: up to {', '.join(bounds) or 'no imports, and no webhook requests'}"


main.add_command(import_command)
main.add_command(bulk_command)
main.add_command(imports_group)
main.add_command(images_group)
main.add_command(login_command)
main.add_command(config_command)
main.add_command(plugins_group)
main.add_command(fetch_group)
main.add_command(issuer_group)
main.add_command(token_command)
main.add_command(page_command)
main.add_command(storage_group)
main.add_command(queue_group)
main.add_command(workers_group)
main.add_command(retention_group)
main.add_command(backup_command)
main.add_command(restore_command)
main.add_command(migrate_command)
main.add_command(documents_group)


@dataclass(frozen=True, slots=True)
class _Run:
    """A process that runs until a signal stops it.

    Attributes:
        path, environ: where the configuration comes from, also when it is reloaded.
        settings, components: the configuration.
    """

    path: Path | None
    environ: Mapping[str, str]
    settings: Settings
    components: Components

    def until_stopped(
        self,
        process: Callable[[Wishes, Reloading], Coroutine[Any, Any, None]],
        contradictions: Sequence[Fault] = (),
        doubts: Sequence[Fault] = (),
        *,
        has_children: bool = False,
    ) -> None:
        """Run the process.

        Args:
            process: gets what somebody wants from it, and the reloads of the configuration.
            contradictions: of the configuration, to be logged.
            doubts: about the configuration, to be logged.
            has_children: whether it ends its children before a second signal ends it. They tell of reloads themselves.
        """
        is_json = logs.configure(self.settings.service.log_level, self.settings.service.log_format)
        threading.excepthook = logs.log_uncaught

        async def run() -> None:
            wishes = Wishes()
            running = (self.settings, self.components)
            reloading = Reloading(lambda: load_all(self.path, self.environ), running, is_telling=not has_children)
            with obeying(wishes, has_children=has_children):
                await process(wishes, reloading)

        with queued_lines():
            say_if_short(self.settings)
            for warning in contradictions:
                log.warning("limits contradict each other", reason=str(warning))
            for doubt in doubts:
                log.warning("the configuration is probably not meant so", reason=str(doubt))
            try:
                with audit_file_of(self.settings, is_direct=False):
                    _run(run)
            except click.ClickException as error:
                if not is_json:
                    raise
                log.critical("the process ends with an error", reason=error.message)
                sys.exit(1)


def _run(process: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a process to its end; turn a failure to start into a message."""
    try:
        uvloop.run(process())
    except SettingsError as error:
        raise refused(error) from error
    except (DemoFailed, StartRefused, StoreError, PluginError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except WorkerDied as error:
        raise click.ClickException(f"the worker died: {error.__cause__!r}") from error
