"""A gate between a connection and the HTTP parser behind it, for what the parser does not watch over."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from ...errors import OriginProtocolError
from .responses import HeadMeter


class Parser(Protocol):
    """What the gate needs of the protocol behind it, besides being an ``asyncio.Protocol``."""

    def set_exception(self, exc: BaseException) -> None:
        """End the wait for a head with an error."""

    def exception(self) -> BaseException | None:
        """The error that parsing ended with, or None."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def connection_lost(self, exc: BaseException | None) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class Gate(asyncio.Protocol):
    """Stays in front of the parser for the life of a connection.

    It bounds the head in bytes; hands head and body on apart, so that a fault in the body is never taken for one in
    the head; reports a fault in the body's framing, which aiohttp's parser keeps to itself (the reader would wait in
    vain); remembers how the connection ended; and drops a connection that talks without having been asked.

    Args:
        transport: the connection.
        parser: what stands behind the gate.
    """

    def __init__(self, transport: asyncio.Transport, parser: Parser) -> None:
        self._transport = transport
        self._parser = parser
        self._meter: HeadMeter | None = None
        self._on_fault: Callable[[], None] | None = None
        self.lost: BaseException | None = None
        """The error that ended the connection; None while it lives and after a proper end."""

    def expect_response(self, head_max_bytes: int) -> None:
        """A request is being sent: let one response through, whose head has at most so many bytes."""
        self._meter = HeadMeter(head_max_bytes)
        self._on_fault = None

    def watch_body(self, on_fault: Callable[[], None]) -> None:
        """Call ``on_fault`` when the body's framing turns out broken, at once if it has already."""
        self._on_fault = on_fault
        self._report_fault()

    def response_ended(self) -> None:
        """The response is complete: nothing may come until the next request."""
        self._meter = None
        self._on_fault = None

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        if self._meter is None:
            self._transport.abort()
            return
        if not self._meter.is_over:
            try:
                head_bytes = self._meter.feed(data)
            except OriginProtocolError as error:
                self._parser.set_exception(error)
                self._transport.abort()
                return
            self._parser.data_received(data[:head_bytes])
            data = data[head_bytes:]
        if data and not self._transport.is_closing():
            self._parser.data_received(data)
        self._report_fault()

    def connection_lost(self, exc: BaseException | None) -> None:
        """See ``asyncio.Protocol``."""
        self.lost = exc
        self._parser.connection_lost(exc)
        # When a full buffer was read off, the parser went on by itself, and its fault shows only now.
        self._report_fault()

    def eof_received(self) -> None:
        """See ``asyncio.Protocol``."""
        self._parser.eof_received()

    def pause_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._parser.pause_writing()

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._parser.resume_writing()

    def _report_fault(self) -> None:
        if self._on_fault is not None and self._parser.exception() is not None:
            self._on_fault()
            self._on_fault = None
