"""Follows the redirects of a fetch, hop by hop, and explains each verdict on request."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, closing, nullcontext

from ...capabilities import Finding
from ...contracts import Source
from ...errors import FetchError, TooManyRedirects
from ...host.record import redirected
from ...net.origins import harmless
from ...net.resolver import HostResolver
from ...net.targets import Judged, TargetPolicy
from ...net.urls import HttpUrl
from .client import HttpClient, HttpResponse
from .options import HttpOptions
from .redirects import redirect_target, redirected_from
from .requests import request_headers
from .responses import REDIRECTS, has_image


class Hops:
    """Follows redirects, for fetches and for explanations alike.

    Args:
        options: the limits of each hop, and their number.
        targets: judges URLs and addresses.
        resolver: looks names up; None if a proxy does.
        client: sends the requests.
    """

    def __init__(
        self, options: HttpOptions, targets: TargetPolicy, resolver: HostResolver | None, client: HttpClient
    ) -> None:
        self._options = options
        self._targets = targets
        self._resolver = resolver
        self._client = client
        self._own = options.operator_headers()

    async def follow(
        self, url: HttpUrl, source: Source, *, explain: bool
    ) -> AsyncGenerator[Finding | HttpResponse, None]:
        """Send one request for each hop.

        Args:
            url: the source's, parsed.
            source: only harmless headers of it go to other origins than that of its url.
            explain: whether to yield findings. Lading then looks each name up once more.

        Yields:
            each ``Finding`` with ``explain``, and at the end the first response that is no redirect. The caller closes
            that response.

        Raises:
            FetchError: a hop fails or is refused, or there are too many hops.
        """
        headers = self._own.with_credentials(url, source)
        condition = {} if source.if_none_match is None else {"If-None-Match": source.if_none_match}
        origin: HttpUrl | None = None
        for hop in range(1, self._options.max_redirects + 2):
            with redirected_from(origin) if origin else nullcontext():
                if explain:
                    found, refusal = await self._judged(hop, url)
                    for finding in found:
                        yield finding
                    if refusal is not None:
                        raise refusal
                self._targets.check(url)
            if origin is not None:
                redirected(url.loggable)
                if url.origin != origin.origin:
                    headers = harmless(headers)  # for good: a redirect back does not bring the secrets back
            response = await self._client.get(url, request_headers(headers, self._own.agent_for(url)) | condition)
            is_last = response.status not in REDIRECTS
            is_handed_over = False
            try:
                if explain:
                    yield _answer(hop, response)
                if is_last:
                    is_handed_over = True
                    yield response
                    return
                with redirected_from(url):
                    target = redirect_target(url, response.headers, max_bytes=self._options.url_max_bytes)
            finally:
                if not is_handed_over:
                    response.release()
            origin, url = url, target
        raise TooManyRedirects(url.loggable, limit=self._options.max_redirects)

    async def explain(self, url: HttpUrl, source: Source, *, follow: bool) -> AsyncGenerator[Finding, None]:
        """See ``SupportsExplaining.explain``; ``url`` is the source's, parsed."""
        if not follow:
            found, refusal = await self._judged(1, url)
            for finding in found:
                yield finding
            if refusal is not None:
                raise refusal
            return
        async with aclosing(self.follow(url, source, explain=True)) as steps:
            async for step in steps:
                if isinstance(step, Finding):
                    yield step
                    continue
                with closing(step):
                    step.check(self._options.max_bytes)

    def means(self, url: HttpUrl, source: Source) -> list[tuple[str, str]]:
        """See ``SupportsExplaining.means``; ``url`` is the source's, parsed."""
        found = [("user agent", self._own.agent_for(url))]
        found += [("credential", f"{name}, of [fetch.http] credentials") for name in self._own.names(url, source)]
        proxy = self._options.way_out()
        if proxy is not None:
            login = ", with its user name and password" if proxy.authorization else ""
            looking = "it looks names up" if self._options.proxy_looks_up else "Lading looks names up"
            found.append(("proxy", f"{proxy.place}{login}; {looking}"))
        return found

    async def _judged(self, hop: int, url: HttpUrl) -> tuple[list[Finding], FetchError | None]:
        """Every verdict on a URL and on the addresses of its host, and the first refusal. Sends nothing to them."""
        found, refusal = _findings(hop, url, self._targets.judge(url))
        if refusal is not None or url.address is not None:
            return found, refusal
        if self._resolver is None:
            return [*found, Finding(hop, url.loggable, "address", True, "unknown: the proxy looks the name up")], None
        try:
            addresses = await self._resolver.look_up(url.host)
        except FetchError as error:
            return found, error
        more, refusal = _findings(hop, url, (self._targets.judge_address(url, address) for address in addresses))
        return [*found, *more], refusal


def _findings(hop: int, url: HttpUrl, judged: Iterable[Judged]) -> tuple[list[Finding], FetchError | None]:
    parts = list(judged)
    found = [Finding(hop, url.loggable, one.subject, one.verdict.allowed, one.verdict.rule) for one in parts]
    return found, next((one.refusal for one in parts if one.refusal is not None), None)


def _answer(hop: int, response: HttpResponse) -> Finding:
    status = response.status
    told = f"status {status}, a redirect" if status in REDIRECTS else f"status {status}"
    is_fine = status in REDIRECTS or has_image(status, response.headers)
    return Finding(hop, response.url.loggable, "answer", is_fine, told)
