"""The suite of fetchers: what ``plugins.contracts.Fetcher`` says, as hostile cases.

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
``plugins.testing.fetcher_http``, which brings the origin. See ``plugins.testing.suite`` for what holds for every case.
"""

from plugins.testing.fetcher_flaws import FlawCases
from plugins.testing.fetcher_life import LifeCases
from plugins.testing.fetcher_reading import ReadingCases
from plugins.testing.fetcher_refusing import RefusingCases


class FetcherSuite(ReadingCases, RefusingCases, FlawCases, LifeCases):
    """The cases that every fetcher passes."""
