"""Connections whose request has a head beyond any measure: Tornado would close them without an answer."""

import asyncio
import socket
from typing import Final

import structlog

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
