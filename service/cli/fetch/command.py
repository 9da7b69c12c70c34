"""``lading fetch``: what would become of a fetch, and why."""

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
    """See what may be fetched, and what may not."""


@fetch_group.command("explain")
@click.argument("url")
@config_option
@click.option("--follow", is_flag=True, help="Send the requests too, redirects included; no body is read.")
def explain_command(url: str, config: Path | None, follow: bool) -> None:
    """Say whether a URL may be fetched, and which rule decides.

    Looks its host up, and judges port, host and every address as a fetch would; nothing is connected to unless --follow
    is given. Then the same is told of each redirect. The last lines are what the client of an import would read. The
    exit status is 0 where nothing is refused. Of URLs, no more than scheme, host and path is printed.
    """
    settings, components = everything_from(config, os.environ)
    try:
        allowed = asyncio.run(explain_fetch(url, settings, components, follow=follow, tell=click.echo))
    except PluginError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if allowed else 1)
