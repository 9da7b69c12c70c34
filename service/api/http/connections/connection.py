"""A request and its answer on a connection: Tornado's, with short ways for the heads that nearly all of them have.

The short ways do what Tornado does, and leave every other head to it.
"""

import re
from asyncio import Future
from collections.abc import Awaitable
from typing import Final

from tornado.http1connection import HTTP1Connection
from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
    _normalize_header,
)

from ..headers import WireHeaders
from .stream import Stream

PLAIN_HEAD: Final = re.compile(r"[^\r\n]+\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n")
"""A line for the request, and a line for each field (RFC 9112 section 5), each with CRLF at its end."""


class Connection(HTTP1Connection):
    """See the module. Tornado's loop makes connections of its own class, and ``Server`` gives them this one."""

    stream: Stream

    def _parse_headers(self, data: bytes) -> tuple[str, HTTPHeaders]:
        """See ``HTTP1Connection._parse_headers``, which judges each field by an expression that backtracks."""
        self.stream.deadline.clear()
        return plain_head(data) or super()._parse_headers(data)

    def _read_body(self, code: int, headers: HTTPHeaders, delegate: HTTPMessageDelegate) -> Awaitable[None] | None:
        """See ``HTTP1Connection._read_body``; the stream judges the time for the body."""
        reading, seconds = super()._read_body(code, headers, delegate), self._body_timeout
        if reading is None or seconds is None:
            return reading
        self._body_timeout = None
        return self._in_time(reading, seconds)

    async def _in_time(self, reading: Awaitable[None], seconds: float) -> None:
        self.stream.deadline.set(seconds)
        await reading
        self.stream.deadline.clear()

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> "Future[None]":
        """See ``HTTP1Connection.write_headers``. An answer that comes at once with its whole body needs no framing."""
        request = self._request_start_line
        if (
            not chunk
            or not isinstance(headers, WireHeaders)
            or not isinstance(start_line, ResponseStartLine)
            or request is None
            or request.version != "HTTP/1.1"
            or self._disconnect_on_finish
            or headers.get("Content-Length") != str(len(chunk))
        ):
            return super().write_headers(start_line, headers, chunk)
        written = self.write(headers.head(start_line.code, start_line.reason) + chunk)
        self._expected_content_remaining = 0
        return written


def plain_head(data: bytes) -> tuple[str, HTTPHeaders] | None:
    """The first line and the fields of a request's head; None where only Tornado can tell."""
    text = data.decode("latin1")
    if PLAIN_HEAD.fullmatch(text) is None:
        return None
    line, *fields = text[: -len("\r\n\r\n")].split("\r\n")
    headers = HTTPHeaders()
    for field in fields:
        name, _, value = field.partition(":")
        headers._as_list.setdefault(_normalize_header(name), []).append(value.strip(" \t"))  # noqa: SLF001
    return line, headers
