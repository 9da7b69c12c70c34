"""``lading demo``."""

from pathlib import Path

import click

from ..process.running import run_to_its_end
from .run import DemoFailed, run_demo


@click.command("demo")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=".lading-demo",
    show_default=True,
    help="Folder for everything that the demo writes.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Port to listen on. If it is taken, the demo picks a free port.",
)
@click.option("--once", is_flag=True, help="Stop after the import of the sample image.")
def demo_command(directory: Path, port: int, once: bool) -> None:
    """Try Lading: import a sample image by URL.

    Runs the service and an origin for the sample, both on loopback, until you press Ctrl-C (exit status 0).
    """
    try:
        run_to_its_end(lambda: run_demo(directory, port, once=once))
    except DemoFailed as error:
        raise click.ClickException(str(error)) from error
