"""``lading token`` and ``lading page``: sign tokens with the key of an issuer, alone or in a link to the page."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from ipaddress import ip_address
from pathlib import Path
from typing import Any, BinaryIO

import click

from ...api.auth import DEFAULT_ABILITIES, issue_token
from ...config import Settings
from ...models.clock import SystemClock, parse_duration
from ..common import (
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


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The token to sign: the options of the commands."""

    issuer_id: str
    albums: tuple[str, ...]
    abilities: tuple[str, ...]
    admin: bool
    expires: timedelta
    private_key_file: BinaryIO | None

    def signed(self, settings: Settings) -> str:
        """The token.

        Raises:
            ClickException: the issuer does not exist, is disabled, or cannot sign.
        """
        if not self.albums and not self.admin:
            raise click.UsageError("give at least one --album, or --admin")
        issuer = settings.issuers.get(self.issuer_id)
        if issuer is None and keeps_documents(settings):
            issuer = on_store(settings, lambda store: store.get_issuer(self.issuer_id))
        if issuer is None:
            raise no_issuer(settings, self.issuer_id)
        if not issuer.enabled:
            raise click.ClickException(f"the issuer {self.issuer_id!r} is disabled")
        if not issuer.algorithm.uses_secret and self.private_key_file is None:
            raise click.ClickException(
                f"the issuer {self.issuer_id!r} has only a public key, which cannot sign: give the private key with"
                " --private-key"
            )
        granted = dict.fromkeys(self.albums, self.abilities or DEFAULT_ABILITIES)
        file = self.private_key_file
        try:
            return issue_token(
                issuer,
                abilities=granted,
                now=SystemClock().now(),
                expires=self.expires,
                admin=self.admin,
                private_key=read_secret_file(file, one_line=False) if file else None,
            )
        except (ValueError, OSError) as error:
            raise click.ClickException(str(error)) from None


def _token_options(expires: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options of a command that signs a token; the command gets them as one value, ``wanted``."""
    options = (
        click.option(
            "--issuer",
            "issuer_id",
            required=True,
            callback=checked(parse_issuer_id),
            help="Id of the issuer that signs the token.",
        ),
        click.option(
            "--album",
            "albums",
            multiple=True,
            callback=checked(parse_name),
            help="Album that the token is for. Repeatable.",
        ),
        click.option(
            "--ability",
            "abilities",
            multiple=True,
            callback=checked(parse_name),
            help="Ability that the token grants in the albums, instead of the default. Repeatable."
            f"  [default: {', '.join(DEFAULT_ABILITIES)}]",
        ),
        click.option("--admin", is_flag=True, help="Grant everything in the issuer's organisation."),
        click.option(
            "--expires",
            metavar="DURATION",
            callback=checked(parse_duration),
            default=expires,
            show_default=True,
            help="Time for which the token is valid: 90s, 15m, 4h, 30d.",
        ),
        click.option(
            "--private-key",
            "private_key_file",
            type=click.File("rb"),
            help="File to read the private key (PEM) from; - reads standard input. For an issuer with a public key.",
        ),
    )

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def called(
            issuer_id: str,
            albums: tuple[str, ...],
            abilities: tuple[str, ...],
            admin: bool,
            expires: timedelta,
            private_key_file: BinaryIO | None,
            **rest: Any,
        ) -> None:
            command(wanted=_Wanted(issuer_id, albums, abilities, admin, expires, private_key_file), **rest)

        for option in reversed(options):
            called = option(called)
        return called

    return decorated


@click.command("token")
@config_option
@_token_options(expires="4h")
def token_command(config: Path | None, wanted: _Wanted) -> None:
    """Sign a token for an issuer and print it."""
    click.echo(wanted.signed(settings_from(config, os.environ)))


@click.command("page")
@config_option
@_token_options(expires="1h")
@click.option(
    "--url",
    metavar="URL",
    help="Address of the service for people, such as https://images.example.org."
    "  [default: [service] address and port]",
)
def page_command(config: Path | None, wanted: _Wanted, url: str | None) -> None:
    """Print a link to the page, with a token for its reader.

    Whoever has the link can use the token until it expires. The token is in the fragment of the link, which a browser
    sends to no server. The page takes it out of the address at once.
    """
    settings = settings_from(config, os.environ)
    if not settings.page.enabled:
        raise click.ClickException("the page is off: [page] enabled = false")
    if url is None and settings.service.port == 0:
        raise click.UsageError("give --url: [service] port = 0 picks another port at each start")
    click.echo(page_link(url or _own_url(settings), wanted.signed(settings)))


def page_link(url: str, token: str, view: str = "") -> str:
    """The link that signs a browser in.

    Args:
        url: of the service.
        token: for the reader of the link.
        view: of the page, such as ``find``; empty for the first view that the token allows.
    """
    return f"{url.rstrip('/')}/#token={token}{view and f'&view={view}'}"


def _own_url(settings: Settings) -> str:
    """The address of the service for a browser on the same machine."""
    host = settings.service.address
    try:
        address = ip_address(host)
    except ValueError:
        pass
    else:
        if address.is_unspecified:
            host = "127.0.0.1"
        elif address.version == 6:  # noqa: PLR2004
            host = f"[{host}]"
    return f"http://{host}:{settings.service.port}"
