"""Fetches http and https URLs.

For the operator:

- ``allow_hosts`` and ``deny_hosts`` judge the host names that URLs hold, those of redirects included.
- Only public unicast addresses are connected to; ``allow_networks`` opens others. The address is judged where the
  socket is made, so a denied one never sees a packet, whether the URL names it, the DNS, or a redirect.
- Proxies and credentials of the environment are not used. TLS is checked against the system's certificates.
- A connection is kept for the next fetch only after a whole body.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Final

from ...capabilities import Finding, PostAnswer, SupportsExplaining, SupportsPosting
from ...contracts import Fetched, Fetcher, Source
from ...errors import SourceNotModified
from ...host.record import found, is_explained
from ...net.resolver import LOOKUP_THREADS, HostResolver, Lookup, system_lookup
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

PARSED_URLS: Final = 256
"""URLs that are kept as they were read: one that is imported is read when it is accepted, and soon again to be fetched.
They may hold secrets, so there are few, and they are told to nobody."""


class HttpFetcher(SupportsExplaining, SupportsPosting, Fetcher):
    """See ``Fetcher``; the limits are those of ``HttpOptions``.

    Args:
        options: the limits.
        lookup: asks the name service, for tests.
    """

    contract_version = 1
    kind = "url"
    schemes = frozenset({"http", "https"})
    Options = HttpOptions

    def __init__(self, options: HttpOptions, *, lookup: Lookup = system_lookup) -> None:
        self._options = options
        self._targets = TargetPolicy(options)
        self._parsed = lru_cache(PARSED_URLS)(partial(parse_http_url, max_bytes=options.url_max_bytes))
        self._executor = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="lading-lookup")
        resolver = HostResolver(self._targets.addresses, options.dns_timeout, self._executor, lookup)
        self._client = HttpClient(options, self._targets.addresses, resolver, self._executor)
        self._hops = Hops(options, self._targets, resolver, self._client)
        self._slots = asyncio.Semaphore(options.connections)
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
            has_slot = False
            response: HttpResponse | None = None
            try:
                async with clock.limit():
                    has_slot = await self._slots.acquire()
                    response = await self._follow(url, source)
                    if response.status == http_responses.NOT_MODIFIED and source.if_none_match is not None:
                        raise SourceNotModified
                yield self._fetched(response, clock)
            finally:
                if response is not None:
                    response.close()
                if has_slot:
                    self._slots.release()

    def explain(self, source: Source, *, follow: bool) -> AsyncIterator[Finding]:
        """See ``SupportsExplaining.explain``."""
        return self._hops.explain(self._read(source), source, follow=follow)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> PostAnswer:
        """See ``SupportsPosting.post``."""
        target = self._checked(Source(url, headers))
        with self._timed(timeout) as clock:
            async with clock.limit(), self._slots:
                sent = request_headers({"Accept": "*/*", **headers}, self._options.user_agent)
                return await post(self._client, target, sent, body)

    async def close(self) -> None:
        """See ``Fetcher.close``. Fetches under way end with a ``FetchError``."""
        self._closed = True
        for clock in self._clocks:
            clock.stop()
        await self._client.close()
        self._executor.shutdown(wait=False, cancel_futures=True)

    @contextlib.contextmanager
    def _timed(self, seconds: float) -> Iterator[FetchClock]:
        """A clock for the block, which ``close`` stops."""
        if self._closed:
            raise fetcher_closed()
        clock = FetchClock(seconds)
        self._clocks.add(clock)
        try:
            yield clock
        finally:
            self._clocks.discard(clock)

    def _checked(self, source: Source) -> HttpUrl:
        url = self._read(source)
        self._targets.check(url)
        return url

    def _read(self, source: Source) -> HttpUrl:
        url = self._parsed(source.url)
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
