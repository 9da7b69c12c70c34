"""The ``lading`` command. Exit status: 0 done, 1 refused or failed with a message, 2 called wrongly."""

import asyncio
import os
import secrets
import sys
import uuid
from collections.abc import Callable, Coroutine
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import click

from plugins.registry import GROUPS, installed
from service import logs
from service.auth import check_secret, issue_token
from service.checks import probe
from service.clock import SystemClock
from service.demo.run import run_demo
from service.documents import DocumentStore, DuplicateId, StoreError
from service.issuers import Algorithm, Issuer
from service.serving import WorkerDied, serve, stop_on_signals, work
from service.settings import Components, Settings, SettingsError, load_all, load_settings
from service.wiring import make_store

Result = TypeVar("Result")

config_option = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="LADING_CONFIG",
    help="The service.conf; without it, every option has its default.",
)


class Duration(click.ParamType[timedelta]):
    """A duration such as ``90s``, ``15m``, ``4h`` or ``30d``."""

    name = "duration"
    _UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}  # noqa: RUF012  # a constant of the class

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """See ``click.ParamType.convert``."""
        if isinstance(value, timedelta):
            return value
        number, unit = str(value)[:-1], str(value)[-1:]
        if unit not in self._UNITS or not number.isascii() or not number.isdigit() or not 0 < int(number) < 10**6:
            self.fail(f"{value!r} is not a duration such as 90s, 15m, 4h or 30d", param, ctx)
        return timedelta(**{self._UNITS[unit]: int(number)})


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("lading"), prog_name="lading")
def main() -> None:
    """Lading imports images by URL: fetched, recognised, stored."""


@main.command("serve")
@config_option
@click.option("--address", help="Listen here instead of [service] address.")
@click.option("--port", type=click.IntRange(0, 65535), help="Listen here instead of [service] port.")
def serve_command(config: Path | None, address: str | None, port: int | None) -> None:
    """Run the service, with a worker in its own process unless [worker] enabled = false."""
    environ = dict(os.environ)
    if address is not None:
        environ["LADING_SERVICE__ADDRESS"] = address
    if port is not None:
        environ["LADING_SERVICE__PORT"] = str(port)
    settings, components = _load(config, environ)
    _run_until_stopped(settings, components, serve)


@main.command("worker")
@config_option
def worker_command(config: Path | None) -> None:
    """Run a worker alone, on the documents and the storage that a service uses."""
    settings, components = _load(config)
    if settings.documents.backend == "memory":
        raise click.ClickException("[documents] backend = memory cannot be shared with another process")
    _run_until_stopped(settings, components, work)


@main.command("check")
@config_option
def check_command(config: Path | None) -> None:
    """Validate the configuration, load the plugins, and probe the database and the storage."""
    settings, components = _load(config)
    faults = asyncio.run(probe(settings, components))
    for fault in faults:
        click.echo(f"fault: {fault}", err=True)
    if faults:
        sys.exit(1)
    click.echo(f"ok: documents in {settings.documents.backend}, images in {components.storage.plugin.name}")


