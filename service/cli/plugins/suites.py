"""Which suite of the test kit belongs to a plugin, and with which options it is run.

A distribution declares it as an entry point ``<kind>.<name>`` of the group ``lading.suites``: a class derived from one
of ``lading.plugins.testing``. Nothing here imports the kit or pytest: the suite is run in a process of its own.
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

GROUP: Final = "lading.suites"

_BASE: Final = "lading.plugins.testing.suite.Suite"


class CheckRefused(Exception):
    """There is nothing to run; the message is for the operator."""


class Task(NamedTuple):
    """What the process that runs a suite is told. No options: it reads them itself.

    Attributes:
        kind, name: of the plugin.
        config: the ``service.conf``, or None.
        folder: an empty folder for its files.
        installed: where the distributions are installed that declare the plugin and its suite.
    """

    kind: Kind
    name: str
    config: Path | None
    folder: Path
    installed: tuple[str, ...] = ()

    def line(self) -> bytes:
        """As one line of JSON."""
        config = None if self.config is None else str(self.config)
        return json.dumps([self.kind, self.name, config, str(self.folder), self.installed]).encode() + b"\n"

    @classmethod
    def parse(cls, line: str) -> Self:
        """From what ``line`` gave."""
        kind, name, config, folder, installed = json.loads(line)
        return cls(kind, name, None if config is None else Path(config), Path(folder), tuple(installed))


class Subject(NamedTuple):
    """What is checked.

    Attributes:
        plugin: the plugin.
        options: what the suite is to use, or None where ``service.conf`` has none and they cannot be left out.
        written: names of the options that ``service.conf`` or the environment has.
    """

    plugin: LoadedPlugin[Any]
    options: PluginOptions | None
    written: tuple[str, ...]


def kind_of(name: str) -> Kind:
    """The kind of the plugin that has this name.

    Raises:
        CheckRefused: no plugin has it, or several kinds have one.
    """
    names = {kind: {plugin.name for plugin in installed(kind)} for kind in GROUPS}
    kinds = [kind for kind in GROUPS if name in names[kind]]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        raise CheckRefused(
            f"'{name}' is the name of several plugins; say which with --kind {' or --kind '.join(kinds)}"
        )
    every = sorted(set().union(*names.values()))
    raise CheckRefused(
        f"no plugin '{name}' is installed{did_you_mean(name, every)} (installed: {', '.join(every) or 'none'})"
    )


def subject(kind: Kind, name: str, config: Path | None, environ: Mapping[str, str]) -> Subject:
    """The plugin, with the options of its section. Blocks while it is imported.

    Raises:
        CheckRefused: the plugin or its section is not in order.
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
    """The settings as they would be if the plugin were configured: only then its section is read."""
    settings = load_settings(config, environ)
    names = settings.plugin_names(kind)
    if name in names:
        return settings
    if kind == "storage":  # there is one at a time: what the environment says of the other has no place then
        other = f"LADING_STORAGE_{re.sub('[.-]', '_', names[0].upper())}__"
        rest = {variable: value for variable, value in environ.items() if not variable.startswith(other)}
        return load_settings(config, {**rest, "LADING_STORAGE__BACKEND": name})
    return load_settings(config, {**environ, f"LADING_{kind.upper()}__PLUGINS": ", ".join((*names, name))})


# --- suites -----------------------------------------------------------------------------------------------------------


def find_suite(plugin: LoadedPlugin[Any]) -> EntryPoint:
    """The entry point of the plugin's suite; nothing is imported.

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
    """The folders that hold the distributions of a plugin and of its suite, absolute."""
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
