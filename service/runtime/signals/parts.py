"""The parts of a process that take over changed options while it runs.

Each replaces its frozen settings as a whole: a request or an import sees the old ones or the new ones, never a mixture.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from ....plugins.contracts import Fetcher
from ....plugins.host.guards import GuardedFetcher
from ...config import Component, Settings
from ...config.sections.service import PLUGIN_KEY
from ..plugins import constructed, longest_url_of_one
from .differences import Option
from .reloading import Configuration


@dataclass(frozen=True, slots=True)
class Section:
    """A part that takes options of one section, or of all sections whose names begin alike.

    Attributes:
        section: the name, or its beginning with a dot at the end.
        take: takes over the settings; it does not fail.
        name: of the only option; empty for all options.
    """

    section: str
    take: Callable[[Settings], None]
    name: str = ""

    def takes(self, options: Collection[Option], new: Configuration) -> Collection[Option]:  # noqa: ARG002
        """See ``Reloadable.takes``."""
        return [option for option in options if self._owns(option)]

    async def prepare(
        self,
        options: Collection[Option],  # noqa: ARG002
        new: Configuration,
        stack: AsyncExitStack,  # noqa: ARG002
    ) -> Callable[[], None]:
        """See ``Reloadable.prepare``."""
        settings, _ = new
        return lambda: self.take(settings)

    def _owns(self, option: Option) -> bool:
        is_section = option.section == self.section
        if self.section.endswith("."):
            is_section = option.section.startswith(self.section)
        return is_section and (not self.name or option.name == self.name)


@dataclass(frozen=True, slots=True)
class Fetchers:
    """The configured fetchers. A fetcher whose options have changed is replaced by another of the same class; fetches
    that run keep the old one, which then closes.

    Attributes:
        guards: by URL scheme.
        longest_urls: by name, see ``longest_url_of_one``: the limits of bodies are made from them.
    """

    guards: Mapping[str, GuardedFetcher]
    longest_urls: Mapping[str, int]

    def takes(self, options: Collection[Option], new: Configuration) -> Collection[Option]:
        """See ``Reloadable.takes``. A fetcher whose requests may be longer or shorter needs a restart."""
        components = self._components(new)
        able = {
            f"fetch.{name}"
            for name, component in components.items()
            if longest_url_of_one(component) == self.longest_urls.get(name)
        }
        others = {one.section for one in options if one.name == PLUGIN_KEY}
        return [one for one in options if one.section in able - others]

    async def prepare(
        self, options: Collection[Option], new: Configuration, stack: AsyncExitStack
    ) -> Callable[[], None]:
        """See ``Reloadable.prepare``."""
        guards = {guard.name: guard for guard in self.guards.values()}
        replaced: list[tuple[GuardedFetcher, Fetcher]] = []
        for name, component in self._components(new).items():
            if any(option.section == f"fetch.{name}" for option in options):
                fetcher = constructed(component)
                stack.push_async_callback(fetcher.close)
                replaced.append((guards[name], fetcher))

        def take_over() -> None:
            for guard, fetcher in replaced:
                guard.replace(fetcher)

        return take_over

    def _components(self, new: Configuration) -> Mapping[str, Component[Fetcher]]:
        """The new configuration's fetchers that the process has."""
        _, components = new
        names = {guard.name for guard in self.guards.values()}
        return {one.plugin.name: one for one in components.fetchers if one.plugin.name in names}
