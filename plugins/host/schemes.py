"""Finds the fetcher of a url, and the host of a url."""

import re
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from ..contracts import Fetcher
from ..errors import UrlSchemeMissing, UrlSchemeNotAllowed

AnyFetcher = TypeVar("AnyFetcher", bound=Fetcher)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,62}):")


def fetcher_for(fetchers: Mapping[str, AnyFetcher], url: str) -> AnyFetcher:
    """The fetcher that serves the url, from a mapping by URL scheme.

    Raises:
        UrlSchemeMissing: the url has no scheme.
        UrlSchemeNotAllowed: no fetcher serves it.
    """
    scheme = scheme_of(url)
    fetcher = fetchers.get(scheme)
    if fetcher is not None:
        return fetcher
    if not scheme or _looks_like_host_and_port(url, scheme):
        raise UrlSchemeMissing
    raise UrlSchemeNotAllowed(scheme=scheme)


def scheme_of(url: str) -> str:
    """The lower-case scheme of a url; empty without a scheme (RFC 3986 section 3.1)."""
    match = _SCHEME.match(url)
    return match[1].lower() if match else ""


def host_of(url: str) -> str:
    """The lower-case host of an accepted url; empty without a host."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _looks_like_host_and_port(url: str, scheme: str) -> bool:
    """Whether a url such as ``example.org:8080/a.jpg`` lacks its scheme rather than having an unknown one."""
    return ("." in scheme or scheme == "localhost") and url[len(scheme) + 1 :][:1].isdigit()
