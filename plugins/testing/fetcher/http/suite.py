"""The suite of fetchers that speak HTTP: every case of ``FetcherSuite``, and what HTTP adds to it.

The kit's own origin serves everything, so an author gives a factory alone::

    class TestMyFetcher(HttpFetcherSuite):
        def make_fetcher(self, limits: FetchLimits) -> Fetcher:
            return MyFetcher(MyOptions(max_bytes=limits.max_bytes, timeout=limits.seconds, allow="127.0.0.0/8"))

The fetcher has to be allowed to connect to 127.0.0.1, on any port. ``refused_urls`` may be extended by what it forbids
besides; redirects must not lead there either. A suite with a ``running`` of its own enters that of this class.
"""

from ..suite import FetcherSuite
from .bodies import BodyCases
from .heads import HeadCases
from .posting import PostingCases
from .requests import RequestCases


class HttpFetcherSuite(HeadCases, BodyCases, RequestCases, PostingCases, FetcherSuite):
    """The cases that every fetcher passes that speaks HTTP; those of a capability, where its class has it."""
