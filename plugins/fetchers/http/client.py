"""One HTTP request at a time, on aiohttp: connect where it is allowed, read the head within bounds, hand on the body.

This is the only module that knows aiohttp. Its errors hold the whole URL, whose query may be secret: they are never
chained to ours (``from None``), and what may be logged of them is spelled out.
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from http import HTTPStatus
from typing import cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ...errors import (
    BodyEmpty,
    BodyTooLarge,
    ConnectionLost,
    OriginProtocolError,
    OriginUnavailable,
)
from ...host.record import enter
from ...net.guard import NetworkGuard
from ...net.resolver import HostResolver
from ...net.sockets import CheckedSockets
from ...net.urls import HttpUrl
from .clock import timed_out
from .options import HttpOptions
from .responses import RawHeaders, check_framing, check_status, field_values, whole_range
from .wire.codings import codings_of
from .wire.connector import ResponseParser, TracedConnector, make_tls_context, request_class
from .wire.failures import translated
from .wire.gate import READ_BYTES, Gate
from .wire.proxy import Tunnels
from .wire.timer import connect_timer

# aiohttp holds back a connection whose unread body passes twice this; with one read of the socket on top, a fetch
# has less than half a MiB in memory.
_READ_BUFFER_BYTES = 64 * 1024
_MAX_RESPONSE_FIELDS = 256


class _Response(aiohttp.ClientResponse):
    """A response that bounds its head in time and bytes, and refuses doubtful framing.

    ``start`` is where aiohttp begins to read: the request has been sent, and nothing has come in since.
    """

    limits: HttpOptions
    sockets: CheckedSockets
    announced: int | None = None
    gate: Gate
    buffer: memoryview

    async def start(self, connection: "aiohttp.connector.Connection") -> aiohttp.ClientResponse:
        """Read the head; see ``aiohttp.ClientResponse``."""
        enter("head")
        transport, protocol = connection.transport, connection.protocol
        if transport is None or protocol is None:
            raise aiohttp.ServerDisconnectedError
        if len(protocol):
            transport.abort()
            raise OriginProtocolError(reason="it came before the request")
        try:
            if self.sockets.are_many():
                protocol.force_close()
            self.gate = _gate(transport, cast("ResponseParser", protocol), self.buffer)
            self.gate.expect_response(self.limits.head_max_bytes)
            await self._read_head(connection, protocol)
            self.announced = check_framing(self.raw_headers)
        except BaseException:
            # By now a short response may have put its connection back into the pool.
            transport.abort()
            raise
        return self

    async def _read_head(
        self, connection: "aiohttp.connector.Connection", protocol: "aiohttp.client_proto.ResponseHandler"
    ) -> None:
        timer = asyncio.get_running_loop().call_later(self.limits.head_timeout, self._head_is_late, protocol)
        try:
            await super().start(connection)
        finally:
            timer.cancel()
        self.gate.watch_body(self._framing_failed)
        self.content.on_eof(self.gate.response_ended)

    def _head_is_late(self, protocol: "aiohttp.client_proto.ResponseHandler") -> None:
        if not len(protocol):  # otherwise it has just come
            protocol.set_exception(timed_out("the response head", self.limits.head_timeout))

    def _framing_failed(self) -> None:
        if not self.content.is_eof():
            self.content.set_exception(aiohttp.ClientPayloadError("broken framing"))

    async def read_piece(self) -> bytes:
        """The next piece of the body; empty at its end."""
        try:
            piece = await self.content.readany()
        except aiohttp.ClientPayloadError:
            if self.gate.fault is not None:
                raise self.gate.fault from None
            raise
        if not piece and self.gate.lost is not None and self.ends_with_connection():
            raise aiohttp.ClientPayloadError("connection reset")
        return piece

    def take_piece(self) -> bytes:
        """What of the body has come already; empty where nothing has, or where only waiting tells what is wrong."""
        return b"" if self.content.exception() is not None else self.content.read_nowait()

    def ends_with_connection(self) -> bool:
        """Whether nothing but the end of the connection ends the body."""
        return self.announced is None and not field_values(self.raw_headers, b"transfer-encoding")


def _gate(transport: asyncio.Transport, parser: ResponseParser, buffer: memoryview) -> Gate:
    """The gate of a connection, put in place on its first request."""
    present = transport.get_protocol()
    if isinstance(present, Gate):
        return present
    gate = Gate(transport, parser, buffer)
    transport.set_protocol(gate)
    return gate


class _Resolver(AbstractResolver):
    """Lets aiohttp resolve through ours, whose errors pass aiohttp unchanged."""

    def __init__(self, resolver: HostResolver, *, is_remote: bool) -> None:
        self._resolver = resolver
        self._is_remote = is_remote

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        """See ``AbstractResolver``; every family is wanted."""
        timer = connect_timer.get()
        with timer.held() if timer is not None else nullcontext():
            # A proxy that looks names up is asked by name: one address of no meaning makes aiohttp ask it once.
            addresses = ("0.0.0.0",) if self._is_remote else await self._resolver.resolve(host)  # noqa: S104
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing to release; what asks the name service belongs to the fetcher."""


