"""Says which of the configured plugins would serve a URL, and why, without a connection or a DNS query."""

from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from ....plugins.contracts import Fetcher, Source
from ....plugins.errors import (
    FormatNotAllowed,
    NotAnImage,
    PluginError,
    SourceRefused,
    UrlSchemeMissing,
    UrlSchemeNotAllowed,
)
from ....plugins.host.registry import LoadedPlugin, Plugin
from ....plugins.host.schemes import fetcher_for, scheme_of, trimmed
from ....plugins.net.urls import http_url
from ...config import Components, Settings
from ...runtime.plugins import fetchers_for
from .catalogue import fetchers_of

_HIDDEN: Final = "\N{HORIZONTAL ELLIPSIS}"
_COLUMN: Final = 11
_NEXT: Final = f"{NotAnImage.code} and after {FormatNotAllowed.code}"
"""The refusals after which the importer asks the next detector."""


class Explanation(NamedTuple):
    """The verdict on a URL.

    Attributes:
        served: whether a fetcher accepts it.
        lines: the reasons, for people.
    """

    served: bool
    lines: tuple[str, ...]


async def explain(url: str, settings: Settings, components: Components) -> Explanation:
    """Ask the configured fetchers as the service does before it accepts an import.

    Args:
        url: as a client would send it.
        settings: the configuration.
        components: the configured plugins.

    Raises:
        PluginError: a fetcher cannot be constructed, or not closed.
    """
    async with AsyncExitStack() as stack:
        fetchers = fetchers_for(settings, components, stack)
        refusal: PluginError | None = None
        try:
            fetcher_for(fetchers, url).check(Source(url))
        except PluginError as error:
            refusal = error
    shown = _block("url", [redacted(url)])
    fetcher = _block("fetcher", [*_fetcher(url, components), *_verdict(refusal, url, components)])
    if refusal is not None:
        return Explanation(False, (*shown, *fetcher))
    detectors, storage = _block("detectors", _detectors(components)), _block("storage", _storage(settings, components))
    return Explanation(True, (*shown, *fetcher, *detectors, *storage))


def redacted(url: str) -> str:
    """Scheme, host and path of the URL. Userinfo and query may be secret, and so may be a malformed rest."""
    found = http_url(url)
    if found is not None and "@" not in found.path:  # or else it may be a part of a password
        return found.loggable
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in trimmed(url))
    scheme = scheme_of(text)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:  # a malformed port or address may be part of a password
        host = port = None
    if host is None or ("@" in parts.path and "@" not in parts.netloc):
        return f"{scheme}:{_HIDDEN}" if scheme else _HIDDEN
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}{'' if port is None else f':{port}'}{parts.path}"


def _block(title: str, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"{'' if number else title:<{_COLUMN}}{line}"


def _named(plugin: LoadedPlugin[Plugin]) -> str:
    return f"{plugin.name} ({plugin.distribution} {plugin.version})"


# --- fetcher ----------------------------------------------------------------------------------------------------------


def _fetcher(url: str, components: Components) -> Iterator[str]:
    scheme = scheme_of(url)
    for component in components.fetchers:
        if scheme in component.plugin.cls.schemes:
            yield f"{_named(component.plugin)}, the configured fetcher that serves the scheme '{scheme}'"
            return
    yield "none"


def _verdict(refusal: PluginError | None, url: str, components: Components) -> Iterator[str]:
    if refusal is None:
        yield "accepts the url; only a fetch shows what is behind it"
        return
    yield f"refused: {refusal.code}: {refusal.detail}"
    if isinstance(refusal, UrlSchemeNotAllowed | UrlSchemeMissing) and refusal.plugin is None:
        yield f"configured: {'; '.join(map(_schemes, (one.plugin for one in components.fetchers)))}"
        yield from _unconfigured(scheme_of(url), components)
    elif not isinstance(refusal, SourceRefused):
        yield f"the plugin has a fault: {refusal.internal}"


def _schemes(plugin: LoadedPlugin[Fetcher]) -> str:
    return f"{plugin.name} serves {', '.join(sorted(plugin.cls.schemes))}"


def _unconfigured(scheme: str, components: Components) -> Iterator[str]:
    """Installed fetchers that would serve the scheme, but are not configured."""
    names = [component.plugin.name for component in components.fetchers]
    for one in fetchers_of(scheme):
        if one.name not in names:
            yield f"installed: {one.name} ({one.distribution} {one.version}) serves {scheme}:"
            yield f"           [fetch] plugins = {', '.join((*names, one.name))} configures it"


# --- detectors and storage --------------------------------------------------------------------------------------------


def _detectors(components: Components) -> Iterator[str]:
    yield "Lading asks them in the order of [detect] plugins, once it has the bytes:"
    last = len(components.detectors)
    for number, component in enumerate(components.detectors, 1):
        yield f"{number}. {_named(component.plugin)}"
        if number == last:
            yield "   the last detector: an image that it recognises goes to storage; its refusal is final"
        else:
            yield f"   an image that it recognises goes to storage; after {_NEXT} Lading asks number {number + 1};"
            yield "   any other refusal is final"


def _storage(settings: Settings, components: Components) -> Iterator[str]:
    for option, name in (("backend", settings.storage.backend), ("mirror", settings.storage.mirror)):
        if name:
            plugin = components.storages[name].plugin
            section = "" if name == plugin.name else f", with the options of [storage.{name}]"
            yield f"{_named(plugin)}, as [storage] {option} says{section}"
