"""A name server on loopback, over UDP and TCP, well-behaved, silent or hostile by name."""

import asyncio
import contextlib
import struct
from collections.abc import Iterable, Mapping
from typing import Final, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

SILENT: Final = "silent"
MAX_UDP: Final = 512
Answer = Iterable[str] | dns.rcode.Rcode | bytes | str
"""Records such as ``A 127.0.0.1`` or ``CNAME other.test``; a code; bytes to send as they are; or ``SILENT``."""


class NameServer:
    """The server. Use it as an async context manager.

    Args:
        zone: what it answers, by name in lower case without trailing dot.
        otherwise: what it answers about other names.

    Attributes:
        asked: every question about a name, in the order of arrival: the name and the type.
        address: where it is reached, as ``pycares.Channel(servers=...)`` has it.
    """

    def __init__(self, zone: Mapping[str, Answer], otherwise: Answer = dns.rcode.NXDOMAIN) -> None:
        self._zone = dict(zone)
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._otherwise = otherwise
        self.asked: list[tuple[str, str]] = []
        self.over_tcp = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        # The same port again, which nobody else can have had reason to bind.
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), ("127.0.0.1", port))
        self.address = f"127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._udp.close()
        self._server.close()
        for task, writer in self._connections.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*self._connections, return_exceptions=True), 10)
        for _round in range(5):  # asyncio closes what was aborted a few rounds later
            await asyncio.sleep(0)

    def answer(self, question: bytes, limit: int) -> bytes | None:
        """What is sent back; None for nothing."""
        query = dns.message.from_wire(question)
        name, kind = query.question[0].name, query.question[0].rdtype
        host = name.to_text(omit_final_dot=True).lower()
        self.asked.append((host, dns.rdatatype.to_text(kind)))
        answer = self._zone.get(host, self._otherwise)
        if answer == SILENT:
            return None
        if isinstance(answer, bytes):
            return question[:2] + answer
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if isinstance(answer, dns.rcode.Rcode):
            response.set_rcode(answer)
            return response.to_wire()
        for record in answer:
            owner, _, data = record.rpartition("@")
            kind_of, text = data.split(" ", 1)
            if kind_of in {"CNAME", dns.rdatatype.to_text(kind)}:
                response.answer.append(dns.rrset.from_text(owner + "." if owner else name, 60, "IN", kind_of, text))
        wire = response.to_wire(max_size=65535)
        if len(wire) <= limit:
            return wire
        response.answer.clear()
        response.flags |= dns.flags.TC
        return response.to_wire()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections[asyncio.get_running_loop().create_task(self._serve(reader, writer))] = writer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                self.over_tcp += 1
                answer = self.answer(await reader.readexactly(length), 65535)
                if answer is not None:
                    writer.write(struct.pack("!H", len(answer)) + answer)
                    await writer.drain()
        writer.transport.abort()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._server.answer(data, MAX_UDP)
        if answer is not None:
            self._transport.sendto(answer, addr)  # type: ignore[attr-defined]
