"""Which headers of a client may go to which origin: along redirects, and to the mirrors of an import."""

from collections.abc import Mapping, Sequence
from typing import Final

from ..contracts import Source
from .urls import http_url

HARMLESS: Final = frozenset({"accept", "accept-language", "referer", "user-agent"})
"""Headers that go to every origin, in lower case. All others may hold secrets, and stay with the origin of the url that
the client names first, as credentials do in browsers (WHATWG Fetch section 4.4, step 14, for Authorization)."""


def harmless(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that may go to another origin than the one that they were sent for."""
    return {name: value for name, value in headers.items() if name.lower() in HARMLESS}


def sources_of(
    urls: Sequence[str], headers: Mapping[str, str], organization_id: str, issuer_id: str, album_id: str | None
) -> tuple[Source, ...]:
    """The urls of an import of this organisation, issuer and album, each with the headers that may go there.

    All headers go to the first url, and to those of its origin: scheme, host and port. A url that is neither http nor
    https has an origin that no other url shares (WHATWG URL section 4.7).
    """
    allowed = [headers] * len(urls)
    if len(urls) > 1 and headers:
        first, *others = map(http_url, urls)
        elsewhere = harmless(headers)
        allowed[1:] = [headers if one and first and one.origin == first.origin else elsewhere for one in others]
    return tuple(
        [Source(url, sent, None, organization_id, issuer_id, album_id) for url, sent in zip(urls, allowed, strict=True)]
    )
