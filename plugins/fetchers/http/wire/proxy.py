"""Connections through the operator's proxy: HTTP ``CONNECT`` (RFC 9110 section 9.3.6) and SOCKS5 (RFC 1928, RFC 1929).

The proxy is the operator's: its address passes no policy. Its faults are no fault of an origin, so no attempt counts.
"""

import asyncio
import base64
import errno
import socket
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

from ....errors import FetchError, HostNotAllowed, ProxyUnavailable
from ....host.record import enter
from ....net.addresses import AddressPolicy
from ....net.resolver import HostResolver
from ....net.sockets import AddressDenied
from ....net.urls import address_of

_SCHEMES: Final = ("http", "socks5")
_MAX_LOGIN: Final = 255
"""Bytes of a user name or a password (RFC 1929 section 2)."""
_MAX_HEAD: Final = 16 * 1024
_HEAD_END: Final = b"\r\n\r\n"
_NO_ACCESS: Final = (401, 407)
"""407 by RFC 9110 section 15.5.8; tinyproxy answers 401 to wrong credentials."""
_TRY_LATER: Final = (408, 425, 429)
"""Statuses by which a proxy refuses for the time being (RFC 9110 section 15.5.9, RFC 8470, RFC 6585)."""
_SOCKS: Final = 5
_NO_LOGIN, _LOGIN = 0, 2
_CONNECT: Final = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_NOT_ALLOWED: Final = 2
_SOCKS_REPLIES: Final = {
    1: "general failure",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "command not supported",
    8: "address type not supported",
}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy.

    Attributes:
        scheme: ``http`` or ``socks5``.
        host, port: its place.
        user, password: empty without credentials. No repr: they are secret.
    """

    scheme: str
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def authorization(self) -> str | None:
        """The value of ``Proxy-Authorization``; None without credentials."""
        if not self.user:
            return None
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def place(self) -> str:
        """The proxy without its credentials, for the log."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_proxy(text: str) -> Proxy | None:
    """Read ``http://[user:password@]host:port`` or the same with ``socks5``; None for the empty text.

    Raises:
        ValueError: it is neither; the message repeats no part of it.
    """
    if not text:
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("has no valid host and port") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError("begins with neither http:// nor socks5://")
    if not parts.hostname or not port:
        raise ValueError("has no host and port, such as http://proxy.example.org:3128")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("has more than credentials, a host and a port")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password) or (parts.scheme == "http" and ":" in user):
        raise ValueError("needs a user name without a colon, and a password, or neither")
    if max(len(user.encode()), len(password.encode())) > _MAX_LOGIN:
        raise ValueError(f"has a user name or a password of more than {_MAX_LOGIN} bytes")
    return Proxy(parts.scheme, parts.hostname, port, user, password)


