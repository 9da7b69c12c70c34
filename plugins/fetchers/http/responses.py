"""What a response's head says: its framing, its status, and what is known of the body. No I/O, no HTTP library.

Heads are given as the raw pairs of name and value that came, since a library's own view hides repeated fields.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ...errors import (
    OriginDenied,
    OriginNotFound,
    OriginProtocolError,
    OriginRejected,
    OriginUnavailable,
)

RawHeaders = Sequence[tuple[bytes, bytes]]

REDIRECTS = frozenset({301, 302, 303, 307, 308})
NOT_MODIFIED = 304
MAX_RETRY_AFTER = 3600.0

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_NOT_FOUND = frozenset({404, 410})
_DENIED = frozenset({401, 403, 407, 451})
_TRY_LATER = frozenset({408, 425, 429})
_PARTIAL = 206
_UNASKED = {101: "switched protocols", _PARTIAL: "sent a part", 304: "sent no new version"}
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_DIGITS = re.compile(rb"[0-9]{1,18}")
_RANGE = re.compile(rb"bytes[ \t]+0-([0-9]{1,18})/([0-9]{1,18})", re.IGNORECASE)
_MEDIA_TYPE = re.compile(r"[!#$&^_.+0-9a-z-]{1,63}/[!#$&^_.+0-9a-z-]{1,63}")
_SHORT_TEXT = re.compile(r"[ -~]{1,512}")


def field_values(headers: RawHeaders, name: bytes) -> list[bytes]:
    """All values of a field; ``name`` in lower case."""
    return [value for key, value in headers if key.lower() == name]


def check_framing(headers: RawHeaders) -> int | None:
    """The announced length in bytes, or None; RFC 9112 section 6.3, read strictly.

    Raises:
        OriginProtocolError: the head leaves in doubt where the body ends.
    """
    # Written with a space before its colon, a field counts for some parsers and not for others (section 5.1).
    if any(name.lower() != (sound := name.strip().lower()) and sound in _FRAMING for name, _ in headers):
        raise OriginProtocolError(reason="a field that frames its body has a malformed name")
    lengths = field_values(headers, b"content-length")
    codings = field_values(headers, b"transfer-encoding")
    if lengths and codings:
        raise OriginProtocolError(reason="it has both a content length and a transfer encoding")
    if codings and [coding.strip(b" \t").lower() for coding in codings] != [b"chunked"]:
        raise OriginProtocolError(reason="its transfer encoding is not chunked")
    if not lengths:
        return None
    if len(lengths) > 1 or not _DIGITS.fullmatch(lengths[0]):
        raise OriginProtocolError(reason="its content length is repeated or not a number")
    return int(lengths[0])


def whole_range(status: int, headers: RawHeaders) -> int | None:
    """The length of the whole file, where a 206 sends that: some caches answer so, whatever was asked. None otherwise.

    The length is of the file as it is encoded, as that of ``Content-Length`` is (RFC 9110 section 14.4).
    """
    values = field_values(headers, b"content-range") if status == _PARTIAL else []
    found = _RANGE.fullmatch(values[0]) if len(values) == 1 else None
    if found is None:
        return None
    last, length = int(found[1]), int(found[2])
    return length if length == last + 1 else None


def has_image(status: int, headers: RawHeaders) -> bool:
    """Whether the body is the image: 200, 203 (RFC 9110 sections 15.3.1 and 15.3.4), and a 206 with the whole file."""
    return status in (200, 203) or whole_range(status, headers) is not None


def check_status(status: int, headers: RawHeaders, now: datetime) -> None:
    """Let an answer pass whose body is the image, see ``has_image``.

    Raises:
        FetchError: the class that any other status, redirects apart, stands for.
    """
    if has_image(status, headers):
        return
    if status in _NOT_FOUND:
        raise OriginNotFound(status=status)
    if status in _DENIED:
        raise OriginDenied(status=status)
    if status in _TRY_LATER or 500 <= status <= 599:  # noqa: PLR2004 - the server errors
        raise OriginUnavailable(retry_after=retry_after_seconds(headers, now), status=status)
    if status in _UNASKED:
        raise OriginProtocolError(reason=f"it {_UNASKED[status]} without being asked to (status {status})")
    if not 200 <= status <= 499:  # noqa: PLR2004 - the statuses that are left
        raise OriginProtocolError(reason=f"it has the status {status}")
    raise OriginRejected(status=status)


def location(headers: RawHeaders) -> str:
    """Where a redirect leads, as sent; bytes that are not UTF-8 are percent-encoded as they are, as browsers send them.

    Raises:
        OriginProtocolError: it does not lead to exactly one place.
    """
    values = field_values(headers, b"location")
    if len(values) != 1 or not values[0]:
        raise OriginProtocolError(reason="it redirects without saying where to")
    try:
        return values[0].decode()
    except UnicodeDecodeError:
        return _NOT_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], values[0]).decode("ascii")


def decode(value: bytes) -> str:
    """Text of a field: UTF-8, as most origins mean it, or else ISO 8859-1, as the standard used to say."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def media_type(headers: RawHeaders) -> str | None:
    """The announced media type in lower case without parameters, or None where it is none."""
    values = field_values(headers, b"content-type")
    text = decode(values[0]).partition(";")[0].strip().lower() if len(values) == 1 else ""
    return text if _MEDIA_TYPE.fullmatch(text) else None


def content_disposition(headers: RawHeaders) -> str | None:
    """The field's value, or None where it is absent or repeated."""
    values = field_values(headers, b"content-disposition")
    return decode(values[0]) if len(values) == 1 else None


def validator(headers: RawHeaders, name: bytes) -> str | None:
    """A single field of up to 512 printable ASCII characters as sent, or None."""
    values = field_values(headers, name)
    text = values[0].decode("latin-1") if len(values) == 1 else ""
    return text if _SHORT_TEXT.fullmatch(text) else None


def retry_after_seconds(headers: RawHeaders, now: datetime) -> float | None:
    """Seconds to wait (RFC 9110 section 10.2.3), at most an hour; None where nothing valid is said."""
    values = field_values(headers, b"retry-after")
    if len(values) != 1:
        return None
    text = values[0].decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), MAX_RETRY_AFTER))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), MAX_RETRY_AFTER)
