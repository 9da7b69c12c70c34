"""Connections whose request was answered before all of it had come.

A connection that closes with unread bytes is reset, and its client may lose the answer (RFC 9112 section 9.6): a proxy
then says 502. So the server ends its own side alone, reads a part of the rest, and closes.
"""

import asyncio
import contextlib
import socket
from typing import Final

from ..in_flight import InFlight
from .aside import Aside

REST_BYTES: Final = 32 * 1024 * 1024
"""As much as the longest image by default, for clients that read nothing before they have sent everything."""
REST_SECONDS: Final = 2.0
PIECE: Final = 256 * 1024


class EarlyAnswers(Aside):
    """Reads the rest of requests that have their answers, and closes the connections.

    Args:
        in_flight: see ``Aside``.
    """

    def __init__(self, in_flight: InFlight) -> None:
        super().__init__(in_flight, "rest of a request")
        self._buffer = memoryview(bytearray(PIECE))
        """Shared: nobody reads what is in it."""

    async def _serve(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        left = REST_BYTES
        with connection, contextlib.suppress(OSError, TimeoutError):
            connection.setblocking(False)
            connection.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(REST_SECONDS):
                while left > 0 and (size := await loop.sock_recv_into(connection, self._buffer)):
                    left -= size
