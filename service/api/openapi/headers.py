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
    **dict.fromkeys(FIXED, (_TEXT, "Of every answer, as caches and browsers know it.")),
    "X-Request-Id": (_TEXT, "Of the request, as sent or made up; log lines and error bodies have it too."),
    "X-Runtime": ({"type": "number", "minimum": 0}, "Seconds that the answer took."),
    "X-token": (_TEXT, "The token that was sent."),
    "X-message": (_TEXT, "What is wrong, in the words that old clients know."),
    "Access-Control-Allow-Origin": (_TEXT, "The origin that may read the answer, where one is allowed."),
    "Access-Control-Expose-Headers": (_TEXT, "The header fields that a page of that origin may read."),
    "WWW-Authenticate": (_TEXT, "How to authenticate (RFC 9110 section 11.6.1)."),
    "Retry-After": (_COUNT, "Seconds after which to try again."),
    "Allow": (_TEXT, "The methods that the path has."),
    "RateLimit": (_TEXT, "Where the sender stands under each limit."),
    "RateLimit-Policy": (_TEXT, "The limits on the sender, where there are any."),
    "Location": ({"type": "string", "format": "uri-reference"}, "Where what was made is, or the bytes are."),
    "Link": (_TEXT, 'The next page, as `rel="next"` (RFC 8288); not there on the last one.'),
    "Preference-Applied": ({"type": "string", "pattern": "^wait="}, "How long was waited at most (RFC 7240)."),
    "Idempotent-Replayed": ({"type": "string", "const": "true"}, "The import was made by an earlier request."),
    "X-Batch-Id": (_TEXT, "The batch."),
    "X-Import-Id": (_TEXT, "The import that the upload is for."),
    "X-Accel-Buffering": (_TEXT, "Tells a proxy to pass each event on at once."),
    "ETag": ({"type": "string", "pattern": '^"'}, "The strong entity tag of what is sent."),
    "Last-Modified": (_DATE, "When the bytes were stored."),
    "Accept-Ranges": (_TEXT, "Parts may be asked for."),
    "Content-Range": (_TEXT, "Which part this is, or how many bytes there are."),
    "Content-Disposition": (_TEXT, "The name of the image."),
    "Content-Security-Policy": (_TEXT, "What a browser may load for what is sent."),
    "Tus-Resumable": (_TUS, "The version of the tus protocol."),
    "Tus-Version": (_TEXT, "The versions that are spoken."),
    "Tus-Extension": (_TEXT, "The extensions that are spoken."),
    "Tus-Max-Size": (_COUNT, "Bytes that an upload may have."),
    "Tus-Checksum-Algorithm": (_TEXT, "The algorithms of checksums that are known."),
    "Upload-Offset": (_COUNT, "How many bytes have come."),
    "Upload-Length": (_COUNT, "How many bytes there are."),
    "Upload-Expires": (_DATE, "When the upload is given up, while bytes are missing."),
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
