"""Explains what the ``http`` fetcher would do with a URL, by the very parts that do it."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import closing, nullcontext

from ...capabilities import Finding
from ...contracts import Source
from ...errors import FetchError, TooManyRedirects
from ...net.origins import harmless
from ...net.resolver import HostResolver
from ...net.targets import Judged, TargetPolicy
from ...net.urls import HttpUrl
from .client import HttpClient, HttpResponse
from .options import HttpOptions
from .redirects import redirect_target, redirected_from
from .requests import request_headers
from .responses import REDIRECTS, has_image


class HttpExplainer:
    """See ``SupportsExplaining``. Each hop is bounded as that of a fetch is, and so is their number.

    Args:
        options: the limits.
        targets: judges URLs and addresses.
        resolver: looks names up.
        client: sends the requests, where they are wanted.
    """

    def __init__(self, options: HttpOptions, targets: TargetPolicy, resolver: HostResolver, client: HttpClient) -> None:
        self._options = options
        self._targets = targets
        self._resolver = resolver
        self._client = client

    async def explain(self, url: HttpUrl, source: Source, *, follow: bool) -> AsyncIterator[Finding]:
        """See ``SupportsExplaining.explain``; ``url`` is that of the source, read."""
        headers = source.headers
        origin: HttpUrl | None = None
        for hop in range(1, self._options.max_redirects + 2):
            with redirected_from(origin) if origin else nullcontext():
                for finding in _findings(hop, url, self._targets.judge(url)):
                    yield finding
                if url.address is None:
                    for finding in _findings(hop, url, await self._addresses(url)):
                        yield finding
            if not follow:
                return
            with closing(await self._client.get(url, request_headers(headers, self._options.user_agent))) as response:
                yield _answer(hop, response)
                if response.status not in REDIRECTS:
                    response.check(self._options.max_bytes)
                    return
                with redirected_from(url):
                    target = redirect_target(url, response.headers, max_bytes=self._options.url_max_bytes)
            if target.origin != url.origin:
                headers = harmless(headers)
            origin, url = url, target
        raise TooManyRedirects(url.loggable, limit=self._options.max_redirects)

    async def _addresses(self, url: HttpUrl) -> list[Judged]:
        return [self._targets.judge_address(url, address) for address in await self._resolver.look_up(url.host)]


def _findings(hop: int, url: HttpUrl, judged: Iterable[Judged]) -> Iterator[Finding]:
    """All verdicts, and then the first refusal."""
    refusal: FetchError | None = None
    for one in judged:
        yield Finding(hop, url.loggable, one.subject, one.verdict.allowed, one.verdict.rule)
        refusal = refusal or one.refusal
    if refusal is not None:
        raise refusal


def _answer(hop: int, response: HttpResponse) -> Finding:
    status = response.status
    told = f"status {status}, a redirect" if status in REDIRECTS else f"status {status}"
    is_fine = status in REDIRECTS or has_image(status, response.headers)
    return Finding(hop, response.url.loggable, "answer", is_fine, told)
