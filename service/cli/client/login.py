"""``lading login``: a service and a token become a profile."""

import sys
from typing import Any

import click

from .connecting import Failure, Service, check_extra, client_of, told


@click.command("login")
@click.argument("url")
@click.option("--profile", "name", default="default", show_default=True, help="Name of the profile.")
@click.option("--token-file", type=click.File("rb"), help="File with the token, '-' for standard input.")
@click.option("--default", "is_default", is_flag=True, help="Use this profile where none is named.")
def login_command(url: str, name: str, token_file: Any, *, is_default: bool) -> None:
    """Save the URL of a service, and a token for it.

    The token is asked for, or read from a file, and tried. 'lading import' and the other commands use it from then on.
    """
    check_extra()
    from ....client.profiles import Profile, ProfileError, save_profile  # noqa: PLC0415  # httpx is an extra

    if token_file is not None:
        token = token_file.read().decode("utf-8", "replace").strip()
    elif sys.stdin.isatty():
        token = click.prompt("Token", hide_input=True).strip()
    else:
        raise click.UsageError("Standard input is no terminal: give --token-file.")
    if not token:
        raise click.UsageError("The token is empty.")
    _try(Service(url, token, None))
    try:
        path = save_profile(name, Profile(url, token), is_default=is_default)
    except (ProfileError, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"saved as profile {name!r} in {path}")


def _try(service: Service) -> None:
    """Ask for an import that nobody has: the answer tells whether the token is valid.

    Raises:
        Failure: the service does not answer, or refuses the token.
    """
    from ....client import NotFound  # noqa: PLC0415  # httpx is an extra

    with client_of(service) as client, told():
        try:
            client.get_import("00000000-0000-4000-8000-000000000000")
        except NotFound as error:
            if error.code.startswith("http_"):
                raise Failure(f"{service.url} is not a Lading service: it answers 404.", 1) from None
