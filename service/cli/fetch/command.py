"""``lading fetch``: whether a URL may be fetched, and why."""

import asyncio
import os
import sys
from pathlib import Path

import click

from ....plugins.contracts import Source
from ....plugins.errors import PluginError
from ..common import config_option, everything_from
from ..loading import InOrder
from .explain import explain_fetch


@click.group("fetch", cls=InOrder)
def fetch_group() -> None:
    """Explain which URLs Lading may fetch."""


@fetch_group.command("explain")
@click.argument("url")
@config_option
@click.option("--follow", is_flag=True, help="Also send the requests and follow redirects, without reading a body.")
@click.option("--organization", metavar="ID", help="Organisation of the import, for its credentials and its storage.")
@click.option("--issuer", metavar="ID", help="Issuer of the import, for its storage.")
@click.option("--album", metavar="NAME", help="Album of the import, for its storage.")
def explain_command(
    url: str, config: Path | None, *, follow: bool, organization: str | None, issuer: str | None, album: str | None
) -> None:
    """Say whether a URL may be fetched, and which rule decides.

    Says which User-Agent, credentials, proxy and storage an import would use; of credentials the names alone.

    Looks up the host and checks the port, the host and every address as a fetch does. Without --follow, Lading opens no
    connection; with it, Lading checks each redirect too. The last lines are the answer that the client of an import
    gets. The exit status is 0 if Lading refuses nothing. Prints no part of a URL but scheme, host and path.
    """
    settings, components = everything_from(config, os.environ)
    source = Source(url, organization_id=organization, issuer_id=issuer, album_id=album)
    try:
        allowed = asyncio.run(explain_fetch(source, settings, components, follow=follow, tell=click.echo))
    except PluginError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if allowed else 1)
