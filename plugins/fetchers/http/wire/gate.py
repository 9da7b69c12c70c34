"""A gate between a connection and the HTTP parser behind it, for what the parser does not watch over."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from ....errors import OriginProtocolError
from .heads import HeadFilter
from .pace import Pace

READ_BYTES: Final = 256 * 1024
"""Most that is read from a connection at once: as much as asyncio reads by itself."""
_FIRST_READ: Final = 64 * 1024
"""Most that is read until the head has come: an image of the usual size for a page comes with it, in one read."""
_CHUNKED_READ: Final = 32 * 1024
_LIGHT_PIECE: Final = 2 * 1024
_PIECE: Final = 512
"""Bytes that the parser is given at once of a body in chunks. Framing is counted after each piece."""
_TURN_CHUNKS: Final = 64
"""Each chunk costs the loop some three microseconds, however short it is. After so many, other connections come in
between."""
_CHUNK_FRAMING: Final = 5
"""Fewest bytes that frame a chunk: a size of one digit and two line ends."""
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

    is_resting: bool
    """Set by the gate: the parser must not resume reading, whatever it has room for."""

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
    drops a connection that talks without having been asked; and lets a connection rest that costs the loop too much.

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
        self._held = b""
        self._pace = Pace()
        self._timer: asyncio.Handle | None = None
        self.fault: OriginProtocolError | None = None
        """What is wrong with the framing of the body; None while nothing is."""
        self.lost: BaseException | None = None
        """The error that ended the connection; None while it lives and after a proper end."""

    def expect_response(self, head_max_bytes: int) -> None:
        """A request is being sent: let one response through, whose head has at most so many bytes."""
        self._head = HeadFilter(head_max_bytes)
        self._on_fault = None
        self._body_bytes = 0
        self._pace.restart()
        self._end_rest()

    def watch_body(self, on_fault: Callable[[], None]) -> None:
        """Call ``on_fault`` when the body's framing turns out broken, at once if it has already."""
        self._on_fault = on_fault
        self._report_fault()

    def response_ended(self) -> None:
        """The response is complete: nothing may come until the next request."""
        self._head = None
        self._on_fault = None
        self._end_rest()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - a hint
        """See ``asyncio.BufferedProtocol``."""
        self._room = max(self._longest_read() - len(self._held), 1)
        return self._buffer[: self._room]

    def _longest_read(self) -> int:
        if self._head is not None and not self._head.is_over:
            return _FIRST_READ
        return READ_BYTES if self._parser.chunked is None else _CHUNKED_READ

    def buffer_updated(self, nbytes: int) -> None:
        """See ``asyncio.BufferedProtocol``."""
        data = self._held + self._buffer[:nbytes].tobytes()
        read_bytes = len(data)
        self._held = b""
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
        chunks = self._read_body(data) if data and not self._transport.is_closing() else 0
        self._note_fault()
        self._report_fault()
        self._let_others_in_between(self._pace.rest_after(read_bytes, chunks), is_full=nbytes == self._room)

    def _let_others_in_between(self, seconds: float, *, is_full: bool) -> None:
        """Read no more of this connection for so long, or in the present turn of the loop: libuv reads a connection up
        to 32 times in a row while there is more (``uv__read``).
        """
        if self._head is None or not (seconds or is_full or self._held) or self._transport.is_closing():
            return
        self._parser.is_resting = True
        self._transport.pause_reading()
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(seconds, self._read_on) if seconds else loop.call_soon(self._read_on)

    def _end_rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._read_on()

    def _read_on(self) -> None:
        self._timer = None
        self._parser.is_resting = False
        if self._transport.is_closing():
            return
        if self._held:
            self._room = 0
            self.buffer_updated(0)
        elif not self._parser.is_full:
            self._transport.resume_reading()

    def _read_body(self, data: bytes) -> int:
        """Give the parser the body, or what a turn of the loop allows of it, and hold the rest back.

        Returns:
            chunks that the parser was given, at least.
        """
        content = self._parser.chunked
        if content is None:
            self._parser.data_received(data)
            return 0
        start = chunks = 0
        while start < len(data) and chunks < _TURN_CHUNKS and self._head is not None:
            piece = data[start : start + (_LIGHT_PIECE if self._is_light(content) else _PIECE)]
            start += len(piece)
            framing = self._framing(content)
            self._parser.data_received(piece)
            self._body_bytes += len(piece)
            # A parser that is full has not read all of it yet: what is framing shows when it goes on.
            if not self._parser.is_full:
                chunks += max(self._framing(content) - framing, 0) // _CHUNK_FRAMING
                if self._framing(content) > _FRAMING_FREE + content.total_bytes // _FRAMING_SHARE:
                    self.fault = OriginProtocolError(reason="the framing of its chunks is too large for its body")
                    self._transport.abort()
            if self._transport.is_closing():
                return chunks
        self._held = data[start:]
        if self._held and self._head is None:
            self._transport.abort()
        return chunks

    def _framing(self, content: Content) -> int:
        return self._body_bytes - content.total_bytes

    def _is_light(self, content: Content) -> bool:
        return self._framing(content) * _LIGHT_SHARE < content.total_bytes

    def connection_lost(self, exc: BaseException | None) -> None:
        """See ``asyncio.Protocol``."""
        self.lost = exc
        self._give_all()
        # When a full buffer was read off, the parser went on by itself, and its fault shows only now.
        self._note_fault()
        self._parser.connection_lost(exc)
        self._report_fault()

    def eof_received(self) -> None:
        """See ``asyncio.Protocol``."""
        self._give_all()
        self._parser.eof_received()

    def pause_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._parser.pause_writing()

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._parser.resume_writing()

    def _give_all(self) -> None:
        """Nothing follows: stop the timer, and give the parser what is held back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held and self._head is not None and self.fault is None:
            self._parser.data_received(self._held)
        self._held = b""

    def _note_fault(self) -> None:
        """Tell a fault that the parser met from the end of the connection, which the parser has not been told yet."""
        if self.fault is None and self._parser.exception() is not None:
            self.fault = OriginProtocolError(reason="the framing of its body is broken")

    def _report_fault(self) -> None:
        if self._on_fault is not None and (self.fault is not None or self._parser.exception() is not None):
            self._on_fault()
            self._on_fault = None
