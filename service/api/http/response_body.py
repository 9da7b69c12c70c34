"""Sends a long body: no faster than its reader reads, no longer than the reader makes progress, and never so that a
part looks like the whole.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import structlog
from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError

from ...errors.catalogue import ApiError
from ..resources import Common
from .base import BaseHandler

SLICE = 64 * 1024
"""Bytes that the connection gets at a time, and that a reader must read within ``stall_timeout``."""

_RESET = struct.pack("ii", 1, 0)
"""``struct linger``: closing the socket drops the unsent bytes, and resets the connection."""

log = structlog.get_logger(__name__)


class Stopped(Exception):
    """The reader has gone, or has stopped reading; ``str`` is the code for the log."""


class SendingHandler(BaseHandler):
    """A handler that sends bodies that do not fit into memory. Set status and headers before ``send``."""

    def initialize(self, common: Common, api: object) -> None:
        """See ``BaseHandler.initialize``."""
        super().initialize(common, api)
        self._gone: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def check_etag_header(self) -> bool:
        """False: the conditions were evaluated when the entity tag was set."""
        return False

    async def send(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        """Send the body and finish, with at most one piece and one slice of it in memory.

        If the source fails, or the reader stops reading, this resets the connection, since the begun answer must not
        look complete. It then raises nothing.

        Args:
            first: the first piece.
            rest: the other pieces; an ``ApiError`` is logged.
        """
        if self.request.method == "HEAD":
            self.finish_head()
            return
        sent = 0
        self.pace()
        # The request counts as running until its resources are closed, even if its client has gone.
        self.common.in_flight.begin(rest)
        try:
            await self.send_piece(first)
            sent += len(first)
            async for piece in rest:
                await self.send_piece(piece)
                sent += len(piece)
        except Stopped as stop:
            self.break_off(str(stop), f"after {sent} bytes or more")
        except ApiError as error:
            log.error("could not read the body of an answer", request_id=self.request_id, reason=str(error))  # noqa: TRY400
            self.break_off(error.code, f"after {sent} bytes: {error}")
        except BaseException:
            self._reset()
            raise
        finally:
            self.common.in_flight.end(rest)
        self.finish()

    def finish_head(self) -> None:
        """Finish the answer to HEAD, without a ``Content-Length`` that GET would not have (RFC 9110 section 8.6)."""
        self.flush()
        self.finish()

    def on_connection_close(self) -> None:
        """See ``BaseHandler.on_connection_close``."""
        super().on_connection_close()
        if not self._gone.done():
            self._gone.set_result(None)

    def pace(self) -> None:
        """Limit the kernel's buffer of this connection.

        For a slow reader the kernel would take megabytes, and then nothing until the reader has read a third of them.
        Neither the memory of the reader nor its pace would be known (tcp(7)).
        """
        connection = self.connected_socket()
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, SLICE)

    async def send_piece(self, piece: bytes) -> None:
        """Send a part of a body.

        Raises:
            Stopped: the client has gone, or does not read in time.
        """
        view = memoryview(piece)
        for start in range(0, len(piece), SLICE):
            self.write(bytes(view[start : start + SLICE]))
            written: asyncio.Future[Any] = self.flush()
            await self.written(written)
            if not written.done():
                raise Stopped("client_stalled")

    async def written(self, written: asyncio.Future[Any]) -> None:
        """Wait until the connection has taken the bytes, no longer than ``stall_timeout``.

        Raises:
            Stopped: the client has gone.
        """
        # When the connection closes, Tornado forgets the future of a write: only the two together always end.
        ends = {written, self._gone}
        await asyncio.wait(ends, timeout=self.common.limits.stall_timeout, return_when=asyncio.FIRST_COMPLETED)
        if written.done():
            # Where these bytes are the last ones, the client may leave as soon as it has them. If more bytes follow,
            # their write fails.
            if isinstance(written.exception(), StreamClosedError):
                raise Stopped("client_gone")
        elif self._gone.done():
            raise Stopped("client_gone")

    def break_off(self, code: str, reason: str) -> None:
        """Reset the connection, and note that in the log."""
        self.log_fields |= {"code": code, "reason": f"broken off {reason}"}
        self._reset()

    def _reset(self) -> None:
        connection = self.connected_socket()
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._http1().stream.close()

    def connected_socket(self) -> socket.socket | None:
        """The connection, while it is open."""
        found = self._http1().stream.socket
        return found if isinstance(found, socket.socket) and found.fileno() >= 0 else None

    def _http1(self) -> HTTP1Connection:
        connection = self.request.connection
        if not isinstance(connection, HTTP1Connection):
            raise TypeError(f"{type(connection).__name__} is no HTTP/1.1 connection")
        return connection
