"""Fetches http and https URLs.

For the operator:

- ``allow_hosts`` and ``deny_hosts`` judge the host names that URLs hold, those of redirects included.
- Only public unicast addresses are connected to; ``allow_networks`` opens others. The address is judged where the
  socket is made, so a denied one never sees a packet, whether the URL names it, the DNS, or a redirect.
- ``proxy`` names a proxy for every request; it judges the addresses of names that it looks up itself.
- Proxies and credentials of the environment are not used. TLS is checked against the system's certificates.
- A connection is kept for the next fetch only after a whole body.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Final

from ...capabilities import Finding, PostAnswer, SupportsExplaining, SupportsPosting
from ...contracts import Fetched, Fetcher, Source
from ...errors import FetcherBusy, SourceNotModified
from ...host.record import found, is_explained
from ...host.turns import Turns
from ...host.waits import MAX_WAIT, own_wait, pausing
from ...net.guard import NetworkGuard
from ...net.resolver import Names
from ...net.system import Lookup, SystemNames
from ...net.targets import TargetPolicy
from ...net.urls import HttpUrl, parse_http_url
from . import responses as http_responses
from .client import HttpClient, HttpResponse
from .clock import FetchClock, fetcher_closed
from .filenames import origin_filename
from .hops import Hops
from .options import HttpOptions
from .posting import post
from .requests import check_headers, request_headers
from .wire.body import Body
from .wire.codings import Decoded

POST_PATIENCE: Final = 1.0
"""Seconds that a POST request waits for a place; the caller's deadline leaves it little more."""


class HttpFetcher(SupportsExplaining, SupportsPosting, Fetcher):
    """See ``Fetcher``; the limits are those of ``HttpOptions``.

    Args:
        options: the limits.
        names: asks the name service, for tests; or ``lookup``, which blocks.
    """

    contract_version = 1
    kind = "url"
    schemes = frozenset({"http", "https"})
    Options = HttpOptions

    def __init__(self, options: HttpOptions, *, names: Names | None = None, lookup: Lookup | None = None) -> None:
        self._options = options
        self._targets = TargetPolicy(options)
        self._guard = NetworkGuard(
            options, names=names or (SystemNames(lookup) if lookup else None), many=options.connections
        )
        self._client = HttpClient(options, self._guard)
        resolver = None if options.proxy_looks_up else self._guard.resolver
        self._hops = Hops(options, self._targets, resolver, self._client)
        self._slots = Turns(options.connections, name="connections")
        self._clocks: set[FetchClock] = set()
        self._closed = False

    def check(self, source: Source) -> None:
        """See ``Fetcher.check``."""
        self._checked(source)

    @contextlib.asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        """See ``Fetcher.open``."""
        url = self._checked(source)
        with self._timed(self._options.total_timeout) as clock:
            give_slot_back: Callable[[], None] | None = None
            response: HttpResponse | None = None
            try:
                async with clock.limit():
                    with pausing(clock.paused):
                        give_slot_back = await self._take_slot()
                        response = await self._follow(url, source)
                    if response.status == http_responses.NOT_MODIFIED and source.if_none_match is not None:
                        raise SourceNotModified
                yield self._fetched(response, clock)
            finally:
                if response is not None:
                    response.close()
                if give_slot_back is not None:
                    give_slot_back()

    def explain(self, source: Source, *, follow: bool) -> AsyncIterator[Finding]:
        """See ``SupportsExplaining.explain``."""
        return self._hops.explain(self._read(source), source, follow=follow)

    def means(self, source: Source) -> Sequence[tuple[str, str]]:
        """See ``SupportsExplaining.means``: the ``User-Agent``, the names of the operator's headers, the proxy."""
        return self._hops.means(self._read(source), source)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> PostAnswer:
        """See ``SupportsPosting.post``."""
        target = self._checked(Source(url, headers))
        sent = request_headers({"Accept": "*/*", **headers}, self._options.user_agent)
        with self._timed(timeout, POST_PATIENCE) as clock:
            async with clock.limit():
                with pausing(clock.paused):
                    give_slot_back = await self._take_slot()
                    try:
                        return await post(self._client, target, sent, body)
                    finally:
                        give_slot_back()

    async def close(self) -> None:
        """See ``Fetcher.close``. Fetches under way end with a ``FetchError``."""
        self._closed = True
        for clock in self._clocks:
            clock.stop()
        await self._client.close()
        await self._guard.close()

    @contextlib.contextmanager
    def _timed(self, seconds: float, patience: float = MAX_WAIT) -> Iterator[FetchClock]:
        """A clock for the block, which ``close`` stops."""
        if self._closed:
            raise fetcher_closed()
        clock = FetchClock(seconds, patience)
        self._clocks.add(clock)
        try:
            yield clock
        finally:
            self._clocks.discard(clock)

    async def _take_slot(self) -> Callable[[], None]:
        """One of ``connections``, which issuers get in turn; the wait for it is our own."""
        if (give_back := self._slots.take_now()) is not None:
            return give_back
        with own_wait() as seconds:
            try:
                return await self._slots.take(seconds)
            except TimeoutError as error:
                raise FetcherBusy("no connection was free") from error

    def _checked(self, source: Source) -> HttpUrl:
        url = self._read(source)
        self._targets.check(url)
        return url

    def _read(self, source: Source) -> HttpUrl:
        url = parse_http_url(source.url, max_bytes=self._options.url_max_bytes)
        check_headers(source.headers)
        return url

    async def _follow(self, url: HttpUrl, source: Source) -> HttpResponse:
        """The first response that is no redirect."""
        async with contextlib.aclosing(self._hops.follow(url, source, explain=is_explained())) as steps:
            async for step in steps:
                if isinstance(step, HttpResponse):
                    return step
                found(step)
        raise AssertionError("the last step is a response")

    def _fetched(self, response: HttpResponse, clock: FetchClock) -> Fetched:
        headers = response.headers
        response.check(self._options.max_bytes)
        body = Body(response.read_piece, response.take_piece, response.announced, clock, self._options)
        max_bytes, codings = self._options.max_bytes, response.codings
        return Fetched(
            chunks=Decoded(body, codings, max_bytes, is_framed=response.is_framed) if codings else body,
            content_length=None if codings else response.announced,  # that is of the encoded bytes
            content_type=http_responses.media_type(headers),
            filename=origin_filename(http_responses.content_disposition(headers), response.url.path),
            etag=http_responses.validator(headers, b"etag"),
            last_modified=http_responses.validator(headers, b"last-modified"),
        )
