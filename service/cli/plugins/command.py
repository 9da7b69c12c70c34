"""``lading plugins``: lists plugins, says which would serve a URL, tests a plugin, creates a plugin."""

import asyncio
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ....plugins.errors import PluginError
from ...config import SettingsError
from ..common import config_option, everything_from, refused, settings_from
from ..loading import InOrder
from .catalogue import KINDS, catalogue
from .check import Score, run_suite
from .explain import explain
from .listing import as_json, as_text
from .new import CREATED, NewRefused, new_plugin, write
from .score import card, heading
from .suites import CheckRefused, Task, find_suite, installed_at, kind_of, subject


@click.group("plugins", cls=InOrder, invoke_without_command=True)
@config_option
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
@click.pass_context
def plugins_group(context: click.Context, config: Path | None, json_wanted: bool) -> None:
    """List the installed plugins, or work with one of them.

    Without a command, prints every plugin with its capabilities and options. Loads every plugin; if that fails, prints
    the reason instead of the options.
    """
    if context.invoked_subcommand is not None:
        if json_wanted or context.get_parameter_source("config") is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"write the options of '{context.invoked_subcommand}' after its name")
        return
    entries = catalogue(settings_from(config, os.environ).plugin_names)
    click.echo(as_json(entries) if json_wanted else "\n".join(as_text(entries)))


@plugins_group.command("explain")
@click.argument("url")
@config_option
def explain_command(url: str, config: Path | None) -> None:
    """Say which plugins would serve a URL.

    Asks the configured fetchers whether they accept the URL, without opening a connection. The exit status is 0 if a
    fetcher accepts it. Prints no part of the URL but scheme, host and path.
    """
    settings, components = everything_from(config, os.environ)
    try:
        explanation = asyncio.run(explain(url, settings, components))
    except PluginError as error:
        raise click.ClickException(str(error)) from error
    click.echo("\n".join(explanation.lines))
    sys.exit(0 if explanation.served else 1)


@plugins_group.command("check")
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(list(KINDS)), help="Kind of the plugin, if several kinds have a plugin of this name."
)
@config_option
@click.option(
    "--timeout",
    type=click.FloatRange(1, 86400),
    default=900,
    show_default=True,
    help="Seconds after which Lading ends the suite.",
)
def check_command(name: str, kind: str | None, config: Path | None, timeout: float) -> None:
    """Test a plugin with its suite.

    Runs the suite that the plugin's distribution declares, with the options of service.conf, in a separate process, and
    prints a score card. The exit status is 0 if all cases pass. Needs pytest: pip install 'lading[testing]'.
    """
    try:
        section = KINDS[kind] if kind else kind_of(name)
        about = subject(section, name, config, os.environ)
        suite = find_suite(about.plugin)
        for line in heading(about, suite.value):
            click.echo(line)
        with tempfile.TemporaryDirectory(prefix="lading-check-") as folder:
            task = Task(section, name, config, Path(folder), installed_at(section, name))
            score = asyncio.run(until_stopped(run_suite(task, timeout, _progress)))
    except SettingsError as error:
        raise refused(error) from error
    except CheckRefused as error:
        raise click.ClickException(str(error)) from error
    click.echo("\n".join(card(score, about.options)))
    sys.exit(0 if score.all_passed else 1)


def _progress(score: Score) -> None:
    if sys.stderr.isatty():
        end = "\r" if len(score.cases) < score.expected else "\r\033[K"
        click.echo(f"{len(score.cases)} of {score.expected} cases{end}", nl=False, err=True)


async def until_stopped(run: Coroutine[Any, Any, Score]) -> Score:
    """The score; SIGTERM ends the run like Ctrl-C, so that no process of it stays.

    A further SIGTERM changes nothing, as those that ``timeout`` sends to a process and then to its group.
    """
    task = asyncio.ensure_future(run)

    def stop() -> None:
        if not task.cancelling():
            task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    try:
        return await task
    except asyncio.CancelledError:
        raise click.Abort from None


@plugins_group.command("new")
@click.argument("kind", type=click.Choice(CREATED))
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    show_default=True,
    help="Folder in which to create the package's folder.",
)
@click.option("--network", is_flag=True, help="Of a fetcher: fetch from other machines, instead of from a folder.")
def new_command(kind: str, name: str, directory: Path, *, network: bool) -> None:
    """Create the package of a new plugin.

    The package installs with pip, works, and passes the test kit. Change it into your own plugin. Lading overwrites
    nothing.
    """
    try:
        plugin = new_plugin(kind, name, network=network)
        folder = write(plugin, directory)
    except (NewRefused, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"wrote {folder}: the {kind} '{plugin.name}', which works as it is. Next:\n\n"
        f"  cd {shlex.quote(str(folder))}\n"
        "  pip install -e '.[test]'\n"
        "  python -m pytest\n"
        "  lading plugins\n\n"
        f"{plugin.package}/{kind}.py is the plugin; {plugin.package}/suite.py tells the kit how to test it. "
        "'Fill in' marks the parts to replace.\n"
        "README.md says how to configure it."
    )
