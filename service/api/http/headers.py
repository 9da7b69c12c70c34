"""Response headers, in the case and order of the contract.

Header names are case-insensitive (RFC 9110 section 5.1), but existing clients of this API depend on the exact bytes.
Tornado normalises names (``X-Xss-Protection``, ``P3p``); ``WireHeaders`` writes them as the contract has them.
"""

import functools
import operator
from collections.abc import Iterable

from tornado.httputil import HTTPHeaders, format_timestamp

FIXED = (
    ("Cache-Control", "no-cache, no-store"),
    ("Pragma", "no-cache"),
    ("Expires", "Fri, 01 Jan 1990 00:00:00 GMT"),
    ("Vary", "Accept-Encoding"),
    ("P3P", 'CP="NOI ADM DEV PSAi COM NAV OUR OTRo STP IND DEM"'),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-XSS-Protection", "1; mode=block"),
    ("X-Download-Options", "noopen"),
    ("X-Permitted-Cross-Domain-Policies", "none"),
    ("Referrer-Policy", "origin-when-cross-origin, strict-origin-when-cross-origin"),
)
"""Headers of every answer, except answers with the bytes of images."""

FOR_BYTES = (
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    # If a browser opens the bytes as a document, the document can load, run and reach nothing.
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ("Referrer-Policy", "origin-when-cross-origin, strict-origin-when-cross-origin"),
)
"""Headers of answers with the bytes of images, which a client may cache: ``FIXED`` forbids that."""

_ORDER = (
    "Date",
    "Cache-Control",
    "Pragma",
    "Expires",
    "Content-Type",
    "X-token",
    "X-message",
    "Vary",
    "P3P",
    "X-Request-Id",
    "X-Runtime",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "X-XSS-Protection",
    "X-Download-Options",
    "X-Permitted-Cross-Domain-Policies",
    "Referrer-Policy",
    "WWW-Authenticate",
    "Retry-After",
    "RateLimit-Policy",
    "RateLimit",
    "Allow",
    "Location",
    "Connection",
    "Transfer-Encoding",
    "Content-Length",
    "ETag",
)
_LAST = len(_ORDER)
_place = operator.itemgetter(0)
_PLACES = {next(iter(HTTPHeaders({name: ""}))): (position, name) for position, name in enumerate(_ORDER)}
"""By Tornado's name of a header: its place in the order, and its name in the contract."""

_FIXED = dict(HTTPHeaders(dict(FIXED)))
"""By Tornado's names."""


@functools.lru_cache(maxsize=2)
def http_date(second: int) -> str:
    """The ``Date`` of an answer (RFC 9110 section 5.6.7), made once a second, from seconds since the Unix epoch."""
    return format_timestamp(second)


class WireHeaders(HTTPHeaders):
    """Headers in the contract's case and order; other headers come last, as Tornado writes them."""

    @classmethod
    def fixed(cls) -> "WireHeaders":
        """``FIXED``, whose names Tornado has normalised once."""
        headers = cls()
        headers._as_list = {name: [value] for name, value in _FIXED.items()}
        headers._combined_cache = _FIXED.copy()
        return headers

    def get_all(self) -> Iterable[tuple[str, str]]:
        """See ``HTTPHeaders.get_all``."""
        placed = [
            (*(_PLACES.get(name) or (_LAST, name)), value) for name, values in self._as_list.items() for value in values
        ]
        placed.sort(key=_place)
        return [(name, value) for _, name, value in placed]

    def head(self, code: int, reason: str) -> bytes:
        """The head of an answer with this status.

        Raises:
            ValueError: a value has a line break.
        """
        lines = [f"HTTP/1.1 {code} {reason}", *[f"{name}: {value}" for name, value in self.get_all()], "\r\n"]
        head = "\r\n".join(lines)
        if not head.count("\r") == head.count("\n") == len(lines):
            raise ValueError("a header of an answer has a line break")
        return head.encode("latin1")
