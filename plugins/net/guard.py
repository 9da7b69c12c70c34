"""Connects to allowed addresses alone, for fetchers of any protocol: with asyncio, and for libraries in threads."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv6Address, ip_address
from time import monotonic
from typing import Final

from ..errors import AddressNotAllowed, ConnectFailed, FetcherBusy, FetchError, FetchTimeout, UrlInvalid
from ..host.record import enter
from ..host.turns import Turns
from ..host.waits import own_wait
from .addresses import Address, AddressPolicy
from .ares import AresNames
from .options import NetworkOptions
from .resolver import HostResolver, Names
from .session import Session, errno_name
from .sockets import AddressInfo, CheckedSockets
from .system import SystemNames
from .tls import tls_failure
from .urls import address_of, canonical_host

SESSIONS: Final = 32
"""Sessions at once. An issuer has half of the places at most, and leaves the others to further issuers."""
_READ_BYTES: Final = 64 * 1024


class NetworkGuard:
    """The only way from a fetcher to the network. Make it in the fetcher's constructor: it does no I/O by itself.

    A host name is looked up once, every address that it has is judged, and what was judged is what is connected to: a
    name that leads elsewhere a moment later (DNS rebinding) leads nowhere. Look-ups and sessions are bounded for each
    issuer.

    Args:
        options: the networks, the resolver and the time limits.
        names: asks the name service, for tests.
        many: number of open sockets beyond which ``sockets.are_many``.

    Attributes:
        policy: judges addresses.
        resolver: looks names up, and refuses a name of which any address is denied.
        sockets: makes sockets for allowed addresses, for libraries that take a factory (``aiohttp.TCPConnector``).
    """

    def __init__(self, options: NetworkOptions, *, names: Names | None = None, many: int = SESSIONS) -> None:
        self.policy = AddressPolicy(options.allow_networks, options.deny_networks)
        self._names = names or (AresNames(options.dns_timeout) if options.resolver == "ares" else SystemNames())
        self.resolver = HostResolver(self.policy, options.dns_timeout, self._names)
        self.sockets = CheckedSockets(self.policy, many)
        self._connect_timeout = options.connect_timeout
        self._places = Turns(SESSIONS, leaves_room=True, name="sessions")
        self._sessions: set[Session] = set()
        self._closed = False

    def check(self, host: str) -> str:
        """Refuse, without I/O, a host that is a denied address in any spelling; for ``Fetcher.check``.

        Args:
            host: a name or an address as a URL has it; an IPv6 address with or without brackets.

        Returns:
            the host as ``resolve`` and the other methods read it: a lower-case name, or an address.

        Raises:
            UrlInvalid: it is neither a host name nor an address.
            AddressNotAllowed: it is a denied address.
        """
        canonical = _canonical(host)
        if (address := address_of(canonical)) is not None:
            self._judge(canonical, address)
        return canonical

    async def resolve(self, host: str) -> tuple[str, ...]:
        """Up to six addresses of the host, in the order of preference, each of them allowed.

        Raises:
            UrlInvalid, AddressNotAllowed: see ``check``; also where any address of a name is denied.
            HostNotFound, DnsFailed, FetcherBusy: see ``HostResolver.resolve``.
        """
        canonical = self.check(host)
        if address_of(canonical) is not None:
            return (canonical,)
        return await self.resolver.resolve(canonical)

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connected socket that does not block, for libraries that take one (``sock=``). The caller closes it.

        Raises:
            FetchError: as ``resolve``; ``ConnectFailed`` where no address answers, ``FetchTimeout`` after
                ``connect_timeout``.
        """
        addresses = await self.resolve(host)
        enter("connect")
        deadline = monotonic() + self._connect_timeout
        failure: FetchError = ConnectFailed(f"{host}: no address")
        for number, address in enumerate(addresses):
            # An address that never answers leaves time for the others.
            seconds = max(0.0, deadline - monotonic()) / (len(addresses) - number)
            try:
                async with asyncio.timeout(seconds):
                    return await self._connected(address, port)
            except TimeoutError:
                failure = FetchTimeout(
                    f"{host}: {address}", phase="the connection", seconds=f"{self._connect_timeout:g}"
                )
            except OSError as error:
                failure = ConnectFailed(f"{host}: {address}: {errno_name(error)}")
        raise failure

    async def open_connection(
        self, host: str, port: int, *, tls: ssl.SSLContext | None = None, limit: int = _READ_BYTES
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As ``asyncio.open_connection``: streams of a connection to an allowed address. The caller closes the writer.

        Args:
            host: see ``check``; with ``tls`` its name is what the certificate must be for.
            port: where to.
            tls: begin with a TLS handshake.
            limit: bytes that the reader keeps, see ``asyncio.StreamReader``.

        Raises:
            FetchError: as ``connect``; a ``TlsFailed`` where the handshake fails.
        """
        made = await self.connect(host, port)
        try:
            if tls is not None:
                enter("tls")
            async with asyncio.timeout(self._connect_timeout):
                name = _canonical(host) if tls is not None else None
                return await asyncio.open_connection(sock=made, ssl=tls, server_hostname=name, limit=limit)
        except BaseException as error:
            made.close()
            if isinstance(error, TimeoutError):
                raise FetchTimeout(host, phase="the TLS handshake", seconds=f"{self._connect_timeout:g}") from None
            if isinstance(error, ssl.SSLError):
                raise tls_failure(host, error) from None
            if isinstance(error, OSError):
                raise ConnectFailed(f"{host}: {errno_name(error)}") from error
            raise

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """For libraries that open sockets themselves, and block: threads in which every connection is judged.

        The block has one of ``SESSIONS`` places, in turn with other issuers. On exit every connection of the session
        is shut down and no thread of it is left.

        Raises:
            FetcherBusy: no place was free in time.
            ConnectionLost: the guard is closed.
        """
        with own_wait() as seconds:
            try:
                give_back = await self._places.take(seconds)
            except TimeoutError as error:
                raise FetcherBusy("no place for a connection was free") from error
        session = Session(self.policy, self.resolve, self._connect_timeout)
        self._sessions.add(session)
        try:
            if self._closed:
                session.end()
            yield session
        finally:
            session.end()
            self._sessions.discard(session)
            give_back()

    async def close(self) -> None:
        """End look-ups with ``DnsFailed``, and the calls of all sessions with ``ConnectionLost``. May be called twice.

        Connections of ``connect`` and ``open_connection`` are their callers'.
        """
        self._closed = True
        for session in self._sessions:
            session.end()
        self._names.close()

    def _judge(self, host: str, address: Address) -> None:
        verdict = self.policy.verdict(address)
        if not verdict.allowed:
            raise AddressNotAllowed(f"{host}: {verdict.rule}")

    async def _connected(self, address: str, port: int) -> socket.socket:
        made = self.sockets.make(_info(address, port))
        try:
            made.setblocking(False)
            await asyncio.get_running_loop().sock_connect(made, (address, port))
        except BaseException:
            made.close()
            raise
        return made


def _info(address: str, port: int) -> AddressInfo:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)


def _canonical(host: str) -> str:
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare:
        try:
            address = ip_address(bare)
        except ValueError:
            raise UrlInvalid(reason="its host is not valid") from None
        if not isinstance(address, IPv6Address) or address.scope_id is not None:
            raise UrlInvalid(reason="its address names a network zone")
        return str(address)
    return canonical_host(bare)
