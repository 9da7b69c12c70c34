"""A gate between a connection and the HTTP parser behind it, for what the parser does not watch over."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from ....errors import OriginProtocolError
from .heads import HeadFilter

READ_BYTES: Final = 256 * 1024
"""Most that is read from a connection at once: as much as asyncio reads by itself."""
_PLAIN_READ: Final = 32 * 1024
_SHORT_READ: Final = 2 * 1024
"""Each chunk costs the loop some three microseconds, however short it is. Lading reads little of short chunks at once,
so that other connections come in between, and counts the framing after so many bytes."""
_FRAMING_FREE: Final = 16 * 1024
_FRAMING_SHARE: Final = 32
"""Chunks may spend 16 KiB on framing, and another byte for every 32 bytes of the body. An image of 45 KB may come in
chunks of 16 bytes, and a large one in chunks of 256 bytes, as from servers that send a file line by line."""
_LIGHT_SHARE: Final = 128
"""Chunks are not short where the body has so many bytes for each byte of framing."""


class Content(Protocol):
    """What the gate needs of a body that the parser reads."""

    total_bytes: int


class Parser(Protocol):
    """What the gate needs of the protocol behind it, besides being an ``asyncio.Protocol``."""

    @property
    def chunked(self) -> Content | None:
        """The body of the response whose head was read last, if that comes in chunks."""

    @property
    def is_full(self) -> bool:
        """Whether the parser wants no bytes at present."""

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


class Gate(asyncio.BufferedProtocol):
    """Stays in front of the parser for the life of a connection.

    It bounds the head in bytes; hands head and body on apart, so that a fault in the body is never taken for one in
    the head; bounds what chunks spend on framing, extensions and trailers included; reports a fault in the body's
    framing, which aiohttp's parser keeps to itself (the reader would wait in vain); remembers how the connection ended;
    and drops a connection that talks without having been asked.

    Args:
        transport: the connection.
        parser: what stands behind the gate.
        buffer: what is read into, ``READ_BYTES`` long. Several gates of one event loop may share it: between
            ``get_buffer`` and ``buffer_updated`` the loop runs nothing else.
    """

    def __init__(self, transport: asyncio.Transport, parser: Parser, buffer: memoryview) -> None:
        self._transport = transport
        self._parser = parser
        self._buffer = buffer
        self._head: HeadFilter | None = None
        self._on_fault: Callable[[], None] | None = None
        self._body_bytes = 0
        self._room = 0
        self.fault: OriginProtocolError | None = None
        """What is wrong with the framing of the body; None while nothing is."""
        self.lost: BaseException | None = None
        """The error that ended the connection; None while it lives and after a proper end."""

    def expect_response(self, head_max_bytes: int) -> None:
        """A request is being sent: let one response through, whose head has at most so many bytes."""
        self._head = HeadFilter(head_max_bytes)
        self._on_fault = None
        self._body_bytes = 0

    def watch_body(self, on_fault: Callable[[], None]) -> None:
        """Call ``on_fault`` when the body's framing turns out broken, at once if it has already."""
        self._on_fault = on_fault
        self._report_fault()

    def response_ended(self) -> None:
        """The response is complete: nothing may come until the next request."""
        self._head = None
        self._on_fault = None

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - a hint
        """See ``asyncio.BufferedProtocol``."""
        self._room = self._longest_read()
        return self._buffer[: self._room]

    def _longest_read(self) -> int:
        if self._head is None or not self._head.is_over:
            return _PLAIN_READ
        content = self._parser.chunked
        if content is None:
            return READ_BYTES
        return _PLAIN_READ if self._is_light(content) else _SHORT_READ

    def buffer_updated(self, nbytes: int) -> None:
        """See ``asyncio.BufferedProtocol``."""
        if nbytes == self._room < READ_BYTES:
            self._let_others_in_between()
        data = self._buffer[:nbytes].tobytes()
        if self._head is None:
            self._transport.abort()
            return
        if not self._head.is_over:
            try:
                head, data = self._head.feed(data)
            except OriginProtocolError as error:
                self._parser.set_exception(error)
                self._transport.abort()
                return
            if head:
                self._parser.data_received(head)
        if data and not self._transport.is_closing():
            self._read_body(data)
        self._note_fault()
        self._report_fault()

    def _let_others_in_between(self) -> None:
        """Read no more of this connection in the present turn of the loop: libuv reads a connection up to 32 times in a
        row while there is more (``uv__read``).
        """
        self._transport.pause_reading()
        asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        if not self._parser.is_full and not self._transport.is_closing():
            self._transport.resume_reading()

    def _read_body(self, data: bytes) -> None:
        content = self._parser.chunked
        if content is None:
            self._parser.data_received(data)
            return
        for start in range(0, len(data), _SHORT_READ):
            piece = data[start : start + _SHORT_READ]
            self._parser.data_received(piece)
            self._body_bytes += len(piece)
            framing = self._body_bytes - content.total_bytes
            # A parser that is full has not read all of it yet: what is framing shows when it goes on.
            if framing > _FRAMING_FREE + content.total_bytes // _FRAMING_SHARE and not self._parser.is_full:
                self.fault = OriginProtocolError(reason="the framing of its chunks is too large for its body")
                self._transport.abort()
            if self._transport.is_closing():
                return

    def _is_light(self, content: Content) -> bool:
        return (self._body_bytes - content.total_bytes) * _LIGHT_SHARE < content.total_bytes

    def connection_lost(self, exc: BaseException | None) -> None:
        """See ``asyncio.Protocol``."""
        self.lost = exc
        # When a full buffer was read off, the parser went on by itself, and its fault shows only now.
        self._note_fault()
        self._parser.connection_lost(exc)
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

    def _note_fault(self) -> None:
        """Tell a fault that the parser met from the end of the connection, which the parser has not been told yet."""
        if self.fault is None and self._parser.exception() is not None:
            self.fault = OriginProtocolError(reason="the framing of its body is broken")

    def _report_fault(self) -> None:
        if self._on_fault is not None and (self.fault is not None or self._parser.exception() is not None):
            self._on_fault()
            self._on_fault = None
