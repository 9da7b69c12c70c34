"""``lading serve`` and ``lading worker``."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from ...config import Fault, SettingsError
from ...config.contradictions import refusals, refusals_of_worker, warnings
from ...models.clock import SystemClock
from ...observe.telemetry import opening as telemetry
from ...runtime.serving import serve, work
from ...runtime.supervision.child import inherited_share, serve_as_child
from ...runtime.supervision.supervisor import supervise
from ..common import config_option, everything_from, refused
from .running import Running


@click.command("serve")
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
    run = Running(config, environ, settings, components)
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


@click.command("worker")
@config_option
def worker_command(config: Path | None) -> None:
    """Run a worker without the service.

    The worker shares the documents and the storage of a service, and stops on the same signals.
    """
    settings, components = everything_from(config, os.environ)
    _refuse([*refusals_of_worker(settings), *telemetry.refusals(settings, os.environ)])
    run = Running(config, os.environ, settings, components)
    run.until_stopped(
        lambda wishes, reloading: work(settings, components, SystemClock(), wishes, reloading),
        warnings(settings, components),
        telemetry.doubts(settings, os.environ),
    )


def _refuse(faults: Sequence[Fault]) -> None:
    """Refuse a configuration with faults."""
    if faults:
        raise refused(SettingsError(faults))
