"""Between the steps of operations and httpx: requests with their token, answers, and errors.

The token is kept here alone.
"""

import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

import httpx

from .. import __version__
from .errors import NotAuthenticated, ServerNotReachable
from .steps import Head, Request

Token = str | Callable[[], str]
"""A token, or a function that gives one for each request and does not block: tokens end."""
BLOCK: Final = 64 * 1024
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_VISIBLE: Final = re.compile(r"[\x21-\x7e]*")
_ECHO: Final = re.compile(r"(\(b'x-token', )b'[^']*'", re.IGNORECASE)


class Server:
    """The service and the token.

    Args:
        url: of the service, with ``http`` or ``https``, and perhaps a path before ``/api``.
        token: sent to this service, and to no other.
        timeout: seconds that the service may stay silent.

    Raises:
        ValueError: the url has another form; the message does not hold it, since it may have a password.
    """

    __slots__ = ("_timeout", "_token", "url")

    def __init__(self, url: str, token: Token, timeout: float) -> None:
        try:
            parts = urlsplit(url)
            is_fit = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            is_fit = False
        if not is_fit or parts.username is not None or parts.query or parts.fragment:
            raise ValueError("the url of the service must be http://HOST or https://HOST, without a user or a query")
        self.url = url.rstrip("/")
        self._token = token
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"Server({self.url!r})"

    def built(self, request: Request) -> httpx.Request:
        """The request of a step. One to another server gets neither the token nor anything else of this one."""
        is_own = request.path.startswith("/")
        headers = {"User-Agent": f"lading-client/{__version__}", **request.headers}
        if is_own:
            token = (self._token() if callable(self._token) else self._token or "").strip()
            if not _VISIBLE.fullmatch(token):  # httpx would tell the token in its error
                detail = "The token has a character that no token has, such as a space or a line end."
                raise NotAuthenticated("token_malformed", detail=detail)
            if token:
                headers["Authorization"] = f"Bearer {token}"
        seconds = self._timeout if request.timeout is None else request.timeout
        built = httpx.Request(
            request.method,
            f"{self.url}{request.path}" if is_own else request.path,
            params=httpx.QueryParams(request.query) if request.query else None,
            headers=headers,
            content=request.body,
            # As httpx.Timeout.as_dict has it.
            extensions={"timeout": {"connect": 10.0, "read": seconds, "write": 60.0, "pool": 60.0}},
        )
        if request.told is not None:
            built.stream = _Body(request.body, request.told)
        return built


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that tells how far it was sent."""

    def __init__(self, data: bytes, told: Callable[[int], None]) -> None:
        self._data = data
        self._told = told

    def __iter__(self) -> Iterator[bytes]:
        for offset in range(0, len(self._data), BLOCK):
            yield self._data[offset : offset + BLOCK]
            self._told(min(offset + BLOCK, len(self._data)))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for block in self:
            yield block


def head_of(response: httpx.Response) -> Head:
    """The head of an answer."""
    return Head(response.status_code, {name.lower(): value for name, value in response.headers.items()})


def failure_of(error: httpx.RequestError) -> ServerNotReachable:
    """The client's own error. It holds no request, since that has the token."""
    kind = type(error).__name__
    if isinstance(error, httpx.LocalProtocolError):  # its text may quote a header field
        return ServerNotReachable(kind, was_sent=False)
    detail = f"{_server_of(error)}{kind}: {error}" if str(error) else f"{_server_of(error)}{kind}"
    return ServerNotReachable(detail, was_sent=not isinstance(error, _NOT_SENT))


def _server_of(error: httpx.RequestError) -> str:
    """The server that a request was for, before the rest of a sentence; without path, query and credentials."""
    try:
        url = error.request.url
    except RuntimeError:  # httpx raised it outside of a request
        return ""
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}: "


class _Redacting(logging.Filter):
    """The service echoes the token as ``X-token``, which httpcore would log with the answer at debug level."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the token out of a line."""
        if isinstance(record.msg, str) and "-token'" in record.msg.lower():
            record.msg = _ECHO.sub(r"\1b'[secret]'", record.msg)
        return True


for _name in ("httpcore.http11", "httpcore.http2"):
    logging.getLogger(_name).addFilter(_Redacting())
