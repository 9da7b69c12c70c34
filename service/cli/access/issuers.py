"""``lading issuer``: manages API keys."""

import os
import secrets
import uuid
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, TypeVar

import click

from ...documents import DocumentStore, DuplicateId
from ...models.clock import Clock, SystemClock, parse_duration, shown, truncate_to_milliseconds
from ...models.issuers import Algorithm, Issuer
from ...observe.audit.actions import Action
from ...secrets.keys import usable_key
from ..common import (
    audited_command,
    checked,
    config_option,
    documents_place,
    keeps_documents,
    no_issuer,
    on_store,
    parse_issuer_id,
    parse_name,
    read_secret_file,
    settings_from,
)
from ..loading import InOrder
from ..output.tables import print_table

Answer = TypeVar("Answer")

secret_file_option = click.option(
    "--secret-file", type=click.File("rb"), help="File to read the secret from; - reads standard input."
)
public_key_option = click.option(
    "--public-key",
    "public_key_file",
    type=click.File("rb"),
    help="File to read the public key (PEM) from; - reads standard input. For RS256, ES256 and EdDSA.",
)


@click.group("issuer", cls=InOrder)
def issuer_group() -> None:
    """Manage issuers: the API keys that sign tokens.

    These commands change issuers in the document store. Change the issuers of service.conf in that file.
    """


@issuer_group.command("create")
@config_option
@click.option(
    "--organization",
    "organization_id",
    required=True,
    callback=checked(parse_name),
    help="Id of the organisation that owns the issuer's imports.",
)
@click.option("--id", "issuer_id", callback=checked(parse_issuer_id), help="Id of the issuer.  [default: a new UUID]")
@click.option(
    "--algorithm",
    type=click.Choice([a.value for a in Algorithm]),
    default="HS256",
    show_default=True,
    help="The only algorithm that Lading accepts from the issuer.",
)
@secret_file_option
@public_key_option
@click.option("--no-require-exp", is_flag=True, help="Also accept tokens without an expiry time.")
def issuer_create(
    config: Path | None,
    organization_id: str,
    issuer_id: str | None,
    algorithm: str,
    secret_file: BinaryIO | None,
    public_key_file: BinaryIO | None,
    no_require_exp: bool,
) -> None:
    """Create an issuer.

    Prints the issuer's id, and the secret if this command made it. Lading shows the secret only once.
    """
    settings = settings_from(config, os.environ)
    key, is_new_secret = _key(Algorithm(algorithm), secret_file, public_key_file)
    issuer = Issuer(
        id=issuer_id or str(uuid.uuid4()),
        organization_id=organization_id,
        key=key,
        algorithm=Algorithm(algorithm),
        require_exp=not no_require_exp,
    )
    if issuer.id in settings.issuers:
        raise click.ClickException(f"the configuration already has the issuer {issuer.id!r}")
    try:
        of = {"issuer_id": issuer.id, "organization_id": issuer.organization_id}
        with audited_command(settings, Action.ISSUER_CREATED, **of):
            on_store(settings, lambda store: store.add_issuer(issuer))
    except DuplicateId as error:
        raise click.ClickException(f"the issuer {issuer.id!r} already exists") from error
    click.echo(f"id: {issuer.id}")
    if is_new_secret:
        click.echo(f"secret: {key}")


@issuer_group.command("rotate")
@config_option
@click.argument("issuer_id", callback=checked(parse_issuer_id))
@secret_file_option
@public_key_option
@click.option(
    "--grace",
    metavar="DURATION",
    callback=checked(lambda text: None if text == "none" else parse_duration(text)),
    default="1d",
    show_default=True,
    help="Time for which Lading still accepts the current key: 15m, 4h, 30d. Use none if the key has leaked.",
)
def issuer_rotate(
    config: Path | None,
    issuer_id: str,
    secret_file: BinaryIO | None,
    public_key_file: BinaryIO | None,
    grace: timedelta | None,
) -> None:
    """Give an issuer a new key for the same algorithm.

    Lading accepts the current key for the grace period as well, so that signers can change over. It refuses any earlier
    key from now on. Prints the new secret if this command made it; Lading shows the secret only once. A running service
    applies the change within [auth] issuer_cache seconds.
    """
    settings = settings_from(config, os.environ)
    if issuer_id in settings.issuers:
        raise click.ClickException(
            f"the issuer {issuer_id!r} is in the configuration; move its key to 'previous_secret' or"
            " 'previous_public_key' there, and write the new one in its place"
        )
    issuer, clock = on_store(settings, lambda store: _and_clock(store, store.get_issuer(issuer_id)))
    if issuer is None:
        raise no_issuer(settings, issuer_id)
    key, is_new_secret = _key(issuer.algorithm, secret_file, public_key_file)
    now = truncate_to_milliseconds(clock.now())
    keep_until = None if grace is None else now + grace
    if key in issuer.keys(now):
        raise click.ClickException(f"the issuer {issuer_id!r} already has this key")
    with audited_command(settings, Action.ISSUER_ROTATED, issuer_id=issuer_id):
        on_store(settings, lambda store: store.rotate_issuer(issuer_id, key, keep_until))
    click.echo(f"id: {issuer.id}")
    if is_new_secret:
        click.echo(f"secret: {key}")
    click.echo(f"previous key: {_accepted(keep_until, clock)}")
    if len(issuer.keys(now)) > 1:
        click.echo("Lading now refuses the key before the previous key.", err=True)


