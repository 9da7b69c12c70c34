"""The header fields of answers: their meaning, and the operations that send them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...errors.catalogue import CATALOGUE
from .declaration import Operation

FIXED: Final = (
    *("Cache-Control", "Pragma", "Expires", "Vary", "P3P", "X-Frame-Options", "X-Content-Type-Options"),
    *("X-XSS-Protection", "X-Download-Options", "X-Permitted-Cross-Domain-Policies", "Referrer-Policy"),
)
"""The fields of ``lading.service.api.http.headers``, as a test checks."""
_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_TUS: Final = {"type": "string", "const": "1.0.0"}
_DATE: Final = {"type": "string", "examples": ["Tue, 03 Feb 2026 04:05:06 GMT"]}
_ABOUT: Final[Mapping[str, tuple[Mapping[str, Any], str]]] = {
    **dict.fromkeys(FIXED, (_TEXT, "A standard header of every answer, for caches and browsers.")),
    "X-Request-Id": (_TEXT, "The id of the request, from the client or new; log lines and error bodies have it too."),
    "X-Runtime": ({"type": "number", "minimum": 0}, "Seconds that the answer took."),
    "X-token": (_TEXT, "The token that was sent."),
    "X-message": (_TEXT, "The fault, in the words of earlier versions of this API."),
    "Access-Control-Allow-Origin": (_TEXT, "The origin that may read the answer."),
    "Access-Control-Expose-Headers": (_TEXT, "The header fields that a page of that origin may read."),
    "WWW-Authenticate": (_TEXT, "How to authenticate (RFC 9110 section 11.6.1)."),
    "Retry-After": (_COUNT, "Seconds after which to try again."),
    "Allow": (_TEXT, "The methods of the path."),
    "RateLimit": (_TEXT, "The sender's state under each limit."),
    "RateLimit-Policy": (_TEXT, "The limits on the sender."),
    "Location": ({"type": "string", "format": "uri-reference"}, "The URL of the created resource, or of the bytes."),
    "Link": (_TEXT, 'The next page, as `rel="next"` (RFC 8288); not there on the last one.'),
    "Preference-Applied": ({"type": "string", "pattern": "^wait="}, "The longest wait in seconds (RFC 7240)."),
    "Idempotent-Replayed": ({"type": "string", "const": "true"}, "An earlier request made the import."),
    "X-Batch-Id": (_TEXT, "The id of the batch."),
    "X-Import-Id": (_TEXT, "The id of the upload's import."),
    "X-Accel-Buffering": (_TEXT, "Tells a proxy to pass each event on at once."),
    "ETag": ({"type": "string", "pattern": '^"'}, "The strong entity tag of the body."),
    "Last-Modified": (_DATE, "When the bytes were stored."),
    "Accept-Ranges": (_TEXT, "The path supports ranges."),
    "Content-Range": (_TEXT, "The range of this part, or the size of the whole."),
    "Content-Disposition": (_TEXT, "The name of the image."),
    "Content-Security-Policy": (_TEXT, "What a browser may load for the body."),
    "Cross-Origin-Opener-Policy": (_TEXT, "No page of another site may reach into this one."),
    "Cross-Origin-Resource-Policy": (_TEXT, "No page of another site may load this."),
    "Tus-Resumable": (_TUS, "The version of the tus protocol."),
    "Tus-Version": (_TEXT, "The supported versions of the tus protocol."),
    "Tus-Extension": (_TEXT, "The supported extensions of the tus protocol."),
    "Tus-Max-Size": (_COUNT, "The largest size of an upload in bytes."),
    "Tus-Checksum-Algorithm": (_TEXT, "The supported algorithms of checksums."),
    "Upload-Offset": (_COUNT, "The number of bytes that have arrived."),
    "Upload-Length": (_COUNT, "The size of the upload in bytes."),
    "Upload-Expires": (_DATE, "When an incomplete upload expires."),
}
_ALWAYS: Final = ("X-Request-Id",)
_EVERY: Final = (*_ALWAYS, "X-Runtime", *FIXED, "Access-Control-Allow-Origin", "Access-Control-Expose-Headers")
_OF_STATUS: Final[Mapping[int, Sequence[str]]] = {
    401: ("WWW-Authenticate", "X-message"),
    403: ("X-message",),
    405: ("Allow",),
    409: ("Retry-After",),
    423: ("Retry-After",),
    429: ("Retry-After",),
    503: ("Retry-After",),
    507: ("Retry-After",),
}
_RATES: Final = ("RateLimit", "RateLimit-Policy")


def described() -> Mapping[str, Any]:
    """Every header field, for ``components``."""
    return {
        name: {"description": about, "schema": schema, **({"required": True} if name in _ALWAYS else {})}
        for name, (schema, about) in _ABOUT.items()
    }


def headers_of(operation: Operation | None, status: int) -> Mapping[str, Any]:
    """The header fields of an answer.

    Args:
        operation: the operation; None for an answer that all operations share.
        status: of the answer.
    """
    names = [*_EVERY, *_OF_STATUS.get(status, ())]
    if operation is not None:
        names += [*operation.keeps, *operation.sends.get(status, ())]
        if not operation.is_open and status != CATALOGUE["unauthorized"].status:
            names.append("X-token")
        if "rate_limited" in operation.errors:
            names += _RATES
    return {name: {"$ref": f"#/components/headers/{name}"} for name in dict.fromkeys(names)}
