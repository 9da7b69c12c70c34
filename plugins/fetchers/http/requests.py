"""Which request headers a client may set for a fetch."""

import re
from collections.abc import Mapping

from ...errors import HeaderNotAllowed

MAX_HEADERS = 32
MAX_HEADER_BYTES = 8192

# Hop-by-hop and framing fields (RFC 9110 sections 7.6.1 and 8.6, RFC 9112), what the fetcher itself negotiates
# (Accept-Encoding), and what makes an origin answer with something else than the whole image: ranges and conditions.
_REFUSED = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "expect",
        "host",
        "http2-settings",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "keep-alive",
        "max-forwards",
        "range",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    }
)
_REFUSED_PREFIXES = ("proxy-", "sec-")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 section 5.6.2
# RFC 9110 section 5.5 leaves bytes beyond ASCII without a meaning, so they are refused rather than guessed at.
_VALUE = re.compile(r"[\t -~]*")


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse headers that a client may not set, and more than 32 or over 8 KiB of them.

    Raises:
        HeaderNotAllowed: names the first bad header; the value is in no text.
    """
    size = 0
    for count, (name, value) in enumerate(headers.items(), start=1):
        if not is_allowed(name, value):
            raise _refusal(name, "clients may not set it, or it is malformed")
        size += len(name) + len(value) + len(": \r\n")
        if count > MAX_HEADERS:
            raise _refusal(name, f"there are more than {MAX_HEADERS}")
        if size > MAX_HEADER_BYTES:
            raise _refusal(name, f"they are larger than {MAX_HEADER_BYTES} bytes together")


def request_headers(headers: Mapping[str, str], user_agent: str) -> dict[str, str]:
    """The headers to send: the client's, already checked, over the fetcher's own."""
    own = {"Accept": "image/*,*/*;q=0.8", "User-Agent": user_agent, "Accept-Encoding": "identity"}
    given = {name.lower() for name in headers}
    return {**{name: value for name, value in own.items() if name.lower() not in given}, **headers}


def is_allowed(name: object, value: object) -> bool:
    """Whether a fetch may have this header."""
    # A client's parameters may nest, so that a value is not always the text that its type promises.
    if not isinstance(name, str) or not isinstance(value, str):
        return False
    lower = name.lower()
    if not _NAME.fullmatch(name) or lower in _REFUSED or lower.startswith(_REFUSED_PREFIXES):
        return False
    return _VALUE.fullmatch(value) is not None


def _refusal(name: object, reason: str) -> HeaderNotAllowed:
    shown = "".join(char if char.isprintable() else "?" for char in str(name)[:64])
    return HeaderNotAllowed(name=shown, reason=reason)
