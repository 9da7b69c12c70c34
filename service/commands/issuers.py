"""``lading issuer`` and ``lading token``: the API keys, and the tokens that they sign."""

import os
import secrets
import uuid
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import click

from service.auth import check_secret, issue_token
from service.clock import SystemClock
from service.commands.common import (
    InOrder,
    checked,
    config_option,
    documents_place,
    keeps_documents,
    on_store,
    parse_duration,
    parse_issuer_id,
    parse_name,
    print_table,
    settings_from,
)
from service.documents import DuplicateId
from service.issuers import Algorithm, Issuer
from service.settings import Settings

MAX_SECRET_BYTES = 8192


@click.group("issuer", cls=InOrder)
def issuer_group() -> None:
    """Manage issuers: API keys that sign tokens.

    They are kept in the document store. Those of service.conf are managed there.
    """


@issuer_group.command("create")
@config_option
@click.option(
    "--organization",
    "organization_id",
    required=True,
    callback=checked(parse_name),
    help="Id of the organisation that its imports belong to.",
)
@click.option("--id", "issuer_id", callback=checked(parse_issuer_id), help="Its id.  [default: a new UUID]")
@click.option(
    "--algorithm",
    type=click.Choice([a.value for a in Algorithm]),
    default="HS256",
    show_default=True,
    help="The only one accepted from it.",
)
@click.option("--secret-file", type=click.File("rb"), help="Read the secret from a file, - for standard input.")
@click.option("--no-require-exp", is_flag=True, help="Accept its tokens also when they never expire.")
def issuer_create(
    config: Path | None,
    organization_id: str,
    issuer_id: str | None,
    algorithm: str,
    secret_file: BinaryIO | None,
    no_require_exp: bool,
) -> None:
    """Create an issuer.

    Prints its id, and its secret where it was made here. The secret is shown this once.
    """
    settings = settings_from(config, os.environ)
    try:
        secret = _read_secret(secret_file) if secret_file else secrets.token_urlsafe(64)
        check_secret(Algorithm(algorithm), secret)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    issuer = Issuer(
        id=issuer_id or str(uuid.uuid4()),
        organization_id=organization_id,
        secret=secret,
        algorithm=Algorithm(algorithm),
        require_exp=not no_require_exp,
    )
    if issuer.id in settings.issuers:
        raise click.ClickException(f"the issuer {issuer.id!r} is in the configuration already")
    try:
        on_store(settings, lambda store: store.add_issuer(issuer))
    except DuplicateId as error:
        raise click.ClickException(f"the issuer {issuer.id!r} exists already") from error
    click.echo(f"id: {issuer.id}")
    if not secret_file:
        click.echo(f"secret: {secret}")


@issuer_group.command("list")
@config_option
def issuer_list(config: Path | None) -> None:
    """List the issuers, without their secrets."""
    settings = settings_from(config, os.environ)
    managed = on_store(settings, lambda store: store.list_issuers()) if keeps_documents(settings) else ()
    rows = [("ID", "ORGANIZATION", "ALGORITHM", "STATE", "KEPT IN")]
    for where, issuers in (("service.conf", settings.issuers.values()), ("documents", managed)):
        for issuer in issuers:
            state = "enabled" if issuer.enabled else "disabled"
            rows.append((issuer.id, issuer.organization_id, issuer.algorithm.value, state, where))
    if len(rows) > 1:
        print_table(rows)
    else:
        click.echo(f"There are no issuers in the configuration or in {documents_place(settings)}.", err=True)


@issuer_group.command("disable")
@config_option
@click.argument("issuer_id", callback=checked(parse_issuer_id))
def issuer_disable(config: Path | None, issuer_id: str) -> None:
    """Refuse the tokens of an issuer.

    A running service does so within [auth] issuer_cache seconds.
    """
    _set_enabled(config, issuer_id, enabled=False)


@issuer_group.command("enable")
@config_option
@click.argument("issuer_id", callback=checked(parse_issuer_id))
def issuer_enable(config: Path | None, issuer_id: str) -> None:
    """Accept the tokens of an issuer again.

    A running service does so within [auth] issuer_cache seconds.
    """
    _set_enabled(config, issuer_id, enabled=True)


@click.command("token")
@config_option
@click.option(
    "--issuer", "issuer_id", required=True, callback=checked(parse_issuer_id), help="Id of the issuer that signs it."
)
@click.option(
    "--album",
    "albums",
    multiple=True,
    callback=checked(parse_name),
    help="Album it is for; may be given several times.",
)
@click.option(
    "--ability",
    "abilities",
    multiple=True,
    callback=checked(parse_name),
    help="Ability it grants there; may be given several times.  [default: image_upload]",
)
@click.option("--admin", is_flag=True, help="Allow everything in the issuer's organisation.")
@click.option(
    "--expires",
    metavar="DURATION",
    callback=checked(parse_duration),
    default="4h",
    show_default=True,
    help="How long it is valid: 90s, 15m, 4h, 30d.",
)
def token_command(
    config: Path | None,
    issuer_id: str,
    albums: tuple[str, ...],
    abilities: tuple[str, ...],
    admin: bool,
    expires: timedelta,
) -> None:
    """Print a token, signed by an issuer."""
    if not albums and not admin:
        raise click.UsageError("name at least one --album, or give --admin")
    settings = settings_from(config, os.environ)
    issuer = settings.issuers.get(issuer_id)
    if issuer is None and keeps_documents(settings):
        issuer = on_store(settings, lambda store: store.get_issuer(issuer_id))
    if issuer is None:
        raise _no_issuer(settings, issuer_id)
    if not issuer.enabled:
        raise click.ClickException(f"the issuer {issuer_id!r} is disabled")
    granted = dict.fromkeys(albums, abilities or ("image_upload",))
    now = SystemClock().now()
    click.echo(issue_token(issuer, abilities=granted, now=now, expires=expires, admin=admin))


def _set_enabled(config: Path | None, issuer_id: str, *, enabled: bool) -> None:
    settings = settings_from(config, os.environ)
    if issuer_id in settings.issuers:
        raise click.ClickException(f"the issuer {issuer_id!r} is in the configuration; set 'enabled' there")
    if not on_store(settings, lambda store: store.set_issuer_enabled(issuer_id, enabled)):
        raise _no_issuer(settings, issuer_id)
    click.echo(f"{issuer_id} is {'enabled' if enabled else 'disabled'}")


def _no_issuer(settings: Settings, issuer_id: str) -> click.ClickException:
    places = (
        f"the configuration or in {documents_place(settings)}" if keeps_documents(settings) else "the configuration"
    )
    return click.ClickException(f"there is no issuer {issuer_id!r} in {places}; see 'lading issuer list'")


def _read_secret(file: BinaryIO) -> str:
    """The secret that a file holds, without its last line break.

    Raises:
        ValueError: it is longer than 8192 bytes, or not one line of UTF-8. The text does not repeat it.
        OSError: it cannot be read.
    """
    content = file.read(MAX_SECRET_BYTES + 1)
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"the secret is longer than {MAX_SECRET_BYTES} bytes")
    try:
        secret = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError("the secret is not UTF-8") from None
    if "\n" in secret or "\0" in secret:
        raise ValueError("the secret is more than one line of text")
    return secret
