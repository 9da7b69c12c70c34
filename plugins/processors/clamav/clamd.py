"""The client of clamd: the commands PING and INSTREAM of its socket protocol, ``man 8 clamd``.

Each call has a connection of its own: without IDSESSION, clamd closes the connection after its reply.
"""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

from ...errors import ProcessorUnavailable
from ...host.waits import to_its_end

CONNECT_SECONDS: Final = 5.0
PING_SECONDS: Final = 2.0
"""The longest wait for the answer to PING: a probe of the readiness ends after 5 s."""
CHUNK_BYTES: Final = 256 * 1024
"""Of the file that is in memory at once."""
MAX_REPLY: Final = 4096
DEFAULT_PORT: Final = 3310
MAX_PORT: Final = 65535

_QUEUE_SECONDS: Final = 0.02
_LENGTH: Final = struct.Struct(">I")
_END: Final = b"\0"
"""Ends commands with the prefix ``z``, and their replies."""


class Clamd:
    """Talks to a clamd.

    Args:
        address: the path of its socket, or ``host:port``.
        seconds: the longest wait for clamd while it takes a chunk, and for its reply.
    """

    def __init__(self, address: str, seconds: float) -> None:
        self._address = address
        self._seconds = seconds

    async def ping(self) -> None:
        """Ask whether it answers.

        Raises:
            ProcessorUnavailable: it does not.
        """
        async with self._connected(min(PING_SECONDS, self._seconds)) as connection:
            await connection.send(b"zPING" + _END)
            reply = await connection.reply()
        if reply != "PONG":
            raise ProcessorUnavailable(f"clamd answers PING with {reply!r:.200}")

    async def scan(self, path: Path) -> str:
        """Send a file. The file is read in pieces, by a thread; a cancellation waits for the piece that is being read.

        Returns:
            clamd's reply without ``stream: ``, such as ``OK``.

        Raises:
            ProcessorUnavailable: clamd cannot be reached, does not answer in time, or broke off; or this machine
                cannot read the file.
        """
        offset, piece = 0, await _read(path, 0)
        async with self._connected(self._seconds) as connection:
            # clamd replies early, and closes, where the file is longer than its StreamMaxLength.
            with suppress(ConnectionError):
                await connection.send(b"zINSTREAM" + _END)
                while piece:
                    await connection.send(_LENGTH.pack(len(piece)) + piece)
                    offset += len(piece)
                    piece = await _read(path, offset)
                await connection.send(_LENGTH.pack(0))
            reply = await connection.reply()
        return reply.removeprefix("stream: ")

    @asynccontextmanager
    async def _connected(self, seconds: float) -> AsyncIterator["_Connection"]:
        try:
            async with asyncio.timeout(min(CONNECT_SECONDS, seconds)):
                connection = await _Connection.to(self._address, seconds)
        except (OSError, TimeoutError) as error:
            raise ProcessorUnavailable(f"clamd cannot be reached: {error or type(error).__name__}") from error
        try:
            yield connection
        except TimeoutError as error:
            raise ProcessorUnavailable(f"clamd did not answer within {seconds:g} s") from error
        except OSError as error:
            raise ProcessorUnavailable(f"the connection to clamd broke: {error}") from error
        finally:
            connection.close()


class _Connection:
    """A connected socket. A transport of asyncio would forget a reply that came before a failed write."""

    def __init__(self, connected: socket.socket, seconds: float) -> None:
        self._socket = connected
        self._seconds = seconds

    @classmethod
    async def to(cls, address: str, seconds: float) -> Self:
        """Connect.

        Raises:
            OSError: nobody listens there.
        """
        if address.startswith("/"):
            return cls(await _connected(socket.AF_UNIX, address), seconds)
        host, port = host_and_port(address)
        failure: OSError | None = None
        for family, _, _, _, place in await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                return cls(await _connected(family, place), seconds)
            except OSError as error:
                failure = error
        raise failure or OSError(f"{host} has no address")

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(self._seconds):
            await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def reply(self) -> str:
        """The reply, without its end. At most ``MAX_REPLY`` bytes count.

        Raises:
            ConnectionError: there is none.
        """
        received = b""
        async with asyncio.timeout(self._seconds):
            while _END not in received and len(received) < MAX_REPLY:
                piece = await asyncio.get_running_loop().sock_recv(self._socket, MAX_REPLY)
                if not piece:
                    raise ConnectionResetError("it was closed before the reply")
                received += piece
        return received.partition(_END)[0].decode("utf-8", "replace").strip()

    def close(self) -> None:
        self._socket.close()


def host_and_port(address: str) -> tuple[str, int]:
    """The parts of ``host:port``, ``[::1]:port`` or ``host``.

    Raises:
        ValueError: it is none of these.
    """
    host, colon, port = address.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = address, str(DEFAULT_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= MAX_PORT:
        raise ValueError(f"'{address}' is neither a path nor host:port")
    return host, int(port)


async def _connected(family: int, place: tuple[Any, ...] | str) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_UNIX:
            await _connect_to_path(made, place)
        else:
            await asyncio.get_running_loop().sock_connect(made, place)
    except BaseException:
        made.close()
        raise
    return made


async def _connect_to_path(made: socket.socket, place: tuple[Any, ...] | str) -> None:
    """Connect as soon as the listener's queue has room: connect(2) gives EAGAIN and begins nothing while it is full,
    which asyncio takes for the begin of a connection.
    """
    while True:
        try:
            made.connect(place)
        except BlockingIOError:
            await asyncio.sleep(_QUEUE_SECONDS)
        else:
            return


def _piece(path: Path, offset: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        return os.pread(file.fileno(), CHUNK_BYTES, offset)


async def _read(path: Path, offset: int) -> bytes:
    """The piece at this place. A thread cannot be interrupted, and must not read what the caller has removed."""
    try:
        return await to_its_end(asyncio.ensure_future(asyncio.to_thread(_piece, path, offset)))
    except OSError as error:
        raise ProcessorUnavailable(f"the file cannot be read: {type(error).__name__}") from error
