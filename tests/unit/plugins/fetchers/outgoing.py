"""A proxy for outgoing requests, on loopback: HTTP with ``CONNECT`` and whole URLs, or SOCKS5; it keeps what it was
asked for.
"""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest

CERTIFICATES = Path(__file__).parent / "certificates"


def trusted_localhost(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """TLS of an origin named localhost, whose authority is the only one that this process and its children trust."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "localhost.pem")
    return context


class OutgoingProxy:
    """A proxy.

    Args:
        scheme: ``http`` or ``socks5``.
        login: user name and password that it demands; None for neither.
        hosts: the addresses of the names that it knows.
        refusal: the status, or the reply of SOCKS5, with which it refuses everything; None for no refusal.
        split: whether it answers CONNECT in pieces, as some proxies do.
        nonsense: the bytes that it answers to everything, and then nothing; None if it is a proxy.

    Attributes:
        asked: what it was asked for, in order.
        heads: the heads of requests to HTTP proxies.
    """

    def __init__(
        self,
        scheme: str,
        *,
        login: tuple[str, str] | None = None,
        hosts: Mapping[str, str] | None = None,
        refusal: int | None = None,
        split: bool = False,
        nonsense: bytes | None = None,
    ) -> None:
        self.scheme = scheme
        self.asked: list[str] = []
        self.heads: list[str] = []
        self._login = login
        self._hosts = hosts or {}
        self._refusal = refusal
        self._split = split
        self._nonsense = nonsense
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for listening in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await _some_rounds()  # asyncio tells of a connection a few rounds after it was accepted
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        await _some_rounds()  # and closes it a few rounds after that was asked for

    def url(self, login: str = "") -> str:
        """The value of ``proxy``; ``login`` as ``user:password``."""
        return f"{self.scheme}://{login + '@' if login else ''}127.0.0.1:{self.port}"

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            writer.transport.abort()

        task.add_done_callback(ended)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            if self._nonsense is not None:
                writer.write(self._nonsense)
                await reader.read()
                return
            await (self._socks(reader, writer) if self.scheme == "socks5" else self._http(reader, writer))

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        method, target, _ = head.splitlines()[0].split(" ")
        self.asked.append(f"{method} {target}")
        expected = "" if self._login is None else base64.b64encode(":".join(self._login).encode()).decode()
        status = self._refusal or (407 if expected and f"Proxy-Authorization: Basic {expected}" not in head else None)
        if status is not None:
            writer.write(f"HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            there = await self._opened(host.strip("[]"), int(port))
            for piece in (b"HTTP/1.0 200 Connection established\r\n", b"Proxy-agent: test/1\r\n\r\n"):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.05 if self._split else 0)
        else:
            await self._forward(reader, writer, head)
            return
        await _both_ways((reader, writer), there)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        """Send requests on, to the origin of the first."""
        parts = urlsplit(head.split(" ")[1])
        there = await self._opened(parts.hostname or "", parts.port or 80)
        back = asyncio.get_running_loop().create_task(_copy(there[0], writer))
        try:
            while True:
                method, target, rest = head.split(" ", 2)
                kept = [line for line in rest.split("\r\n") if not line.lower().startswith("proxy-")]
                path = target.partition(parts.netloc)[2]
                there[1].write(" ".join([method, path, "\r\n".join(kept)]).encode())
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                self.asked.append(" ".join(head.split(" ", 2)[:2]))
        finally:
            back.cancel()
            there[1].transport.abort()

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        method = 2 if self._login else 0
        if method not in methods:
            writer.write(b"\x05\xff")
            return
        writer.write(bytes([5, method]))
        if self._login:
            _, length = await reader.readexactly(2)
            user = await reader.readexactly(length)
            (length,) = await reader.readexactly(1)
            fits = (user.decode(), (await reader.readexactly(length)).decode()) == self._login
            writer.write(bytes([1, 0 if fits else 1]))
            if not fits:
                return
        kind = (await reader.readexactly(4))[3]
        length = (await reader.readexactly(1))[0] if kind == 3 else {1: 4, 4: 16}[kind]
        place = await reader.readexactly(length)
        host = place.decode() if kind == 3 else str(ip_address(place))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append(f"{'name' if kind == 3 else 'address'} {host}:{port}")
        if self._refusal is not None:
            writer.write(bytes([5, self._refusal, 0, 1]) + bytes(6))
            return
        there = await self._opened(host, port)
        writer.write(b"\x05\x00\x00\x03\x04test\x00\x50")
        await _both_ways((reader, writer), there)

    async def _opened(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._hosts.get(host, host), port)


async def _some_rounds() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


async def _both_ways(one: Streams, other: Streams) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_copy(one[0], other[1]))
            group.create_task(_copy(other[0], one[1]))
    finally:
        other[1].transport.abort()
