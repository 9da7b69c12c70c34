"""The options with the parameters of all imports of a command."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def parameter_options(command: Command) -> Command:
    """The options with parameters; the command gets them as ``common``, those alone that are given."""

    def gather(context: click.Context, _parameter: click.Parameter, dedupe: str | None) -> None:
        given = {
            "album_id": context.params.pop("album"),
            "metadata": context.params.pop("metadata") or None,
            "dedupe": dedupe,
        }
        context.params["common"] = {name: value for name, value in given.items() if value is not None}

    for option in (
        click.option(
            "--dedupe",
            type=click.Choice(["album", "organization"]),
            callback=gather,
            expose_value=False,
            help="Where to look for equal images.",
        ),
        click.option(
            "--metadata",
            metavar="NAME=VALUE",
            multiple=True,
            is_eager=True,
            callback=_pairs,
            help="Kept with each image.",
        ),
        click.option("--album", metavar="ALBUM", is_eager=True, help="Album of the images."),
    ):
        command = option(command)
    return command


def _pairs(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> Mapping[str, str]:
    found = {}
    for value in values:
        name, sign, content = value.partition("=")
        if not sign or not name:
            raise click.BadParameter(f"{value!r} is not NAME=VALUE")
        found[name] = content
    return found
