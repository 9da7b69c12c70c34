"""Connections whose request was answered before all of it had come.

A connection that closes with unread bytes is reset, and its client may lose the answer (RFC 9112 section 9.6): a proxy
then says 502. So the server ends its own side alone, reads a part of the rest, and closes.
"""

import asyncio
import contextlib
import socket
from typing import Final

from ..in_flight import InFlight

AT_ONCE: Final = 64
"""The largest number of connections whose rest is read; further ones close at once."""
REST_BYTES: Final = 32 * 1024 * 1024
"""As much as the longest image by default, for clients that read nothing before they have sent everything."""
REST_SECONDS: Final = 2.0
PIECE: Final = 256 * 1024


class EarlyAnswers:
    """Reads the rest of requests that have their answers, and closes the connections.

    Args:
        in_flight: counts the connections as running requests.
    """

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self._rests: set[asyncio.Task[None]] = set()
        self._buffer = memoryview(bytearray(PIECE))
        """Shared: nobody reads what is in it."""

    def begin(self, connection: socket.socket) -> None:
        """Read the rest in a task of its own, on a copy of the socket, which the caller closes."""
        if len(self._rests) >= AT_ONCE:
            return
        try:
            copy = connection.dup()
        except OSError:  # no file descriptor is left
            return
        rest = asyncio.create_task(self._read(copy), name="rest of a request")
        self._rests.add(rest)
        self._in_flight.begin(rest)
        rest.add_done_callback(self._ended)

    def _ended(self, rest: "asyncio.Task[None]") -> None:
        self._rests.discard(rest)
        self._in_flight.end(rest)

    async def _read(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        left = REST_BYTES
        with connection, contextlib.suppress(OSError, TimeoutError):
            connection.setblocking(False)
            connection.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(REST_SECONDS):
                while left > 0 and (size := await loop.sock_recv_into(connection, self._buffer)):
                    left -= size
