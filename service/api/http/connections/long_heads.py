"""Connections whose request has a head beyond any measure: Tornado would close them without an answer."""

import asyncio
import socket
from typing import Any, Final

import structlog
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, UnsatisfiableReadError

from ....errors.catalogue import ApiError
from ....models.ids import new_uuid
from ..in_flight import InFlight
from .last_answers import last_answer, send_last

AT_ONCE: Final = 64
"""The largest number of concurrent answers; further connections close without one."""

log = structlog.get_logger(__name__)


class Refusals:
    """Answers 431 (RFC 6585 section 5) on connections that Tornado gives up.

    Args:
        limit: bytes of a head, for the error's text.
        in_flight: counts the answers as running requests.
    """

    def __init__(self, limit: int, in_flight: InFlight) -> None:
        self._limit = limit
        self._in_flight = in_flight
        self._answers: set[asyncio.Task[None]] = set()

    def begin(self, connection: socket.socket) -> None:
        """Answer on the connection and close it, in a task of its own."""
        if len(self._answers) >= AT_ONCE:
            return
        try:
            copy = connection.dup()  # the caller closes the connection itself
        except OSError:  # no file descriptor is left
            return
        answer = asyncio.create_task(self._answer(copy), name="answer to a long head")
        self._answers.add(answer)
        self._in_flight.begin(answer)
        answer.add_done_callback(self._ended)

    def _ended(self, answer: "asyncio.Task[None]") -> None:
        self._answers.discard(answer)
        self._in_flight.end(answer)

    async def _answer(self, connection: socket.socket) -> None:
        error = ApiError("request_head_too_large", limit=self._limit)
        request_id = new_uuid()
        try:
            client = str(connection.getpeername()[0])
            reader, writer = await asyncio.open_connection(sock=connection)
        except OSError:  # the client has gone
            connection.close()
            return
        log.info("request", status=error.status.value, request_id=request_id, client=client, code=error.code)
        await send_last(reader, writer, last_answer(error, request_id))


class _Stream(IOStream):
    """A connection that knows whether it reads a head."""

    def __init__(self, connection: socket.socket, refusals: Refusals, **options: Any) -> None:
        self._refusals = refusals
        self._is_in_head = False
        super().__init__(connection, **options)

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> Any:
        """See ``IOStream.read_until_regex``, which ``HTTP1Connection`` calls for the head alone."""
        self._is_in_head = True
        return super().read_until_regex(regex, max_bytes)

    def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> Any:
        """See ``IOStream.read_until``, which reads the sizes of chunks."""
        self._is_in_head = False
        return super().read_until(delimiter, max_bytes)

    def close(self, exc_info: Any = False) -> None:
        """See ``IOStream.close``; a head that does not fit has its error."""
        if self._is_in_head and isinstance(exc_info, UnsatisfiableReadError) and self.socket is not None:
            self._refusals.begin(self.socket)
        super().close(exc_info)


class Server(HTTPServer):
    """Tornado's server, which also answers requests whose head is too long for Tornado."""

    def initialize(self, *arguments: Any, refusals: Refusals, **options: Any) -> None:  # type: ignore[override]  # one more
        """See ``HTTPServer.initialize``."""
        super().initialize(*arguments, **options)
        self._refusals = refusals

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """See ``HTTPServer.handle_stream``; the given stream has not begun to read."""
        options = {"max_buffer_size": self.max_buffer_size, "read_chunk_size": self.read_chunk_size}
        super().handle_stream(_Stream(stream.socket, self._refusals, **options), address)
