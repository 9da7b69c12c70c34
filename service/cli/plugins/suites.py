"""Finds the suite of the test kit for a plugin, and the options for its run.

A distribution declares its suite as an entry point ``<kind>.<name>`` of the group ``lading.suites``: a class derived
from a suite of ``lading.plugins.testing``. Nothing here imports the kit or pytest: the suite runs in a process of its
own.
"""

import json
import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from ....plugins.host.registry import (
    GROUPS,
    Kind,
    LoadedPlugin,
    OptionsInvalid,
    RegistryError,
    installed,
    load,
    parse_options,
)
from ....plugins.host.validation import did_you_mean
from ....plugins.options import PluginOptions
from ...config import Settings, load_settings
from .catalogue import NOUNS

GROUP: Final = "lading.suites"

_BASE: Final = "lading.plugins.testing.suite.Suite"


class CheckRefused(Exception):
    """The suite cannot be run; the message is for the operator."""


class Task(NamedTuple):
    """The task of the process that runs a suite. It has no options: the process reads them itself.

    Attributes:
        kind, name: of the plugin.
        config: the ``service.conf``, or None.
        folder: an empty folder for its files.
        installed: the folders of the distributions that declare the plugin and its suite.
    """

    kind: Kind
    name: str
    config: Path | None
    folder: Path
    installed: tuple[str, ...] = ()

    def line(self) -> bytes:
        """The task as one line of JSON."""
        config = None if self.config is None else str(self.config)
        return json.dumps([self.kind, self.name, config, str(self.folder), self.installed]).encode() + b"\n"

    @classmethod
    def parse(cls, line: str) -> Self:
        """The task of a ``line``."""
        kind, name, config, folder, installed = json.loads(line)
        return cls(kind, name, None if config is None else Path(config), Path(folder), tuple(installed))


class Subject(NamedTuple):
    """The plugin under test.

    Attributes:
        plugin: the plugin.
        options: the options for the suite, or None if ``service.conf`` lacks a required one.
        written: names of the options in ``service.conf`` or the environment.
    """

    plugin: LoadedPlugin[Any]
    options: PluginOptions | None
    written: tuple[str, ...]


def kind_of(name: str) -> Kind:
    """The kind of the plugin with this name.

    Raises:
        CheckRefused: no plugin has it, or several kinds have one.
    """
    names = {kind: {plugin.name for plugin in installed(kind)} for kind in GROUPS}
    kinds = [kind for kind in GROUPS if name in names[kind]]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        which = " or ".join(f"--kind {NOUNS[kind]}" for kind in kinds)
        raise CheckRefused(f"'{name}' is the name of several plugins; say which with {which}")
    every = sorted(set().union(*names.values()))
    raise CheckRefused(
        f"no plugin '{name}' is installed{did_you_mean(name, every)} (installed: {', '.join(every) or 'none'})"
    )


def subject(kind: Kind, name: str, config: Path | None, environ: Mapping[str, str]) -> Subject:
    """The plugin, with the options of its section. Blocks during its import.

    Raises:
        CheckRefused: the plugin or its section is faulty.
        SettingsError: with the faults of the configuration.
    """
    try:
        plugin = load(kind, name)
    except RegistryError as error:
        raise CheckRefused(str(error)) from error
    raw = _with(kind, name, config, environ).plugin_options(kind, name)
    try:
        return Subject(plugin, parse_options(plugin, raw), tuple(raw))
    except OptionsInvalid as error:
        if raw:
            raise CheckRefused(str(error)) from error
        return Subject(plugin, None, ())


def _with(kind: Kind, name: str, config: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings as if the plugin were configured, since only then its section is read."""
    settings = load_settings(config, environ)
    names = settings.plugin_names(kind)
    if name in names:
        return settings
    if kind == "storage":  # the environment's options of the other storage have no section then
        other = f"LADING_STORAGE_{re.sub('[.-]', '_', names[0].upper())}__"
        rest = {variable: value for variable, value in environ.items() if not variable.startswith(other)}
        return load_settings(config, {**rest, "LADING_STORAGE__BACKEND": name})
    return load_settings(config, {**environ, f"LADING_{kind.upper()}__PLUGINS": ", ".join((*names, name))})


# --- suites -----------------------------------------------------------------------------------------------------------


def find_suite(plugin: LoadedPlugin[Any]) -> EntryPoint:
    """The entry point of the plugin's suite, without importing it.

    Raises:
        CheckRefused: there is none, or more than one.
    """
    name = f"{plugin.kind}.{plugin.name}"
    found = tuple(entry_points(group=GROUP, name=name))
    if not found:
        raise CheckRefused(
            f"{plugin.distribution} {plugin.version} has no suite for '{plugin.name}': it declares no entry point "
            f"'{name}' in the group {GROUP}"
        )
    if len(found) > 1:
        values = " and ".join(sorted(point.value for point in found))
        raise CheckRefused(f"the suite '{name}' of the group {GROUP} is declared {len(found)} times: by {values}")
    return found[0]


def installed_at(kind: Kind, name: str) -> tuple[str, ...]:
    """The folders of the distributions of a plugin and of its suite, absolute."""
    points = (*entry_points(group=GROUPS[kind], name=name), *entry_points(group=GROUP, name=f"{kind}.{name}"))
    folders = (str(Path(str(point.dist.locate_file(""))).absolute()) for point in points if point.dist is not None)
    return tuple(dict.fromkeys(folders))


def load_suite(point: EntryPoint) -> type[Any]:
    """Import a suite. For the process that runs it.

    Raises:
        CheckRefused: it cannot be imported, is no suite of the kit, or lacks something.
    """
    label = f"the suite '{point.name}' ({point.value})"
    try:
        cls = point.load()
    except Exception as error:
        raise CheckRefused(f"{label} cannot be imported: {type(error).__name__}: {error}") from error
    bases = {f"{base.__module__}.{base.__qualname__}" for base in getattr(cls, "__mro__", ())}
    if not isinstance(cls, type) or _BASE not in bases:
        raise CheckRefused(f"{label} is not a class derived from a suite of lading.plugins.testing")
    missing: frozenset[str] = getattr(cls, "__abstractmethods__", frozenset())
    if missing:
        raise CheckRefused(f"{label} lacks {', '.join(sorted(missing))}")
    return cls
