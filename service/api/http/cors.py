"""CORS: which pages of other origins may read answers (https://fetch.spec.whatwg.org/#http-cors-protocol).

Lading uses no cookies and never allows credentials: the token that a page sends decides about its requests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tornado.httputil import HTTPServerRequest

ANY: Final = "*"
MAX_AGE: Final = 7200
"""Seconds for which a browser may keep the permission; Chromium keeps none longer."""
ALLOWED_HEADERS: Final = ", ".join((
    *("Authorization", "Content-Type", "Content-Encoding", "X-Request-Id", "X-Requested-With", "Cache-Control"),
    *("Idempotency-Key", "Prefer", "Last-Event-ID", "traceparent", "tracestate"),
    *("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"),
    *("Tus-Resumable", "Upload-Length", "Upload-Metadata", "Upload-Offset", "Upload-Checksum"),
    "X-HTTP-Method-Override",
))  # fmt: skip
"""Every header field that the API reads: ``*`` would not include ``Authorization``."""
EXPOSED_HEADERS: Final = ", ".join((
    *("Location", "Link", "X-Request-Id", "X-message", "Retry-After", "RateLimit", "RateLimit-Policy"),
    *("Idempotent-Replayed", "Preference-Applied", "X-Batch-Id", "X-Import-Id", "WWW-Authenticate", "Allow"),
    *("ETag", "Accept-Ranges", "Content-Range", "Content-Disposition", "Content-Length", "Date"),
    *("Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm"),
    *("Upload-Offset", "Upload-Length", "Upload-Expires"),
))  # fmt: skip
"""Every header field of answers that a client may want to read."""


@dataclass(frozen=True, slots=True)
class Cors:
    """The origins that may read answers.

    Attributes:
        origins: as browsers send them, or ``*`` alone.
    """

    origins: Sequence[str]

    def headers(self, request: HTTPServerRequest) -> Mapping[str, str]:
        """The CORS headers of every answer to the request."""
        if self.origins == (ANY,):
            return {"Access-Control-Allow-Origin": ANY, "Access-Control-Expose-Headers": EXPOSED_HEADERS}
        # Caches must separate answers that differ by origin, also for an origin that is not allowed.
        told = {"Vary": "Accept-Encoding, Origin"}
        origin = request.headers.get("Origin")
        if origin is not None and origin in self.origins:
            told |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED_HEADERS}
        return told


def is_preflight(request: HTTPServerRequest) -> bool:
    """Whether this is a CORS-preflight request of a browser, and no ordinary OPTIONS."""
    return (
        request.method == "OPTIONS"
        and "Origin" in request.headers
        and "Access-Control-Request-Method" in request.headers
    )
