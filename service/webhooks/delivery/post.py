"""Sends requests by fetchers that can post, so that webhooks reach only addresses that fetches may reach."""

from collections.abc import Mapping
from dataclasses import dataclass

from ....plugins.capabilities import PostAnswer
from ....plugins.contracts import Source
from ....plugins.errors import UrlSchemeMissing, UrlSchemeNotAllowed
from ....plugins.host.guards import GuardedFetcher
from ....plugins.host.schemes import scheme_of


@dataclass(frozen=True, slots=True)
class Posting:
    """Sends.

    Attributes:
        fetchers: the configured ones, by URL scheme.
        timeout: seconds that a request may take, its answer included.
    """

    fetchers: Mapping[str, GuardedFetcher]
    timeout: float

    def check(self, url: str) -> None:
        """Refuse, without I/O, what can never be sent to.

        Raises:
            SourceRefused: with the reason.
        """
        self._fetcher(url).check(Source(url))

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> PostAnswer:
        """See ``SupportsPosting.post``.

        Raises:
            PluginError: no answer came.
        """
        fetcher = self._fetcher(url)
        if fetcher.poster is None:
            raise UrlSchemeNotAllowed(scheme=scheme_of(url))
        return await fetcher.poster.post(url, headers, body, timeout=self.timeout)

    def _fetcher(self, url: str) -> GuardedFetcher:
        scheme = scheme_of(url)
        fetcher = self.fetchers.get(scheme)
        if fetcher is not None and fetcher.poster is not None:
            return fetcher
        if not scheme:
            raise UrlSchemeMissing
        raise UrlSchemeNotAllowed(scheme=scheme)