@issuer_group.command("list")
@config_option
def issuer_list(config: Path | None) -> None:
    """List the issuers, without their keys."""
    settings = settings_from(config, os.environ)
    managed: Sequence[Issuer] = ()
    clock: Clock = SystemClock()
    if keeps_documents(settings):
        managed, clock = on_store(settings, lambda store: _and_clock(store, store.list_issuers()))
    rows = [("ID", "ORGANIZATION", "ALGORITHM", "STATE", "KEPT IN", "PREVIOUS KEY")]
    now = clock.now()
    for where, issuers in (("service.conf", settings.issuers.values()), ("documents", managed)):
        for issuer in issuers:
            state = "enabled" if issuer.enabled else "disabled"
            previous = _accepted(issuer.previous_until, clock, "accepted") if len(issuer.keys(now)) > 1 else "-"
            rows.append((issuer.id, issuer.organization_id, issuer.algorithm.value, state, where, previous))
    if len(rows) > 1:
        print_table(rows)
    else:
        click.echo(f"The configuration and {documents_place(settings)} have no issuers.", err=True)


@issuer_group.command("disable")
@config_option
@click.argument("issuer_id", callback=checked(parse_issuer_id))
def issuer_disable(config: Path | None, issuer_id: str) -> None:
    """Refuse the tokens of an issuer.

    A running service applies the change within [auth] issuer_cache seconds.
    """
    _set_enabled(config, issuer_id, enabled=False)


@issuer_group.command("enable")
@config_option
@click.argument("issuer_id", callback=checked(parse_issuer_id))
def issuer_enable(config: Path | None, issuer_id: str) -> None:
    """Accept the tokens of an issuer again.

    A running service applies the change within [auth] issuer_cache seconds.
    """
    _set_enabled(config, issuer_id, enabled=True)


def _set_enabled(config: Path | None, issuer_id: str, *, enabled: bool) -> None:
    settings = settings_from(config, os.environ)
    if issuer_id in settings.issuers:
        raise click.ClickException(f"the issuer {issuer_id!r} is in the configuration; set 'enabled' there")
    action = Action.ISSUER_ENABLED if enabled else Action.ISSUER_DISABLED
    with audited_command(settings, action, issuer_id=issuer_id):
        if not on_store(settings, lambda store: store.set_issuer_enabled(issuer_id, enabled)):
            raise no_issuer(settings, issuer_id)
    click.echo(f"{issuer_id} is {'enabled' if enabled else 'disabled'}")


def _key(algorithm: Algorithm, secret_file: BinaryIO | None, public_key_file: BinaryIO | None) -> tuple[str, bool]:
    """The key for an issuer from one of the files, or a new secret; and whether it is new.

    Raises:
        ClickException: the file does not fit the algorithm, is missing, or contains no usable key.
    """
    if algorithm.uses_secret and public_key_file is not None:
        raise click.UsageError(f"{algorithm} uses a secret; --public-key is for RS256, ES256 and EdDSA")
    if not algorithm.uses_secret and (public_key_file is None or secret_file is not None):
        raise click.UsageError(f"{algorithm} uses a public key: give --public-key and no --secret-file")
    file = secret_file or public_key_file
    if file is None:
        return secrets.token_urlsafe(64), True
    try:
        return usable_key(algorithm, read_secret_file(file, one_line=algorithm.uses_secret)), False
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None


async def _and_clock(store: DocumentStore, answer: Awaitable[Answer]) -> tuple[Answer, Clock]:
    """The result of the store, and its clock, which continues after the store is closed."""
    return await answer, store.clock


def _accepted(until: datetime | None, clock: Clock, otherwise: str = "refused") -> str:
    """When a key expires by ``clock``, converted to this machine's clock."""
    if until is None:
        return otherwise
    return f"accepted until {shown(until, clock, SystemClock()).isoformat(timespec='seconds')}"
