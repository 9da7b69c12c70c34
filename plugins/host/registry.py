"""From an entry point to a plugin's class: strict, with a full explanation of each fault, and without a fallback.

Built-in plugins and those of third parties take the same road: a distribution declares an entry point in the group of
its kind, ``service.conf`` names it, and only then Lading imports it. A fault is one message that names the group, the
entry point, the installed plugins and the remedy.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar, cast, overload

from ..contracts import CONTRACT_VERSION, Fetcher, StorageBackend, TypeDetector
from ..contracts.processing import Processor
from ..options import PluginOptions
from .validation import OptionFault, OptionsRejected, did_you_mean, validate_options

Plugin = TypeVar("Plugin", Fetcher, TypeDetector, Processor, StorageBackend)

Kind = Literal["fetch", "detect", "process", "storage"]
"""A kind of plugin, by the section of ``service.conf`` that configures it."""

GROUPS: Mapping[Kind, str] = MappingProxyType(
    {
        "fetch": "lading.fetchers",
        "detect": "lading.detectors",
        "process": "lading.processors",
        "storage": "lading.storages",
    }
)
"""Entry-point group of each kind."""

_CONTRACTS: Mapping[Kind, type] = dict(zip(GROUPS, (Fetcher, TypeDetector, Processor, StorageBackend), strict=True))


class RegistryError(Exception):
    """Base of the faults of installed or configured plugins; the message is for the operator."""


class PluginNotInstalled(RegistryError):
    """No installed distribution declares the entry point."""


class PluginAmbiguous(RegistryError):
    """Several entry points have the name, and choosing one would be guessing."""


class PluginImportFailed(RegistryError):
    """Importing the plugin raised."""


class PluginMalformed(RegistryError):
    """The imported object does not implement the contract of its kind."""


class SchemeConflict(RegistryError):
    """Two configured fetchers serve one URL scheme."""


class OptionsInvalid(RegistryError):
    """A plugin's options do not fit its ``Options`` model.

    Attributes:
        faults: every fault, at least one.
    """

    def __init__(self, kind: Kind, name: str, faults: tuple[OptionFault, ...]) -> None:
        self.faults = faults
        super().__init__(f"[{kind}.{name}] " + "; ".join(map(str, faults)))


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """A plugin that some distribution declares; it may never have been imported.

    Attributes:
        kind: its kind.
        name: its entry-point name, as ``service.conf`` writes it.
        target: the object its entry point refers to, as ``module:attribute``.
        distribution: name of the distribution that declares it.
        version: version of that distribution.
    """

    kind: Kind
    name: str
    target: str
    distribution: str
    version: str


@dataclass(frozen=True, slots=True)
class LoadedPlugin(Generic[Plugin]):
    """A plugin whose class was imported and implements the contract of its kind.

    Attributes:
        kind, name, distribution, version: see ``InstalledPlugin``.
        cls: the class.
    """

    kind: Kind
    name: str
    cls: type[Plugin]
    distribution: str
    version: str


def installed(kind: Kind) -> list[InstalledPlugin]:
    """Every declared plugin of the kind, ordered by name, without importing any."""
    plugins = [InstalledPlugin(kind, point.name, point.value, *_distribution(point)) for point in _declared(kind)]
    return sorted(plugins, key=lambda plugin: (plugin.name, plugin.distribution))


@overload
def load(kind: Literal["fetch"], name: str) -> LoadedPlugin[Fetcher]: ...
@overload
def load(kind: Literal["detect"], name: str) -> LoadedPlugin[TypeDetector]: ...
@overload
def load(kind: Literal["process"], name: str) -> LoadedPlugin[Processor]: ...
@overload
def load(kind: Literal["storage"], name: str) -> LoadedPlugin[StorageBackend]: ...
@overload
def load(kind: Kind, name: str) -> LoadedPlugin[Any]: ...
def load(kind: Kind, name: str) -> LoadedPlugin[Any]:
    """Import the plugin that ``service.conf`` calls ``name``. Blocks for as long as the import takes.

    Raises:
        PluginNotInstalled: no distribution declares it.
        PluginAmbiguous: several entry points have the name.
        PluginImportFailed: importing it raised; the cause is the ``__cause__``.
        PluginMalformed: it is no class, not of its kind, lacks methods or attributes, or its ``Options`` is no
            ``PluginOptions``.
    """
    point = _find(kind, name)
    label = _label(kind, point)
    try:
        cls = point.load()
    except (Exception, SystemExit) as error:  # a module may raise anything while it is imported
        hint = _hint_for_extras(point) if isinstance(error, ImportError) else ""
        raise PluginImportFailed(f"{label} cannot be imported: {_one_line(error)}{hint}") from error
    problems = _contract_problems(kind, cls)
    if problems:
        raise PluginMalformed(f"{label} is not a valid plugin: {'; '.join(problems)}")
    distribution, version = _distribution(point)
    return LoadedPlugin(kind, name, cls, distribution, version)


def parse_options(plugin: LoadedPlugin[Any], raw: Mapping[str, str]) -> PluginOptions:
    """Build the plugin's options from its section of ``service.conf``.

    Args:
        plugin: has the ``Options`` model.
        raw: option names and values as text.

    Raises:
        OptionsInvalid: with every fault; no fault repeats a secret's value.
    """
    model: type[PluginOptions] = plugin.cls.Options
    try:
        return validate_options(model, raw)
    except OptionsRejected as rejected:
        faults = rejected.faults
    except Exception as error:  # noqa: BLE001 - a validator may raise anything; its text may hold a value, so it is dropped
        faults = (OptionFault("", f"the plugin's own check of its options raised {type(error).__name__}"),)
    raise OptionsInvalid(plugin.kind, plugin.name, faults)


def check_schemes(fetchers: Iterable[LoadedPlugin[Fetcher]]) -> None:
    """Check that no two fetchers serve the same URL scheme.

    Raises:
        SchemeConflict: naming every such scheme and both fetchers.
    """
    served: dict[str, str] = {}
    conflicts = []
    for fetcher in fetchers:
        for scheme in sorted(fetcher.cls.schemes):
            other = served.setdefault(scheme, fetcher.name)
            if other != fetcher.name:
                conflicts.append(f"'{scheme}' by both '{other}' and '{fetcher.name}'")
    if conflicts:
        raise SchemeConflict(f"a URL scheme may have one fetcher, but these are served twice: {', '.join(conflicts)}")


# --- finding ----------------------------------------------------------------------------------------------------------


def _declared(kind: Kind) -> tuple[EntryPoint, ...]:
    return _read(tuple((folder, _changed_at(folder)) for folder in sys.path))[GROUPS[kind]]


@lru_cache(maxsize=1)
def _read(_path: tuple[tuple[str, int], ...]) -> Mapping[str, tuple[EntryPoint, ...]]:
    """The declared plugins by group. A file of every distribution is read: once, until the import path changes."""
    declared = entry_points()
    return {group: tuple(declared.select(group=group)) for group in GROUPS.values()}


def _changed_at(folder: str) -> int:
    """When something was last installed into a folder or removed from it, as far as that is known."""
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


def _find(kind: Kind, name: str) -> EntryPoint:
    found = tuple(point for point in _declared(kind) if point.name == name)
    if not found:
        names = sorted({plugin.name for plugin in installed(kind)})
        raise PluginNotInstalled(
            f"no plugin '{name}' is installed in the group {GROUPS[kind]}{did_you_mean(name, names)} "
            f"(installed: {', '.join(names) or 'none'}); install a distribution that declares this entry point, "
            f"or change [{kind}] in service.conf"
        )
    if len(found) > 1:
        sources = " and ".join(sorted(f"{' '.join(_distribution(point))} ({point.value})" for point in found))
        raise PluginAmbiguous(
            f"the plugin '{name}' of the group {GROUPS[kind]} is declared {len(found)} times: by {sources}; "
            "uninstall all but one"
        )
    return found[0]


def _distribution(point: EntryPoint) -> tuple[str, str]:
    if point.dist is None:
        raise RegistryError(f"the entry point '{point.name}' belongs to no distribution")
    return _name_and_version(point.dist)


@lru_cache(maxsize=64)
def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    """Both are read from the file of its metadata each time they are asked for."""
    metadata = distribution.metadata
    return metadata["Name"], metadata["Version"]


def _label(kind: Kind, point: EntryPoint) -> str:
    return (
        f"the plugin '{point.name}' of the group {GROUPS[kind]} ({point.value}, from {' '.join(_distribution(point))})"
    )


def _hint_for_extras(point: EntryPoint) -> str:
    """How to install the requirements of an entry point: ``s3 = lading.backends.s3.storage:S3Storage [s3]``."""
    if not point.extras:
        return ""
    return f"; install what it needs: pip install '{_distribution(point)[0]}[{','.join(point.extras)}]'"


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


# --- judging ----------------------------------------------------------------------------------------------------------


def _contract_problems(kind: Kind, cls: object) -> list[str]:
    contract = _CONTRACTS[kind]
    if not isinstance(cls, type):
        return [f"it is not a class but {type(cls).__name__}"]
    if not issubclass(cls, contract):
        kinds = [other for other, base in _CONTRACTS.items() if issubclass(cls, base)]
        belongs = f" (it belongs in the group {GROUPS[kinds[0]]})" if kinds else ""
        return [f"it is not a subclass of {_full_name(contract)}{belongs}"]
    problems = _version_problems(cls, contract)
    missing: frozenset[str] = getattr(cls, "__abstractmethods__", frozenset())
    if missing:
        problems.append(f"it lacks {', '.join(sorted(missing))}")
    if not _is_options_model(getattr(cls, "Options", None)):
        problems.append("its Options is not a subclass of lading.plugins.options.PluginOptions")
    if kind == "fetch":
        problems += _fetcher_problems(cast("type[Fetcher]", cls))
    return problems


def _version_problems(cls: type, contract: type) -> list[str]:
    """The version must be the author's own statement, so the contract has none to inherit."""
    version: object = getattr(cls, "contract_version", None)
    if version is None:
        missing = f"it does not say which version of the contract it keeps; this is version {CONTRACT_VERSION}: "
        return [missing + f"add 'contract_version = {CONTRACT_VERSION}' if it keeps {_full_name(contract)}"]
    if type(version) is not int or version < 1:
        return [f"its contract_version is {version!r}, not a whole number from 1"]
    if version > CONTRACT_VERSION:
        future = (
            f"it was written for version {version} of the contract, and this Lading has version {CONTRACT_VERSION}; "
        )
        return [future + "upgrade Lading, or install an older version of the plugin"]
    return []


def _full_name(contract: type) -> str:
    return f"{contract.__module__}.{contract.__name__}"


def _is_options_model(options: object) -> bool:
    return isinstance(options, type) and issubclass(options, PluginOptions)


def _fetcher_problems(cls: type[Fetcher]) -> list[str]:
    problems = []
    kind: object = getattr(cls, "kind", None)
    if not isinstance(kind, str) or not kind:
        problems.append("its kind is not a non-empty str")
    schemes: object = getattr(cls, "schemes", None)
    if not isinstance(schemes, frozenset) or not schemes or not all(map(_is_scheme, schemes)):
        problems.append("its schemes are not a non-empty frozenset of lower-case URL schemes")
    return problems


def _is_scheme(scheme: object) -> bool:
    """RFC 3986 section 3.1, in lower case."""
    if not isinstance(scheme, str) or not scheme.isascii() or scheme != scheme.lower():
        return False
    return scheme[:1].isalpha() and all(letter.isalnum() or letter in "+-." for letter in scheme)