@main.command("plugins")
def plugins_command() -> None:
    """List the installed plugins."""
    rows = [("KIND", "NAME", "DISTRIBUTION", "VERSION", "ENTRY POINT")]
    for kind in GROUPS:
        rows += [(kind, found.name, found.distribution, found.version, found.target) for found in installed(kind)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@main.command("token")
@config_option
@click.option("--issuer", "issuer_id", required=True, help="Id of the issuer that signs it.")
@click.option("--album", "albums", multiple=True, help="Album it is for; may be given several times.")
@click.option("--ability", "abilities", multiple=True, help="Ability it grants there [default: image_upload].")
@click.option("--admin", is_flag=True, help="Allow everything in the issuer's organisation.")
@click.option("--expires", type=Duration(), default="4h", show_default=True, help="How long it is valid.")
def token_command(
    config: Path | None,
    issuer_id: str,
    albums: tuple[str, ...],
    abilities: tuple[str, ...],
    admin: bool,
    expires: timedelta,
) -> None:
    """Print a token."""
    if not albums and not admin:
        raise click.UsageError("name at least one --album, or give --admin")
    settings = _settings(config)
    issuer = settings.issuers.get(issuer_id) or _on_store(settings, lambda store: store.get_issuer(issuer_id))
    if issuer is None:
        raise click.ClickException(f"there is no issuer {issuer_id!r}; see 'lading issuer list'")
    if not issuer.enabled:
        raise click.ClickException(f"the issuer {issuer_id!r} is disabled")
    granted = dict.fromkeys(albums, abilities or ("image_upload",))
    now = SystemClock().now()
    click.echo(issue_token(issuer, abilities=granted, now=now, expires=expires, admin=admin))


@main.group("issuer")
def issuer_group() -> None:
    """Manage issuers (API keys) in the document store; those of service.conf are managed there."""


@issuer_group.command("create")
@config_option
@click.option("--organization", "organization_id", required=True, help="Id of the organisation that it belongs to.")
@click.option("--id", "issuer_id", help="Its id [default: a new UUID].")
@click.option("--algorithm", type=click.Choice([a.value for a in Algorithm]), default="HS256", show_default=True)
@click.option("--secret-file", type=click.File("r"), help="Read the secret from a file, - for standard input.")
@click.option("--no-require-exp", is_flag=True, help="Accept its tokens also when they never expire.")
def issuer_create(
    config: Path | None,
    organization_id: str,
    issuer_id: str | None,
    algorithm: str,
    secret_file: Any,
    no_require_exp: bool,
) -> None:
    """Create an issuer; print its id, and its secret where it was made here. The secret is shown this once."""
    settings = _settings(config)
    secret = secret_file.read().rstrip("\r\n") if secret_file else secrets.token_urlsafe(64)
    issuer = Issuer(
        id=issuer_id or str(uuid.uuid4()),
        organization_id=organization_id,
        secret=secret,
        algorithm=Algorithm(algorithm),
        require_exp=not no_require_exp,
    )
    try:
        check_secret(issuer.algorithm, secret)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if issuer.id in settings.issuers:
        raise click.ClickException(f"the issuer {issuer.id!r} is in the configuration already")
    try:
        _on_store(settings, lambda store: store.add_issuer(issuer))
    except DuplicateId as error:
        raise click.ClickException(f"the issuer {issuer.id!r} exists already") from error
    click.echo(f"id: {issuer.id}")
    if not secret_file:
        click.echo(f"secret: {secret}")


@issuer_group.command("list")
@config_option
def issuer_list(config: Path | None) -> None:
    """List the issuers of the configuration and of the document store, without their secrets."""
    settings = _settings(config)
    managed = _on_store(settings, lambda store: store.list_issuers())
    for where, issuers in (("service.conf", settings.issuers.values()), ("documents", managed)):
        for issuer in issuers:
            state = "enabled" if issuer.enabled else "disabled"
            click.echo(f"{issuer.id}  organization={issuer.organization_id}  {issuer.algorithm}  {state}  {where}")


@issuer_group.command("disable")
@config_option
@click.argument("issuer_id")
def issuer_disable(config: Path | None, issuer_id: str) -> None:
    """Refuse the tokens of an issuer, within [auth] issuer_cache seconds."""
    _set_enabled(config, issuer_id, enabled=False)


@issuer_group.command("enable")
@config_option
@click.argument("issuer_id")
def issuer_enable(config: Path | None, issuer_id: str) -> None:
    """Accept the tokens of an issuer again."""
    _set_enabled(config, issuer_id, enabled=True)


@main.command("demo")
@click.option(
    "--directory", type=click.Path(file_okay=False, path_type=Path), default=".lading-demo", show_default=True
)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@click.option("--once", is_flag=True, help="End after the sample image was imported.")
def demo_command(directory: Path, port: int, once: bool) -> None:
    """Run the service and import a sample image by URL, on loopback alone."""
    try:
        asyncio.run(run_demo(directory, port, once=once))
    except (SettingsError, StoreError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _set_enabled(config: Path | None, issuer_id: str, *, enabled: bool) -> None:
    settings = _settings(config)
    if issuer_id in settings.issuers:
        raise click.ClickException(f"the issuer {issuer_id!r} is in the configuration; set 'enabled' there")
    if not _on_store(settings, lambda store: store.set_issuer_enabled(issuer_id, enabled)):
        raise click.ClickException(f"there is no issuer {issuer_id!r}; see 'lading issuer list'")
    click.echo(f"{issuer_id} is {'enabled' if enabled else 'disabled'}")


def _settings(config: Path | None) -> Settings:
    try:
        return load_settings(config, os.environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


def _load(config: Path | None, environ: dict[str, str] | None = None) -> tuple[Settings, Components]:
    try:
        return load_all(config, os.environ if environ is None else environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


def _on_store(settings: Settings, use: Callable[[DocumentStore], Coroutine[Any, Any, Result]]) -> Result:
    """Open the document store for one call."""
    if settings.documents.backend == "memory":
        raise click.ClickException("[documents] backend = memory keeps no issuers; declare them in service.conf")

    async def call() -> Result:
        store = make_store(settings, SystemClock())
        try:
            await store.open()
            return await use(store)
        finally:
            await store.close()

    try:
        return asyncio.run(call())
    except DuplicateId:
        raise
    except StoreError as error:
        raise click.ClickException(str(error)) from error


def _run_until_stopped(
    settings: Settings,
    components: Components,
    process: Callable[[Settings, Components, SystemClock, asyncio.Event], Coroutine[Any, Any, None]],
) -> None:
    logs.configure(settings.service.log_level, settings.service.log_format)

    async def run() -> None:
        stop = asyncio.Event()
        with stop_on_signals(stop):
            await process(settings, components, SystemClock(), stop)

    try:
        asyncio.run(run())
    except (StoreError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except WorkerDied as error:
        raise click.ClickException(f"the worker died: {error.__cause__!r}") from error
