"""The suite of fetchers: what ``lading.plugins.contracts.Fetcher`` says, as hostile cases.

An author subclasses it and gives a factory, an origin, good and bad, and urls to be refused::

    class TestMyFetcher(FetcherSuite):
        unsupported = {Flaw.REDIRECT_LOOP: "the protocol has no redirects"}
        refused_urls = ("mine:", "mine://", "mine://user:password@host/a")

        def make_fetcher(self, limits: FetchLimits) -> Fetcher:
            return MyFetcher(MyOptions(max_bytes=limits.max_bytes, timeout=limits.seconds))

        async def serve(self, body: Body) -> Source: ...

        async def serve_flawed(self, flaw: Flaw, body: Body) -> Source: ...

``running`` is where to start a server, in a thread or a process of its own. What an origin cannot have is declared in
``unsupported``; sources that cannot be as large as 64 MB say so with ``largest_body``. For what speaks HTTP there is
``lading.plugins.testing.fetcher.http.suite``, which brings the origin. See ``lading.plugins.testing.suite`` for what
holds for every case.
"""

from .flaws import FlawCases
from .life import LifeCases
from .reading import ReadingCases
from .refusing import RefusingCases


class FetcherSuite(ReadingCases, RefusingCases, FlawCases, LifeCases):
    """The cases that every fetcher passes."""
