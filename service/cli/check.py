"""``lading check``: a configuration, and what it names."""

import asyncio
import os
import sys
from pathlib import Path

import click

from ..config import Settings, SettingsError, load_all
from ..config.contradictions import warnings
from ..observe.telemetry import opening as telemetry
from ..runtime.checks import probe
from ..runtime.descriptors import REMEDY, needed, raise_limit
from .common import config_option, documents_place, interrupted_by_sigterm


@click.command("check")
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
