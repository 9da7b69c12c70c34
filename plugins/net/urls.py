"""One reading of http and https URLs: that of the WHATWG URL Standard, as browsers have it.

Everything after this module uses its result alone, so that no two parsers can disagree about which host a URL names:
what is judged is what is connected to. The parser is Ada's, through ``ada_url``.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import quote, urlsplit

from ada_url import URL, check_url

from ..contracts.quick import quick
from ..errors import SourceRefused, UrlInvalid, UrlSchemeMissing, UrlSchemeNotAllowed
from ..host.schemes import looks_like_host_and_port, scheme_of, trimmed

DEFAULT_PORTS = {"http": 80, "https": 443}
PARSED_URLS = 256
"""URLs that are kept as they were read: the URL of an import is read when it is accepted, and soon again to be fetched.
They may hold secrets, so there are few, and nobody is told."""

_MAX_BYTES = 8192
_WIDEST = 4
"""Bytes of a character in UTF-8 at most."""
_LONGEST = 65536
"""Bytes of the longest URL that an operator may allow."""
_MAX_HOST = 253
"""Characters of a host name: RFC 1035 section 2.3.4, less the root's label and the first length byte."""
# Letters, digits and hyphens (RFC 1123 section 2.1), and the underscore, which names of storage buckets have. Hyphens
# may stand anywhere: names such as -a-.example are registered, and lead somewhere.
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_PLAIN = re.compile(
    rf"(https?)://((?:[a-z0-9_-]{{1,63}}\.)*[a-z][a-z0-9_-]{{0,62}}|(?:{_OCTET}\.){{3}}{_OCTET})(?::([1-9][0-9]{{0,4}}))?"
    r"(/[A-Za-z0-9_.~!$&'()*+,;=:@/-]*)(\?[A-Za-z0-9_.~!$&()*+,;=:@/?%\[\]-]*)?"
)
_LAST_PORT = 65535
_PORT = re.compile(r":([0-9]+)\Z")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:[a-z]+:)?[/\\]*([^/\\?#]*)", re.IGNORECASE)
_NO_HOST_CHARACTER = re.compile(r"[\x00-\x20/\\?#@:]")
# RFC 3986 appendix A: what a path and a query may hold, the percent sign of escapes, and the brackets that many
# queries hold against it. Browsers send some more characters as they are, such as |, which strict servers refuse.
_SAFE = "%/?:@!$&'()*+,;=[]"


@quick
@dataclass(frozen=True, slots=True)
class HttpUrl:
    """An http or https URL in its canonical form.

    Attributes:
        scheme: ``http`` or ``https``.
        host: lower-case ASCII name without trailing dot, dotted quad, or IPv6 address without brackets.
        port: 1 to 65535; the scheme's own where the URL names none.
        path_query: path, which begins with a slash, and query. It may hold secrets, so it has no repr.
    """

    scheme: str
    host: str
    port: int
    path_query: str = field(repr=False)

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """The host as an IP address, or None where it is a name."""
        return address_of(self.host)

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port (RFC 6454 section 4)."""
        return self.scheme, self.host, self.port

    @property
    def path(self) -> str:
        """The path alone, still percent-encoded."""
        return self.path_query.partition("?")[0]

    @property
    def authority(self) -> str:
        """Host, and port where it is not the scheme's own, as a URL has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def loggable(self) -> str:
        """The URL without its query, for the operator's log."""
        return f"{self.scheme}://{self.authority}{self.path}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path_query}"


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """The canonical host as an IP address, or None where it is a name."""
    if ":" in host:
        return IPv6Address(host)
    if host.rpartition(".")[2].isdigit():
        return IPv4Address(host)
    return None


def parse_http_url(url: str, *, max_bytes: int = _MAX_BYTES) -> HttpUrl:
    """Read an absolute URL as a stranger sent it. ``parse_http_url(str(result)) == result``.

    The WHATWG URL Standard says how: white space around the URL, and tabs and line breaks in it, are dropped; a
    backslash is a slash; a host is percent-decoded, mapped by UTS 46, and read as an IPv4 address where its last label
    is a number; a path loses its dot segments. Beyond the standard:

    - A user name or a password is refused: it would be sent, or not, unseen.
    - Host names have only letters, digits, hyphens and underscores, and no empty label: no other has an address.
    - A fragment is dropped, since it is never sent. So is one trailing dot of the host: neither TLS (RFC 6066 section
      3) nor virtual hosts know it, and with it one host would have two names.
    - What RFC 3986 does not allow in a path or a query is percent-encoded; existing escapes stay as they are.

    Args:
        url: the text to read.
        max_bytes: longest URL in bytes, as sent and in its canonical form.

    Raises:
        UrlSchemeMissing: it has no scheme.
        UrlSchemeNotAllowed: its scheme is neither http nor https.
        UrlInvalid: anything else is wrong; the reason names what.
    """
    if len(url) > max_bytes // _WIDEST:
        _check_length(trimmed(url), max_bytes)
    result, length = _read_once(url)
    if length > max_bytes:
        raise _too_long(max_bytes)
    return result


def resolve_reference(base: HttpUrl, reference: str, *, max_bytes: int = _MAX_BYTES) -> HttpUrl:
    """Read a ``Location`` header, which may be relative (RFC 9110 section 10.2.2), against the URL that sent it.

    Raises:
        UrlInvalid, UrlSchemeNotAllowed: as ``parse_http_url``.
    """
    scheme = scheme_of(reference)
    if scheme and scheme not in DEFAULT_PORTS:
        raise UrlSchemeNotAllowed(scheme=scheme[:32])
    _check_length(reference, max_bytes)
    result = _parsed(reference, str(base))
    _check_length(str(result), max_bytes)
    return result


def canonical_host(text: str) -> str:
    """A host name or an IPv4 address as ``HttpUrl.host`` holds it.

    Raises:
        UrlInvalid: it is neither.
    """
    if _NO_HOST_CHARACTER.search(text):
        raise UrlInvalid(reason="its host is not valid")
    return parse_http_url(f"http://{text}/").host


# --- any url ----------------------------------------------------------------------------------------------------------


def http_url(url: str) -> HttpUrl | None:
    """The URL as ``parse_http_url`` reads it, or None where it is none of http or https, or none at all."""
    if scheme_of(url) not in DEFAULT_PORTS:
        return None
    try:
        return parse_http_url(url, max_bytes=_LONGEST)
    except SourceRefused:
        return None


def host_of(url: str) -> str:
    """The lower-case host of an accepted URL of any scheme, or the empty string where it has none."""
    if (found := http_url(url)) is not None:
        return found.host
    try:
        return urlsplit(trimmed(url)).hostname or ""
    except ValueError:
        return ""


def authority_of(url: str) -> str:
    """The lower-case host of an accepted URL of any scheme, with its port unless that is the scheme's own."""
    if (found := http_url(url)) is not None:
        return found.authority
    try:
        return urlsplit(trimmed(url)).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


# --- reading ----------------------------------------------------------------------------------------------------------


@lru_cache(PARSED_URLS)
def _read_once(url: str) -> tuple[HttpUrl, int]:
    """The URL as ``parse_http_url`` reads it, and the bytes of its canonical form."""
    text = trimmed(url)
    scheme = scheme_of(text)
    if scheme not in DEFAULT_PORTS:
        if not scheme or looks_like_host_and_port(text, scheme):
            raise UrlSchemeMissing
        raise UrlSchemeNotAllowed(scheme=scheme[:32])
    result = _plain(text) or _parsed(text, None)
    return result, len(str(result))


def _plain(text: str) -> HttpUrl | None:
    """A URL that is in its canonical form already, as most are; None where only the parser can tell.

    The parser does nothing to these characters in these places: the host is a dotted quad, or has no label that is in
    Punycode and no last label that is a number, and no segment of the path may be a dot segment.
    """
    found = _PLAIN.fullmatch(text)
    if found is None:
        return None
    scheme, host, digits, path, query = found.groups()
    port = int(digits) if digits else DEFAULT_PORTS[scheme]
    if port > _LAST_PORT or len(host) > _MAX_HOST or "xn--" in host or "/." in path:
        return None
    return HttpUrl(scheme, host, port, path + (query or ""))


def _parsed(text: str, base: str | None) -> HttpUrl:
    try:
        href = URL(text, base).href
    except UnicodeEncodeError:
        raise UrlInvalid(reason="it is not valid Unicode") from None
    except ValueError:
        raise UrlInvalid(reason=_fault_of(text)) from None
    # In what the parser writes, no character can be taken for another: the slash after the authority is the first one,
    # and an @ before it ends a user name or a password. Each part asked of the parser costs as much as all of this.
    scheme, _, rest = href.partition("#")[0].partition("://")
    authority, slash, path_query = rest.partition("/")
    if "@" in authority:
        raise UrlInvalid(reason="it holds a user name or password")
    found = _PORT.search(authority)
    port = int(found[1]) if found else DEFAULT_PORTS[scheme]
    if port == 0:
        raise UrlInvalid(reason="its port is not valid")
    host = authority if found is None else authority[: found.start()]
    return HttpUrl(scheme, _checked_host(host), port, quote(slash + path_query, safe=_SAFE))


def _check_length(text: str, max_bytes: int) -> None:
    # The characters are counted first: nothing has fewer bytes, and little is left to do for a long one.
    if len(text) > max_bytes or len(text.encode("utf-8", "surrogatepass")) > max_bytes:
        raise _too_long(max_bytes)


def _too_long(max_bytes: int) -> UrlInvalid:
    return UrlInvalid(reason=f"it is longer than {max_bytes} bytes")


def _checked_host(host: str) -> str:
    """The host that the parser found, if it can have an address."""
    try:
        if host.startswith("["):
            return str(IPv6Address(host[1:-1]))
        host = host.removesuffix(".")
        if len(host) > _MAX_HOST or not _HOST.fullmatch(host):
            raise UrlInvalid(reason="its host is not valid")
        # The parser has made a dotted quad of every number; of what it may ever miss, no resolver makes an address.
        return str(IPv4Address(host)) if _NUMBER.fullmatch(host.rpartition(".")[2]) else host
    except AddressValueError as error:
        raise UrlInvalid(reason="its host is not valid") from error


def _fault_of(text: str) -> str:
    """Why the parser refuses a URL; it does not tell itself."""
    found = _AUTHORITY.match(text)
    authority = found[1].rpartition("@")[2] if found else ""
    if not authority or authority.startswith(":"):
        return "it has no host"
    if authority.startswith("[") and "%" in authority:
        return "its address names a network zone"
    host, colon, _ = authority.rpartition(":")
    if colon and check_url(f"http://{host}"):
        return "its port is not valid"
    if _NUMBER.fullmatch((host or authority).removesuffix(".").rpartition(".")[2]):
        return "its host is neither a host name nor an IPv4 address"
    return "its host is not valid"
