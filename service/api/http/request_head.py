"""Facts about the head of a request: its size, its id, and the size of the body that it announces."""

import re

from tornado.httputil import HTTPServerRequest

from ...models.ids import new_uuid

MAX_LENGTH_DIGITS = 18
"""The largest number of digits in a ``Content-Length``; a longer number is beyond any limit."""
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._@=+/-]{1,255}")


def head_bytes(request: HTTPServerRequest) -> int:
    """Size of a request's head on the wire: its line, its fields, and the line breaks."""
    line = len(request.method or "") + len(request.uri or "") + len(" " + " HTTP/1.1\r\n")
    return line + sum(len(name) + len(value) + len(": \r\n") for name, value in request.headers.get_all()) + 2


def request_id_of(sent: str | None) -> str:
    """The client's own request id if it is well-formed, or a new one."""
    return sent if sent and _SANE_REQUEST_ID.fullmatch(sent) else new_uuid()


def announced_bytes(request: HTTPServerRequest) -> int:
    """Announced length of a request's body; 0 without an announcement."""
    length = request.headers.get("Content-Length", "")
    digits = length.lstrip("0")[:MAX_LENGTH_DIGITS]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
