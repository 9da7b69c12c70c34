"""Pages of other origins: what browsers are told of who may read answers (https://fetch.spec.whatwg.org/#http-cors-protocol).

There are no cookies here, and credentials are never allowed: what a page may do is decided by the token that it sends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tornado.httputil import HTTPServerRequest

ANY: Final = "*"
MAX_AGE: Final = 7200
"""Seconds for which a browser may remember what it was told; Chromium remembers no longer."""
ALLOWED_HEADERS: Final = ", ".join((
    *("Authorization", "Content-Type", "Content-Encoding", "X-Request-Id", "X-Requested-With", "Cache-Control"),
    *("Idempotency-Key", "Prefer", "Last-Event-ID"),
    *("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"),
    *("Tus-Resumable", "Upload-Length", "Upload-Metadata", "Upload-Offset", "Upload-Checksum"),
    "X-HTTP-Method-Override",
))  # fmt: skip
"""Every header field that the API reads: ``*`` would not mean ``Authorization``."""
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
    """Which origins may read answers.

    Attributes:
        origins: as browsers send them, or ``*`` alone.
    """

    origins: Sequence[str]

    def headers(self, request: HTTPServerRequest) -> Mapping[str, str]:
        """What every answer to the request has."""
        if self.origins == (ANY,):
            return {"Access-Control-Allow-Origin": ANY, "Access-Control-Expose-Headers": EXPOSED_HEADERS}
        # Caches are to keep apart what differs by origin, also where this one is not allowed.
        told = {"Vary": "Accept-Encoding, Origin"}
        origin = request.headers.get("Origin")
        if origin is not None and origin in self.origins:
            told |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED_HEADERS}
        return told


def is_preflight(request: HTTPServerRequest) -> bool:
    """Whether a browser asks what a page may send (CORS-preflight request), rather than a client what there is."""
    return (
        request.method == "OPTIONS"
        and "Origin" in request.headers
        and "Access-Control-Request-Method" in request.headers
    )