class HttpResponse:
    """A response whose head was read; its connection is open until ``close`` or ``release``.

    Attributes:
        url: what was asked for.
        status: the final status code.
        headers: the raw fields.
        announced: length of the body in bytes as announced, or None.
        codings: what to undo in the body, known once the answer was checked.
        is_framed: whether the origin says where the body ends; otherwise the end of the connection is its end.
    """

    def __init__(self, url: HttpUrl, response: _Response) -> None:
        self.url = url
        self.status = response.status
        self.headers: RawHeaders = response.raw_headers
        self.announced = response.announced
        self.codings: tuple[str, ...] = ()
        self.is_framed = not response.ends_with_connection()
        self._response = response

    def check(self, max_bytes: int) -> None:
        """Let an answer pass whose body may be an image of up to so many bytes.

        Raises:
            FetchError: its status, its coding or its announced length says that it is none.
        """
        check_status(self.status, self.headers, datetime.now(UTC))
        self.codings = codings_of(field_values(self.headers, b"content-encoding"))
        if (whole := whole_range(self.status, self.headers)) is not None:
            if self.announced not in (whole, None):
                raise OriginProtocolError(reason="its content range and its content length differ")
            self.announced = whole
        if self.announced is not None and self.announced > max_bytes:
            raise BodyTooLarge(f"{self.announced} bytes were announced", limit=max_bytes)
        if self.announced == 0:
            raise BodyEmpty

    async def read_piece(self) -> bytes:
        """The next piece of the body, less than 1 MiB; empty at its end.

        Raises:
            BodyTruncated: the body is shorter than announced.
            OriginProtocolError: its framing is broken, or too large for the body.
            FetchError: the connection failed.
        """
        with translated(self.url):
            return await self._response.read_piece()

    def take_piece(self) -> bytes:
        """What of the body has come already, less than 1 MiB; empty where nothing has. Does not wait."""
        return self._response.take_piece()

    def close(self) -> None:
        """Close the connection, unless the body was read whole. May be called twice."""
        self._response.close()

    def release(self) -> None:
        """Keep the connection for another request if the whole body is here already, or else close it."""
        self._response.release()


class HttpClient:
    """Sends requests. It must be made inside the running event loop.

    Args:
        options: the limits; of the timeouts, those of the phases up to the head apply here.
        guard: looks host names up, and judges every address before a socket is made for it.
    """

    def __init__(self, options: HttpOptions, guard: NetworkGuard) -> None:
        self._connect_timeout = options.connect_timeout
        proxy = options.way_out()
        self._has_http_proxy = proxy is not None and proxy.scheme == "http"
        self._tls: ssl.SSLContext | None = None
        self._tls_lock = asyncio.Lock()
        self._session = _session(options, guard)

    async def get(self, url: HttpUrl, headers: Mapping[str, str]) -> HttpResponse:
        """Send a GET request and read the response's head. Redirects are not followed.

        A connection that is lost before the head has come is tried once more (RFC 9110 section 9.2.2): the origin may
        have closed a kept one just then.

        Raises:
            FetchError: no head came, or one that is not acceptable; the connection is closed.
        """
        return await self._send("GET", url, headers, None)

    async def post(self, url: HttpUrl, headers: Mapping[str, str], body: bytes) -> HttpResponse:
        """Send a POST request, as ``get`` does: tried once more as well, so that it may arrive twice."""
        try:
            return await self._send("POST", url, headers, body)
        except ConnectionLost:
            return await self._send("POST", url, headers, body)

    async def close(self) -> None:
        """Close every connection. May be called twice."""
        await self._session.close()

    async def _send(self, method: str, url: HttpUrl, headers: Mapping[str, str], body: bytes | None) -> HttpResponse:
        enter("send")
        with translated(url, self._connect_timeout):
            tls: ssl.SSLContext | bool = await self._tls_context() if url.scheme == "https" else True
            response = await self._session.request(
                method,
                URL(str(url), encoded=True),
                headers=headers,
                data=body,
                ssl=tls,
                allow_redirects=False,
            )
        is_forwarded = self._has_http_proxy and url.scheme == "http"
        if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and is_forwarded:
            # The proxy or the origin: nobody can tell, so it may pass, and the attempt counts.
            response.close()
            raise OriginUnavailable("the proxy, or the origin, wants credentials for a proxy", status=response.status)
        return HttpResponse(url, cast("_Response", response))

    async def _tls_context(self) -> ssl.SSLContext:
        """Made once, in a thread: it reads the system's certificates from disk."""
        async with self._tls_lock:
            if self._tls is None:
                self._tls = await asyncio.to_thread(make_tls_context)
            return self._tls


def _session(options: HttpOptions, guard: NetworkGuard) -> aiohttp.ClientSession:
    class Response(_Response):
        """With the limits of one fetcher: aiohttp makes responses itself, and passes them nothing."""

        limits = options
        sockets = guard.sockets
        buffer = memoryview(bytearray(READ_BYTES))

    way_out = options.way_out()
    is_remote = options.proxy_looks_up
    half = options.connect_timeout / 2
    connector = TracedConnector(
        None if way_out is None else Tunnels(way_out, guard.policy, guard.resolver, half, is_remote=is_remote),
        options.connect_timeout,
        resolver=_Resolver(guard.resolver, is_remote=is_remote),
        use_dns_cache=False,
        socket_factory=guard.sockets.make,
        limit=options.connections,
        keepalive_timeout=options.keep_alive,
    )
    return aiohttp.ClientSession(
        connector=connector,
        response_class=Response,
        request_class=request_class(way_out),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=_READ_BUFFER_BYTES,
        # The gate bounds the head as a whole; one long field is no harm within it, many small ones cost more.
        max_line_size=options.head_max_bytes,
        max_field_size=options.head_max_bytes,
        max_headers=_MAX_RESPONSE_FIELDS,
        # aiohttp's limit for connecting would include the look-up, and the wait for it; ``ConnectTimer`` has its own.
        timeout=aiohttp.ClientTimeout(sock_connect=options.connect_timeout),
    )
