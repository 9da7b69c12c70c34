"""Finds the fetcher of a url, by the url's scheme."""

import re
from collections.abc import Mapping
from typing import Final, TypeVar

from ..contracts import Fetcher
from ..errors import UrlSchemeMissing, UrlSchemeNotAllowed

AnyFetcher = TypeVar("AnyFetcher", bound=Fetcher)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,62}):")
_LONGEST: Final = 256
"""Characters of a url in which its scheme is looked for."""
_AROUND: Final = (
    "".join(map(chr, range(0x21))) + "".join(filter(str.isspace, map(chr, range(0x21, 0x3100)))) + "\u200b\ufeff"
)
_WITHIN: Final = dict.fromkeys(map(ord, "\t\n\r"))


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
    if not scheme or looks_like_host_and_port(url, scheme):
        raise UrlSchemeMissing
    raise UrlSchemeNotAllowed(scheme=scheme)


def trimmed(url: str) -> str:
    """The url without the white space and the control characters around it, which come with what people paste.

    The WHATWG URL Standard drops control characters and spaces (section 4.4). Here every other white space of Unicode
    goes too, and the zero-width space and the byte order mark, which nobody sees on the page that they are copied from.
    """
    return url.strip(_AROUND)


def scheme_of(url: str) -> str:
    """The lower-case scheme of a url, empty without a scheme (RFC 3986 section 3.1).

    White space before it does not count, nor tabs and line breaks in it (WHATWG URL section 4.4).
    """
    # Most urls begin with their scheme, and nothing has to go from them.
    match = _SCHEME.match(url) or _SCHEME.match(url.lstrip(_AROUND)[:_LONGEST].translate(_WITHIN))
    return match[1].lower() if match else ""


def looks_like_host_and_port(url: str, scheme: str) -> bool:
    """Whether a url such as ``example.org:8080/a.jpg`` lacks its scheme rather than having an unknown one."""
    return ("." in scheme or scheme == "localhost") and trimmed(url)[len(scheme) + 1 :][:1].isdigit()
