"""Explains the fetch of a URL: each verdict with its rule and its hop, and the answer for a client."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

from ....plugins.capabilities import Finding
from ....plugins.contracts import Source
from ....plugins.errors import PluginError
from ....plugins.host.guards import GuardedFetcher
from ....plugins.host.schemes import fetcher_for
from ...config import Components, Settings
from ...models.routing import storage_by
from ...runtime.plugins import fetchers_for
from ..plugins.explain import redacted

Tell = Callable[[str], None]

_COLUMN: Final = 11
_NO_MORE: Final = "accepts the url; the fetcher cannot explain more"
_NOT_ASKED: Final = "allowed so far; Lading did not ask the origin (use --follow)"
_ANSWERED: Final = "allowed; Lading did not check whether the body is an image"


async def explain_fetch(
    source: Source, settings: Settings, components: Components, *, follow: bool, tell: Tell
) -> bool:
    """Explain, line by line, how the URL would be fetched.

    Args:
        source: as an import would have it.
        settings: the configuration.
        components: the configured plugins.
        follow: whether to send requests.
        tell: gets each line.

    Returns:
        whether nothing was refused.

    Raises:
        PluginError: a fetcher cannot be constructed, or not closed.
    """
    report = _Report(tell)
    report.line("url", redacted(source.url))
    async with AsyncExitStack() as stack:
        fetchers = fetchers_for(settings, components, stack)
        try:
            fetcher = fetcher_for(fetchers, source.url)
            report.line("fetcher", _named(fetcher, components))
            for name, text in () if fetcher.explainer is None else fetcher.explainer.means(source):
                report.line(name, _printable(text))
            report.line("storage", _storage(settings, source))
            report.line("verdict", await _asked(fetcher, source, follow, report))
        except PluginError as error:
            report.refusal(error)
            return False
    return True


async def _asked(fetcher: GuardedFetcher, source: Source, follow: bool, report: "_Report") -> str:
    """Let the fetcher explain, and return its verdict on the source."""
    if fetcher.explainer is None:
        fetcher.check(source)
        return _NO_MORE
    async for finding in fetcher.explainer.explain(source, follow=follow):
        report.finding(finding)
    return _ANSWERED if follow else _NOT_ASKED


def _storage(settings: Settings, source: Source) -> str:
    """Where an image of the source would be stored, and why."""
    name = storage_by(settings.storage_route.parsed, source)
    told = f"{settings.storage.backend}, as [storage] backend says" if name is None else f"{name}, by [storage.route]"
    mirror = settings.storage.mirror
    return f"{told}; a second copy in {mirror}" if mirror else told


def _named(fetcher: GuardedFetcher, components: Components) -> str:
    plugins = (component.plugin for component in components.fetchers)
    plugin = next(one for one in plugins if one.cls.schemes == fetcher.schemes)
    return f"{plugin.name} ({plugin.distribution} {plugin.version})"


class _Report:
    """Prints lines under titles, one title for each hop."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._hop = 0

    def line(self, title: str, text: str) -> None:
        self._tell(f"{title:<{_COLUMN}}{text}")

    def finding(self, finding: Finding) -> None:
        if finding.hop != self._hop:
            self._hop = finding.hop
            self.line(f"hop {finding.hop}", redacted(finding.url))
        verdict = "allowed" if finding.allowed else "REFUSED"
        self.line("", f"{verdict}  {_printable(finding.subject)}: {_printable(finding.rule)}")

    def refusal(self, error: PluginError) -> None:
        where = f" at hop {self._hop}" if self._hop else ""
        why = f": {_printable(error.internal)}" if error.internal else ""
        self.line("verdict", f"refused{where}{why}")
        self.line("client", f"{error.code}: {error.detail}")


def _printable(text: str) -> str:
    """A plugin's text, which may contain text from a stranger's server."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
