"""The suite of fetchers: the contract ``lading.plugins.contracts.Fetcher`` as hostile cases.

Subclass it with a factory, good and flawed origins, and urls that the fetcher must refuse::

    class TestMyFetcher(FetcherSuite):
        unsupported = {Flaw.REDIRECT_LOOP: "the protocol has no redirects"}
        refused_urls = ("mine:", "mine://", "mine://user:password@host/a")

        def make_fetcher(self, limits: FetchLimits) -> Fetcher:
            return MyFetcher(
                MyOptions(max_bytes=limits.max_bytes, timeout=limits.seconds, allow_networks=limits.networks)
            )

        async def serve(self, body: Body) -> Source: ...

        async def serve_flawed(self, flaw: Flaw, body: Body) -> Source: ...

Start a server in ``running``, in a thread or a process of its own. Declare flaws that an origin cannot have in
``unsupported``. Set ``largest_body`` if sources cannot be as large as 64 MB. A fetcher that speaks HTTP uses
``lading.plugins.testing.fetcher.http.suite``, which has an origin. ``lading.plugins.testing.suite`` has the rules for
every case.
"""

from typing import ClassVar

from ...errors import FetchError, PluginError
from ..common.importing import ImportCases
from ..common.pinging import PingCases
from .flaws import FlawCases
from .life import LifeCases
from .reaching import ReachingCases
from .reading import ReadingCases
from .refusing import RefusingCases
from .secrets import SecretCases


class FetcherSuite(
    ReadingCases, RefusingCases, SecretCases, ReachingCases, FlawCases, LifeCases, PingCases, ImportCases
):
    """The cases that every fetcher must pass."""

    ping_error: ClassVar[type[PluginError]] = FetchError
