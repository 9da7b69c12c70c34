"""``lading config``: the shipped ``service.conf``, and the changes of a configuration against the defaults."""

import os
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.core import ParameterSource
from pydantic import BaseModel, ValidationError

from ...plugins.host.registry import GROUPS
from ...plugins.host.validation import mentions_secret
from ..config import Components, Settings
from ..config.sections.service import ISSUER_PREFIX, PLUGIN_KEY, SECTIONS
from ..models.issuers import Algorithm, Issuer
from .common import config_option, everything_from
from .plugins.catalogue import default_of, written

SECRET = "**********"  # noqa: S105 - it stands for any secret
NOTHING_CHANGED = "# Every option has its default."


class Change(NamedTuple):
    """An option whose value is not its default.

    Attributes:
        section, key: the option, as ``service.conf`` writes it.
        value: the value, as ``service.conf`` writes it; ``SECRET`` for a secret.
        default: the default, likewise; None without a default.
    """

    section: str
    key: str
    value: str
    default: str | None


@click.command("config")
@config_option
@click.option("--diff", is_flag=True, help="Print the options whose values are not their defaults.")
@click.pass_context
def config_command(context: click.Context, config: Path | None, diff: bool) -> None:
    """Print the service.conf that has every option with its default.

    With --diff: print what a configuration, its file and the environment together, changes against the defaults. The
    plugins that it configures are loaded for that. Secrets are not shown.
    """
    if diff:
        settings, components = everything_from(config, os.environ)
        click.echo("\n".join(as_ini(changes(settings, components))) or NOTHING_CHANGED)
        return
    if config is not None and context.get_parameter_source("config") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--config is read for --diff alone")
    click.echo(shipped(), nl=False)


def shipped() -> str:
    """The text of the ``service.conf`` that is installed with Lading."""
    return files("lading").joinpath("service.conf").read_text(encoding="utf-8")


def changes(settings: Settings, components: Components) -> Iterator[Change]:
    """Every option whose value is not its default: of the service, of issuers, of the configured plugins."""
    for section in SECTIONS:
        yield from _differing(section, getattr(settings, section.replace(".", "_")))
    for issuer in settings.issuers.values():
        yield from _issuer(issuer)
    for kind in GROUPS:
        for name, component in components.of(kind).items():
            section = f"{kind}.{name}"
            if component.plugin.name != name:
                yield Change(section, PLUGIN_KEY, component.plugin.name, None)
            yield from _differing(section, component.options)


def as_ini(found: Iterable[Change]) -> Iterator[str]:
    """The changes as the lines of a ``service.conf``, each default in a comment."""
    section = ""
    for change in found:
        if change.section != section:
            yield from ([""] if section else [])
            section = change.section
            yield f"[{section}]"
        yield f"# {_remark(change)}"
        # A value of several lines is indented from its second line on.
        yield f"{change.key} = {change.value}".rstrip().replace("\n", "\n    ")


def _remark(change: Change) -> str:
    if change.value == SECRET:
        return "a secret, which is not shown"
    return "no default" if change.default is None else f"default: {change.default}".rstrip().replace("\n", " ")


def _differing(section: str, options: BaseModel) -> Iterator[Change]:
    defaults = _defaults(options)
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        if name in defaults and value == defaults[name]:
            continue
        key = field.alias or name
        if mentions_secret(field.annotation):
            yield Change(section, key, SECRET, None)
        else:
            yield Change(section, key, written(value), written(defaults[name]) if name in defaults else None)


def _defaults(options: BaseModel) -> Mapping[str, Any]:
    """The defaults of a model's options, computed by the model from the required options."""
    fields = type(options).model_fields
    required = {name for name, field in fields.items() if field.is_required()}
    given = {fields[name].alias or name: getattr(options, name) for name in required}
    try:
        made = type(options).model_validate(given)
    except ValidationError:  # a default that fits only other values of the required options
        return {name: default_of(field) for name, field in fields.items() if name not in required}
    return {name: getattr(made, name) for name in fields if name not in required}


def _issuer(issuer: Issuer) -> Iterator[Change]:
    """An issuer's section. It has no default, its keys are secrets, and its other options are those of
    ``IssuerSection``.
    """
    section = f"{ISSUER_PREFIX}{issuer.id}"
    default = Issuer(issuer.id, issuer.organization_id, "")
    key = "secret" if issuer.algorithm.uses_secret else "public_key"
    yield Change(section, "organization_id", issuer.organization_id, None)
    if issuer.algorithm is not default.algorithm:
        yield Change(section, "algorithm", issuer.algorithm, Algorithm.HS256)
    yield Change(section, key, SECRET, None)
    if issuer.previous_key is not None:
        yield Change(section, f"previous_{key}", SECRET, None)
    for name in ("enabled", "require_exp"):
        if getattr(issuer, name) != getattr(default, name):
            yield Change(section, name, written(getattr(issuer, name)), written(getattr(default, name)))
