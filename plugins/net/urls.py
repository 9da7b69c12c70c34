"""One strict reading of http and https URLs.

Everything after this module uses its result alone, so that no two parsers can disagree about which host a URL names.
What browsers repair (backslashes, odd spellings of IPv4 addresses, user names) is refused instead.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple
from urllib.parse import quote, urljoin

import idna

from ..errors import UrlInvalid, UrlSchemeMissing, UrlSchemeNotAllowed

DEFAULT_PORTS = {"http": 80, "https": 443}

_MAX_BYTES = 8192
_MAX_HOST = 253
"""Characters of a host name: RFC 1035 section 2.3.4, less the root's label and the first length byte."""
_KNOWN_HOSTS = 1024
"""Host names that are kept as they were read: many URLs are of few hosts."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\\ud800-\udfff]")
_AUTHORITY_END = re.compile(r"[/?#]")
_PORT = re.compile(r"[0-9]{1,5}")
# Letters, digits and hyphens (RFC 1123 section 2.1), and the underscore, which names of storage buckets have.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# What nearly all names are: nothing in them has another spelling, no label is encoded, none could be a number.
_PLAIN_LABEL = r"(?!xn--)[a-z_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_PLAIN_HOST = re.compile(rf"{_PLAIN_LABEL}(?:\.{_PLAIN_LABEL})*")
_DOTTED_QUAD = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
# RFC 3986 appendix A: what a path and a query may hold, the percent sign of escapes, and the brackets that many
# queries hold against it.
_SAFE = "%/?:@!$&'()*+,;=[]"


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
    def loggable(self) -> str:
        """The URL without its query, for the operator's log."""
        return self._prefix + self.path

    @property
    def _prefix(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    def __str__(self) -> str:
        return self._prefix + self.path_query


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """The canonical host as an IP address, or None where it is a name."""
    if ":" in host:
        return IPv6Address(host)
    if host.rpartition(".")[2].isdigit():
        return IPv4Address(host)
    return None


def parse_http_url(url: str, *, max_bytes: int = _MAX_BYTES) -> HttpUrl:
    """Read an absolute URL as a stranger sent it. ``parse_http_url(str(result)) == result``.

    A fragment is dropped, since it is never sent. So is one trailing dot of the host: neither TLS (RFC 6066 section 3)
    nor virtual hosts know it, and with it one host would have two names. Non-ASCII characters of path and query
    become percent-encoded UTF-8; existing escapes stay as they are. Host names are checked by IDNA 2008 (RFC 5891,
    RFC 5893) without any mapping but that of ASCII letters to lower case.

    Args:
        url: the text to read.
        max_bytes: longest URL in bytes, as sent and in its canonical form.

    Raises:
        UrlSchemeMissing: it has no scheme.
        UrlSchemeNotAllowed: its scheme is neither http nor https.
        UrlInvalid: anything else is wrong; the reason names what.
    """
    if len(url) > max_bytes:
        raise _too_long(max_bytes)
    if _FORBIDDEN.search(url):
        raise UrlInvalid(reason="it holds a space, a backslash or a control character")
    if len(url.encode()) > max_bytes:
        raise _too_long(max_bytes)
    scheme, rest = _split_scheme(url)
    if not rest.startswith("//"):
        raise UrlInvalid(reason="it has no host")
    end = _AUTHORITY_END.search(rest, 2)
    split_at = end.start() if end else len(rest)
    host, port = _split_authority(rest[2:split_at], DEFAULT_PORTS[scheme])
    result = HttpUrl(scheme, host, port, _path_query(rest[split_at:]))
    if len(str(result)) > max_bytes:
        raise _too_long(max_bytes)
    return result


def resolve_reference(base: HttpUrl, reference: str, *, max_bytes: int = _MAX_BYTES) -> HttpUrl:
    """Read a ``Location`` header, which may be relative (RFC 9110 section 10.2.2), against the URL that sent it.

    Raises:
        UrlInvalid, UrlSchemeNotAllowed, UrlSchemeMissing: as ``parse_http_url``.
    """
    # Checked first, because urljoin removes tabs and line breaks without a word.
    if _FORBIDDEN.search(reference):
        raise UrlInvalid(reason="it holds a space, a backslash or a control character")
    # With a scheme or a host of its own nothing is left to resolve; urljoin would forgive that either is empty.
    if _SCHEME.match(reference):
        joined = reference
    elif reference.startswith("//"):
        joined = f"{base.scheme}:{reference}"
    else:
        joined = urljoin(str(base), reference)
    return parse_http_url(joined, max_bytes=max_bytes)


def _too_long(max_bytes: int) -> UrlInvalid:
    return UrlInvalid(reason=f"it is longer than {max_bytes} bytes")


def _split_scheme(url: str) -> tuple[str, str]:
    match = _SCHEME.match(url)
    if match is None:
        raise UrlSchemeMissing
    scheme, rest = match[1].lower(), url[match.end() :]
    if scheme in DEFAULT_PORTS:
        return scheme, rest
    if rest[:1].isdigit():  # host and port, as in example.org:8080/a.jpg
        raise UrlSchemeMissing
    raise UrlSchemeNotAllowed(scheme=scheme[:32])


def _split_authority(authority: str, default_port: int) -> tuple[str, int]:
    """Host and port (RFC 3986 section 3.2); an empty port is the default one (section 6.2.3)."""
    if "@" in authority:
        raise UrlInvalid(reason="it holds a user name or password")
    if authority.startswith("["):
        literal, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise UrlInvalid(reason="its host is not valid")
        return _ipv6(literal), _port(rest[1:], default_port)
    host, _, port = authority.partition(":")
    return canonical_host(host), _port(port, default_port)


def _port(text: str, default: int) -> int:
    if not text:
        return default
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65535:  # noqa: PLR2004 - the range of a port
        raise UrlInvalid(reason="its port is not valid")
    return int(text)


def _ipv6(text: str) -> str:
    if "%" in text:
        raise UrlInvalid(reason="its address names a network zone")
    try:
        return str(IPv6Address(text))
    except AddressValueError as error:
        raise UrlInvalid(reason="its host is not valid") from error


@lru_cache(_KNOWN_HOSTS)
def canonical_host(text: str) -> str:
    """A host name or dotted quad as ``HttpUrl.host`` holds it. Those of the last URLs are known already.

    Raises:
        UrlInvalid: it is neither.
    """
    if not text:
        raise UrlInvalid(reason="it has no host")
    text = text.removesuffix(".")
    # No encoding shortens a name; checked first, so that little is left to do for one of thousands of labels.
    if len(text) > _MAX_HOST:
        raise UrlInvalid(reason="its host is not valid")
    if _PLAIN_HOST.fullmatch(text):
        return text
    if _DOTTED_QUAD.fullmatch(text):
        return _ipv4(text)
    labels = [_Label.read(label) for label in text.split(".")]
    _check_directions(labels)
    host = ".".join(label.ascii for label in labels)
    if len(host) > _MAX_HOST:
        raise UrlInvalid(reason="its host is not valid")
    if labels[-1].is_number:
        return _ipv4(host)
    return host


def _ipv4(host: str) -> str:
    """A dotted quad in the one spelling that no resolver reads in another way."""
    try:
        return str(IPv4Address(host))
    except AddressValueError as error:
        raise UrlInvalid(reason="its host is neither a host name nor a dotted IPv4 address") from error


class _Label(NamedTuple):
    """One label of a host name, in both of its forms."""

    ascii: str
    unicode: str

    @classmethod
    def read(cls, text: str) -> "_Label":
        text = text.translate(_ASCII_LOWER)
        label = cls(text, text)
        try:
            if not text.isascii():
                # A label has at most 63 characters; checked here because IDNA's own checks are slow on long ones.
                label = cls(idna.alabel(text[:64]).decode("ascii"), text)
            elif text.startswith("xn--"):
                label = cls(text, idna.ulabel(text))
        except UnicodeError as error:
            raise UrlInvalid(reason="its host is not valid") from error
        # An encoded label that says nothing but ASCII is none (RFC 5890 section 2.3.2.1).
        if not _LABEL.fullmatch(label.ascii) or (label.ascii.startswith("xn--") and label.unicode.isascii()):
            raise UrlInvalid(reason="its host is not valid")
        return label

    @property
    def is_number(self) -> bool:
        """Whether some parser would read a host that ends in it as an IPv4 address, digits of every script included."""
        return _NUMBER.fullmatch(self.ascii) is not None or self.unicode.isdecimal()


def _check_directions(labels: Sequence[_Label]) -> None:
    """The rule for names of which a label is written from right to left; it binds the other labels too (RFC 5893)."""
    if not any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for label in labels for char in label.unicode):
        return
    try:
        for label in labels:
            idna.check_bidi(label.unicode, check_ltr=True)
    except UnicodeError as error:
        raise UrlInvalid(reason="its host is not valid") from error


def _path_query(text: str) -> str:
    text = text.partition("#")[0]
    if not text.startswith("/"):
        text = "/" + text
    return quote(text, safe=_SAFE)
