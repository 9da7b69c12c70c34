"""``lading fetch``: whether a URL may be fetched, and why."""

import asyncio
import os
import sys
from pathlib import Path

import click

from ....plugins.errors import PluginError
from ..common import InOrder, config_option, everything_from
from .explain import explain_fetch


@click.group("fetch", cls=InOrder)
def fetch_group() -> None:
    """Explain which URLs Lading may fetch."""


@fetch_group.command("explain")
@click.argument("url")
@config_option
@click.option("--follow", is_flag=True, help="Also send the requests and follow redirects, without reading a body.")
def explain_command(url: str, config: Path | None, follow: bool) -> None:
    """Say whether a URL may be fetched, and which rule decides.

    Looks up the host and checks the port, the host and every address as a fetch does. Without --follow, Lading opens no
    connection; with it, Lading checks each redirect too. The last lines are the answer that the client of an import
    gets. The exit status is 0 if Lading refuses nothing. Prints no part of a URL but scheme, host and path.
    """
    settings, components = everything_from(config, os.environ)
    try:
        allowed = asyncio.run(explain_fetch(url, settings, components, follow=follow, tell=click.echo))
    except PluginError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if allowed else 1)
