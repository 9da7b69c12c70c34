"""The connections of the HTTP client: aiohttp's, which also say when they are up, with TLS and proxies as they are."""

import asyncio
import ssl
from contextvars import ContextVar
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from ....host.record import enter
from .proxy import Proxy, Tunnels
from .timer import ConnectTimer

after_connect: Final[ContextVar[str]] = ContextVar("lading_after_connect", default="send")
"""The phase that follows when the connection of the present request is up."""


class ResponseParser(ResponseHandler):
    """aiohttp's parser of a connection, which also tells of a body that comes in chunks, as soon as its head is read.

    Attributes:
        chunked: the body of the present response, if that comes in chunks.
        is_resting: the gate has paused the connection. aiohttp resumes it after each piece that is taken from a body,
            whoever paused it; this parser leaves it paused.
    """

    chunked: aiohttp.StreamReader | None = None
    is_resting = False

    @property
    def is_full(self) -> bool:
        """Whether so much of the body waits to be read that aiohttp has paused the connection."""
        return self._reading_paused

    def resume_reading(self, resume_parser: bool = True) -> None:
        """There is room again; see ``aiohttp.base_protocol.BaseProtocol``."""
        super().resume_reading(resume_parser)
        if self.is_resting and self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def feed_data(self, data: Any, size: int = 0) -> None:
        """A head was read; see ``aiohttp.DataQueue``."""
        message, content = data
        self.chunked = content if message.chunked else None
        super().feed_data(data, size)


class TracedConnector(aiohttp.TCPConnector):
    """A connector that says when a TCP connection is up: what follows is TLS, or the request.

    aiohttp tells of both together alone (``TraceConfig.on_connection_create_end``).

    Args:
        tunnels: opens the connections through a proxy; None without one.
        seconds: how long connecting may take, see ``ConnectTimer``.
        options: see ``aiohttp.TCPConnector``.
    """

    def __init__(self, tunnels: Tunnels | None, seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self._tunnels = tunnels
        self._seconds = seconds
        loop = asyncio.get_running_loop()

        def connected() -> ResponseParser:
            enter(after_connect.get())
            return ResponseParser(loop)

        self._factory = connected  # type: ignore[assignment]

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: Any, timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        """Connect, where no connection was kept."""
        after_connect.set("tls" if req.is_ssl() else "send")
        async with ConnectTimer(self._seconds):
            return await super()._create_connection(req, traces, timeout)

    async def _wrap_create_connection(
        self,
        *args: Any,
        addr_infos: list[Any],
        req: aiohttp.ClientRequest,
        timeout: aiohttp.ClientTimeout,
        client_error: type[Exception] = aiohttp.ClientConnectorError,
        **kwargs: Any,
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        """Connect to one of the addresses, or through the proxy. After a ``client_error``, aiohttp tries the next."""
        if self._tunnels is None:
            return await super()._wrap_create_connection(
                *args, addr_infos=addr_infos, req=req, timeout=timeout, client_error=client_error, **kwargs
            )
        address, port = addr_infos[0][4][:2]
        host = (req.url.raw_host or "").rstrip(".")
        try:
            sock = await self._tunnels.open(host, address, port, is_tls=bool(kwargs.get("ssl")))
        except OSError as error:
            raise client_error(req.connection_key, error) from error
        try:
            return await self._wrap_existing_connection(
                *args, req=req, timeout=timeout, client_error=client_error, sock=sock, **kwargs
            )
        except BaseException:
            sock.close()
            raise


def request_class(proxy: Proxy | None) -> type[aiohttp.ClientRequest]:
    """Requests as the proxy wants them: an HTTP proxy reads the whole URL of a request without TLS (RFC 9112 section
    3.2.2), and its credentials beside it. aiohttp's own proxies are not used, as they would look the host up.
    """
    if proxy is None or proxy.scheme != "http":
        return aiohttp.ClientRequest
    place, authorization = URL(proxy.place), proxy.authorization

    class ProxiedRequest(aiohttp.ClientRequest):
        async def send(self, conn: "aiohttp.connector.Connection") -> aiohttp.ClientResponse:
            if not self.is_ssl():
                self.proxy = place
                if authorization is not None:
                    self.headers["Proxy-Authorization"] = authorization
            return await super().send(conn)

    return ProxiedRequest


def make_tls_context() -> ssl.SSLContext:
    """TLS 1.2 or newer, with the system's certificates. Blocks: it reads these from disk."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # names are in the extension that is for them (RFC 9525 section 2)
    context.set_alpn_protocols(["http/1.1"])
    return context
