"""``lading token``: signs tokens with the key of an issuer."""

import os
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import click

from ..api.auth import DEFAULT_ABILITIES, issue_token
from ..models.clock import SystemClock, parse_duration
from .common import (
    checked,
    config_option,
    keeps_documents,
    no_issuer,
    on_store,
    parse_issuer_id,
    parse_name,
    read_secret_file,
    settings_from,
)


@click.command("token")
@config_option
@click.option(
    "--issuer",
    "issuer_id",
    required=True,
    callback=checked(parse_issuer_id),
    help="Id of the issuer that signs the token.",
)
@click.option(
    "--album",
    "albums",
    multiple=True,
    callback=checked(parse_name),
    help="Album that the token is for. Repeatable.",
)
@click.option(
    "--ability",
    "abilities",
    multiple=True,
    callback=checked(parse_name),
    help="Ability that the token grants in the albums, instead of the default. Repeatable."
    f"  [default: {', '.join(DEFAULT_ABILITIES)}]",
)
@click.option("--admin", is_flag=True, help="Grant everything in the issuer's organisation.")
@click.option(
    "--expires",
    metavar="DURATION",
    callback=checked(parse_duration),
    default="4h",
    show_default=True,
    help="Time for which the token is valid: 90s, 15m, 4h, 30d.",
)
@click.option(
    "--private-key",
    "private_key_file",
    type=click.File("rb"),
    help="File to read the private key (PEM) from; - reads standard input. For an issuer with a public key.",
)
def token_command(
    config: Path | None,
    issuer_id: str,
    albums: tuple[str, ...],
    abilities: tuple[str, ...],
    admin: bool,
    expires: timedelta,
    private_key_file: BinaryIO | None,
) -> None:
    """Sign a token for an issuer and print it."""
    if not albums and not admin:
        raise click.UsageError("give at least one --album, or --admin")
    settings = settings_from(config, os.environ)
    issuer = settings.issuers.get(issuer_id)
    if issuer is None and keeps_documents(settings):
        issuer = on_store(settings, lambda store: store.get_issuer(issuer_id))
    if issuer is None:
        raise no_issuer(settings, issuer_id)
    if not issuer.enabled:
        raise click.ClickException(f"the issuer {issuer_id!r} is disabled")
    if not issuer.algorithm.uses_secret and private_key_file is None:
        raise click.ClickException(
            f"the issuer {issuer_id!r} has only a public key, which cannot sign: give the private key with"
            " --private-key"
        )
    granted = dict.fromkeys(albums, abilities or DEFAULT_ABILITIES)
    now = SystemClock().now()
    try:
        private_key = read_secret_file(private_key_file, one_line=False) if private_key_file else None
        token = issue_token(issuer, abilities=granted, now=now, expires=expires, admin=admin, private_key=private_key)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(token)
