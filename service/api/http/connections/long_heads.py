"""Connections whose request has a head beyond any measure: Tornado would close them without an answer."""

import asyncio
import socket

import structlog

from ....errors.catalogue import ApiError
from ....models.ids import new_uuid
from ..in_flight import InFlight
from .aside import Aside
from .last_answers import last_answer, send_last

log = structlog.get_logger(__name__)


class Refusals(Aside):
    """Answers 431 (RFC 6585 section 5) on connections that Tornado gives up.

    Args:
        limit: bytes of a head, for the error's text.
        in_flight: see ``Aside``.
    """

    def __init__(self, limit: int, in_flight: InFlight) -> None:
        super().__init__(in_flight, "answer to a long head")
        self._limit = limit

    async def _serve(self, connection: socket.socket) -> None:
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
