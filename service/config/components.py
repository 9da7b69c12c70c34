"""The configured plugins, loaded through the registry, each with its validated options."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Generic

from ...plugins.capabilities import SupportsSignedUrls
from ...plugins.contracts import Fetcher, StorageBackend, TypeDetector
from ...plugins.contracts.processing import Processor
from ...plugins.host import registry
from ...plugins.host.registry import GROUPS, Kind, LoadedPlugin, OptionsInvalid, Plugin, RegistryError, SchemeConflict
from ...plugins.options import PluginOptions
from .faults import Fault, SettingsError
from .sections.service import PLUGIN_KEY, Settings
from .sections.storage import ROUTE


@dataclass(frozen=True, slots=True)
class Component(Generic[Plugin]):
    """A plugin that is ready to be constructed: ``component.plugin.cls(component.options)``."""

    plugin: LoadedPlugin[Plugin]
    options: PluginOptions


@dataclass(frozen=True, slots=True)
class Components:
    """Every configured plugin, in the configured order; storages by the names of their sections, the backend first."""

    fetchers: tuple[Component[Fetcher], ...]
    detectors: tuple[Component[TypeDetector], ...]
    storages: Mapping[str, Component[StorageBackend]]
    processors: tuple[Component[Processor], ...] = ()

    def of(self, kind: Kind) -> Mapping[str, Component[Any]]:
        """The configured plugins of a kind, by the names of their sections, in the configured order."""
        if kind == "storage":
            return self.storages
        plugins: Mapping[str, tuple[Component[Any], ...]] = {
            "fetch": self.fetchers,
            "detect": self.detectors,
            "process": self.processors,
        }
        return {one.plugin.name: one for one in plugins[kind]}

    @property
    def storage(self) -> Component[StorageBackend]:
        """The storage for new images."""
        return next(iter(self.storages.values()))


def load_components(settings: Settings) -> Components:
    """Import the configured plugins and validate their options. Blocks for as long as the imports take.

    Raises:
        SettingsError: with every fault of every plugin.
    """
    components, faults = find_components(settings, tuple(GROUPS))
    if components is None:
        raise SettingsError(faults)
    return components


def find_components(settings: Settings, kinds: Collection[Kind]) -> tuple[Components | None, list[Fault]]:
    """The components, or None where there are faults or ``kinds`` are not all kinds; and the faults."""
    faults: list[Fault] = []
    found: dict[Kind, dict[str, Component[Any]]] = {}
    for kind in kinds:
        names = settings.configured(kind)
        found[kind] = {name: one for name in names if (one := _component(settings, kind, name, faults))}
    try:
        registry.check_schemes(component.plugin for component in found.get("fetch", {}).values())
    except SchemeConflict as error:
        faults.append(Fault(str(error), "fetch", "plugins"))
    faults += [settings.fault(one, ROUTE, "rules") for one in settings.storage_route.problems(settings.storage)]
    backend = found.get("storage", {}).get(settings.storage.backend)
    if settings.images.redirect and backend and not issubclass(backend.plugin.cls, SupportsSignedUrls):
        problem = f"the storage backend {backend.plugin.name} cannot sign URLs; images are to be sent by Lading itself"
        faults.append(Fault(problem, "images", "redirect"))
    if faults or len(found) < len(GROUPS):
        return None, faults
    fetchers, detectors, processors = (tuple(found[kind].values()) for kind in ("fetch", "detect", "process"))
    return Components(fetchers, detectors, found["storage"], processors), faults


def _component(settings: Settings, kind: Kind, name: str, faults: list[Fault]) -> Component[Any] | None:
    try:
        plugin = registry.load(kind, settings.plugin_of(kind, name))
    except RegistryError as error:
        faults.append(Fault(str(error), *_named_by(settings, kind, name)))
        return None
    try:
        return Component(plugin, registry.parse_options(plugin, settings.plugin_options(kind, name)))
    except OptionsInvalid as error:
        faults += [settings.fault(fault.problem, f"{kind}.{name}", fault.option) for fault in error.faults]
        return None


def _named_by(settings: Settings, kind: Kind, name: str) -> tuple[str, str]:
    """The section and the option that name the plugin."""
    section = f"{kind}.{name}"
    if kind != "storage":
        return kind, "plugins"
    if PLUGIN_KEY in settings.plugin_sections.get(section, {}):
        return section, PLUGIN_KEY
    return kind, settings.storage.naming(name)