class Tunnels:
    """Opens connections through a proxy.

    Args:
        proxy: the proxy.
        policy: judges every address that the proxy is asked for.
        resolver: looks up the name of the proxy itself.
        seconds: that the proxy may take to accept a connection and its credentials.
        is_remote: whether the proxy looks up the names of hosts, so that nobody judges their addresses.
    """

    def __init__(
        self, proxy: Proxy, policy: AddressPolicy, resolver: HostResolver, seconds: float, *, is_remote: bool
    ) -> None:
        self._proxy = proxy
        self._policy = policy
        self._resolver = resolver
        self._seconds = seconds
        self.is_remote = is_remote

    async def open(self, host: str, address: str, port: int, *, is_tls: bool) -> socket.socket:
        """A connected socket for a request to the host: to the host itself, or for http without TLS by an HTTP proxy,
        to the proxy. The caller closes it.

        Args:
            host: of the URL.
            address: of the host, looked up and judged; without a meaning if the proxy looks the name up.
            port: of the URL.
            is_tls: whether TLS follows.

        Raises:
            AddressDenied: the policy denies the address.
            ProxyUnavailable: the proxy cannot be used.
            HostNotAllowed: the proxy's own rules refuse the host.
            OSError: the proxy cannot reach the host.
        """
        target = host if self.is_remote else address
        literal = address_of(target)
        if literal is not None and not (verdict := self._policy.verdict(literal)).allowed:
            raise AddressDenied(errno.EACCES, f"{target}: {verdict.rule}")
        sock = await self._reached()
        try:
            if self._proxy.scheme == "socks5":
                await self._socks(sock, target, port)
            elif is_tls:
                await self._connect(sock, target, port)
        except BaseException:
            sock.close()
            raise
        return sock

    # --- the proxy itself ---------------------------------------------------------------------------------------------

    async def _reached(self) -> socket.socket:
        """A socket that is connected to the proxy, and logged in by SOCKS5."""
        try:
            async with asyncio.timeout(self._seconds):
                sock = await self._plain()
                try:
                    if self._proxy.scheme == "socks5":
                        await self._log_in(sock)
                except BaseException:
                    sock.close()
                    raise
                return sock
        except TimeoutError:
            raise self._unavailable(f"no answer within {self._seconds:g} s") from None
        except OSError as error:
            raise self._unavailable(error.strerror or type(error).__name__) from error

    async def _plain(self) -> socket.socket:
        try:
            addresses = (self._proxy.host,) if _is_address(self._proxy.host) else await self._looked_up()
        except FetchError as error:
            raise self._unavailable(error.internal or error.code) from error
        enter("connect")
        failure: OSError = OSError("no address")
        share = self._seconds / max(1, len(addresses))  # an address that drops every packet leaves time for the next
        for address in addresses:
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                async with asyncio.timeout(share):
                    await asyncio.get_running_loop().sock_connect(sock, (address, self._proxy.port))
            except TimeoutError:
                sock.close()
                failure = OSError(errno.ETIMEDOUT, f"no answer within {share:g} s")
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise failure

    async def _looked_up(self) -> tuple[str, ...]:
        return await self._resolver.look_up(self._proxy.host)

    def _unavailable(self, reason: str) -> ProxyUnavailable:
        return ProxyUnavailable(f"{self._proxy.place}: {reason}")

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    async def _connect(self, sock: socket.socket, target: str, port: int) -> None:
        place = f"[{target}]:{port}" if ":" in target else f"{target}:{port}"
        lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
        if self._proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {self._proxy.authorization}")
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode())
        head = b""
        while _HEAD_END not in head:
            piece = await loop.sock_recv(sock, 4096)
            head += piece
            if not piece or len(head) > _MAX_HEAD:
                raise self._unavailable("its answer to CONNECT has no end")
        version, _, rest = head.partition(b" ")
        status = int(rest[:3]) if rest[:3].isdigit() else 0
        # Nobody speaks before the client does, so more bytes belong to no tunnel.
        if not version.startswith(b"HTTP/1.") or not status or (status < 300 and not head.endswith(_HEAD_END)):  # noqa: PLR2004
            raise self._unavailable("its answer to CONNECT is malformed")
        if status in _NO_ACCESS:
            raise self._unavailable(f"status {status}: it refuses the credentials")
        if status in _TRY_LATER:
            raise self._unavailable(f"status {status}")
        if 400 <= status < 500:  # noqa: PLR2004 - a client's fault, by the proxy's rules (RFC 9110 section 15.5)
            raise HostNotAllowed(f"{place}: the proxy {self._proxy.place} answers {status}")
        if not 200 <= status < 300:  # noqa: PLR2004
            raise OSError(errno.EHOSTUNREACH, f"the proxy {self._proxy.place} answers {status}")

    # --- SOCKS5 -------------------------------------------------------------------------------------------------------

    async def _log_in(self, sock: socket.socket) -> None:
        methods = bytes([_NO_LOGIN, _LOGIN]) if self._proxy.user else bytes([_NO_LOGIN])
        version, method = await self._ask(sock, bytes([_SOCKS, len(methods)]) + methods, 2)
        if version != _SOCKS or method not in methods:
            raise self._unavailable("it accepts no method of authentication that is configured")
        if method == _LOGIN:
            user, password = self._proxy.user.encode(), self._proxy.password.encode()
            login = bytes([1, len(user)]) + user + bytes([len(password)]) + password
            _, status = await self._ask(sock, login, 2)
            if status:
                raise self._unavailable("it refuses the credentials")

    async def _socks(self, sock: socket.socket, target: str, port: int) -> None:
        if _is_address(target):
            address = ip_address(target)
            kind = _IPV4 if isinstance(address, IPv4Address) else _IPV6
            place = bytes([kind]) + address.packed
        else:
            place = bytes([_NAME, len(target)]) + target.encode()
        request = bytes([_SOCKS, _CONNECT, 0]) + place + port.to_bytes(2, "big")
        version, reply, _, kind = await self._ask(sock, request, 4)
        if version != _SOCKS:
            raise self._unavailable("its answer is malformed")
        if reply == _NOT_ALLOWED:
            raise HostNotAllowed(f"{target}:{port}: the rules of the proxy {self._proxy.place} refuse it")
        if reply:
            reason = _SOCKS_REPLIES.get(reply, f"reply {reply}")
            raise OSError(errno.EHOSTUNREACH, f"the proxy {self._proxy.place} says: {reason}")
        length = {_IPV4: 4, _IPV6: 16}.get(kind)
        if length is None:
            (length,) = await self._ask(sock, b"", 1)
        await self._ask(sock, b"", length + 2)

    async def _ask(self, sock: socket.socket, request: bytes, size: int) -> bytes:
        """Send something, and read so many bytes."""
        loop = asyncio.get_running_loop()
        if request:
            await loop.sock_sendall(sock, request)
        answer = b""
        while len(answer) < size:
            piece = await loop.sock_recv(sock, size - len(answer))
            if not piece:
                raise self._unavailable("it closed the connection")
            answer += piece
        return answer


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
