"""Makes the configured plugins, each behind its guard."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ...backends.guard.storage import GuardedStorage
from ...plugins.capabilities import SupportsFormats, SupportsLongUrls
from ...plugins.contracts import Fetcher
from ...plugins.errors import PluginError, PluginFault
from ...plugins.host import registry
from ...plugins.host.guards import GuardedDetector, GuardedFetcher
from ...plugins.host.processing import GuardedProcessor
from ...plugins.host.record import Observer
from ...plugins.host.registry import Plugin
from ...plugins.host.watch import Watch
from ..config import Component, Components, DetectSettings, FetchSettings, ProcessSettings, Settings
from ..images.thumbnails.cache import ThumbnailFolder
from ..images.thumbnails.kept import KeptThumbnails
from ..observe.plugin_calls import log_call
from ..storages.routes import Storages

Guard = TypeVar("Guard", GuardedFetcher, GuardedDetector, GuardedProcessor)
Ping = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class GuardedPlugins:
    """The configured fetchers by URL scheme; the detectors and processors in the order in which Lading asks them."""

    fetchers: Mapping[str, GuardedFetcher]
    detectors: tuple[GuardedDetector, ...]
    processors: tuple[GuardedProcessor, ...]

    @property
    def fetcher_pings(self) -> Mapping[str, Ping]:
        """The pings of the fetchers that have one, by noun and name, such as ``fetcher.sftp``."""
        return _pings("fetcher", dict.fromkeys(self.fetchers.values()))

    @property
    def pings(self) -> Mapping[str, Ping]:
        """The pings of the detectors and processors that have one: every import needs all of them."""
        return {**_pings("detector", self.detectors), **_pings("processor", self.processors)}


def _pings(noun: str, guards: Iterable[GuardedFetcher | GuardedDetector | GuardedProcessor]) -> Mapping[str, Ping]:
    return {f"{noun}.{one.name}": one.pinger.ping for one in guards if one.pinger is not None}


def storages_for(
    settings: Settings, components: Components, watch: Watch | None = None, observer: Observer = log_call
) -> Storages:
    """The configured storages, each behind its guard. Must be called inside the running event loop.

    Raises:
        PluginError: a storage cannot be constructed.
    """
    options = settings.storage
    guarded = {
        name: GuardedStorage(
            constructed(component, watch),
            name=name,
            deadline=options.deadline,
            max_concurrency=options.concurrency,
            observer=observer,
            watch=watch,
        )
        for name, component in components.storages.items()
    }
    kept = KeptThumbnails(thumbnail_folder(settings))
    rules = settings.storage_route.parsed
    return Storages(guarded, options.backend, options.mirror, kept.forget, rules, options.templates)


def thumbnail_folder(settings: Settings) -> ThumbnailFolder:
    """The folder for thumbnails; a command may remove those of deleted images there."""
    options = settings.thumbnails
    return ThumbnailFolder(options.directory, options.cache_bytes, options.keep)


def storage_in(path: Path, settings: Settings) -> GuardedStorage:
    """A local storage in a folder that no configuration names. Must be called inside the running event loop.

    Raises:
        PluginError: it cannot be constructed.
    """
    plugin = registry.load("storage", "local")
    component = Component(plugin, registry.parse_options(plugin, {"path": str(path)}))
    return GuardedStorage(
        constructed(component),
        name=path.name,
        deadline=settings.storage.deadline,
        max_concurrency=settings.storage.concurrency,
        observer=log_call,
    )


def fetchers_for(
    settings: Settings,
    components: Components,
    stack: AsyncExitStack,
    watch: Watch | None = None,
    observer: Observer = log_call,
) -> Mapping[str, GuardedFetcher]:
    """The configured fetchers behind their guards, by URL scheme; ``stack`` closes them.

    Must be called inside the running event loop.

    Raises:
        PluginError: a fetcher cannot be constructed.
    """
    guarded = _guarded(GuardedFetcher, components.fetchers, settings.fetch, stack, watch, observer)
    return {scheme: fetcher for fetcher in guarded for scheme in fetcher.schemes}


def guarded_plugins(
    settings: Settings,
    components: Components,
    stack: AsyncExitStack,
    watch: Watch | None = None,
    observer: Observer = log_call,
) -> GuardedPlugins:
    """The configured fetchers, detectors and processors; see ``fetchers_for``."""
    return GuardedPlugins(
        fetchers_for(settings, components, stack, watch, observer),
        _guarded(GuardedDetector, components.detectors, settings.detect, stack, watch, observer),
        _guarded(GuardedProcessor, components.processors, settings.process, stack, watch, observer),
    )


def _guarded(
    guard: Callable[..., Guard],
    components: Iterable[Component[Any]],
    limits: FetchSettings | DetectSettings | ProcessSettings,
    stack: AsyncExitStack,
    watch: Watch | None,
    observer: Observer,
) -> tuple[Guard, ...]:
    """Plugins of a kind behind their guards, with the limits of their section; ``stack`` closes them."""
    guarded = []
    for component in components:
        one = guard(
            constructed(component, watch),
            component.plugin.name,
            limits.deadline,
            concurrency=limits.concurrency,
            observer=observer,
            watch=watch,
        )
        stack.push_async_callback(one.close)
        guarded.append(one)
    return tuple(guarded)


def formats_of(components: Components) -> Mapping[str, frozenset[str]] | None:
    """The formats that the configured detectors may recognise, with their media types; None if a detector does not say.

    Raises:
        PluginError: a detector fails to say.
    """
    found: dict[str, frozenset[str]] = {}
    for component in components.detectors:
        cls = component.plugin.cls
        if not issubclass(cls, SupportsFormats):
            return None
        try:
            for name, types in cls.formats(component.options).items():
                found[name] = found.get(name, frozenset()) | frozenset(types)
        except Exception as error:
            fault = PluginFault(f"formats raised {type(error).__name__}")
            fault.plugin = component.plugin.name
            raise fault from error
    return found


def longest_url_of(components: Components) -> int:
    """The bytes of a request to import that the configured fetchers need for a url, beyond ``body_max_bytes``.

    Raises:
        PluginError: a fetcher fails to say.
    """
    return max(map(longest_url_of_one, components.fetchers), default=0)


def longest_url_of_one(component: Component[Fetcher]) -> int:
    """The same for one fetcher.

    Raises:
        PluginError: it fails to say.
    """
    cls = component.plugin.cls
    if not issubclass(cls, SupportsLongUrls):
        return 0
    try:
        return cls.longest_url(component.options)
    except Exception as error:
        fault = PluginFault(f"longest_url raised {type(error).__name__}")
        fault.plugin = component.plugin.name
        raise fault from error


def constructed(component: Component[Plugin], watch: Watch | None = None) -> Plugin:
    """The plugin itself, without a guard; the watch recognises its code from now on.

    Raises:
        PluginError: its constructor raised.
    """
    plugin = component.plugin
    if watch is not None:
        watch.register(plugin.name, plugin.cls)
    try:
        return plugin.cls(component.options)
    except PluginError as error:
        error.plugin = plugin.name
        raise
    except Exception as error:
        fault = PluginFault(f"its constructor raised {type(error).__name__}")
        fault.plugin = plugin.name
        raise fault from error
