"""Tornado's HTTP server, with connections that tell clients why they close."""

import socket
from typing import Any, Final

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPMessageDelegate
from tornado.iostream import IOStream, UnsatisfiableReadError

from .connection import Connection
from .early_answers import EarlyAnswers
from .long_heads import Refusals

LITTLE: Final = 4096
"""Bytes that are read at once while a head or a short body comes. For each read, Tornado fills a buffer with zeros: for
one of its 64 KiB, that costs as much as to parse a form."""

END_OF_HEAD: Final = rb"\n\r?\n"
"""Ends where Tornado's own expression for the end of a head does. That begins with what may be missing, so that it is
tried at each byte."""


class Stream(IOStream):
    """A connection that knows whether it reads a head, and how it is to be closed.

    Attributes:
        is_answered_early: whether the present request is answered although not all of it has come.
    """

    def __init__(
        self, connection: socket.socket, refusals: Refusals, early_answers: EarlyAnswers, **options: Any
    ) -> None:
        self._refusals = refusals
        self._early_answers = early_answers
        self._is_in_head = False
        self.is_answered_early = False
        super().__init__(connection, **options)
        self._much: int = self.read_chunk_size

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> Any:  # noqa: ARG002 - see below
        """See ``IOStream.read_until_regex``, which ``HTTP1Connection`` calls for the head alone."""
        self._is_in_head = True
        self.read_chunk_size = LITTLE
        return super().read_until_regex(END_OF_HEAD, max_bytes)

    def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> Any:
        """See ``IOStream.read_until``, which reads the sizes of chunks."""
        self._is_in_head = False
        return super().read_until(delimiter, max_bytes)

    def read_bytes(self, num_bytes: int, partial: bool = False) -> Any:
        """See ``IOStream.read_bytes``, which ``HTTP1Connection`` calls for pieces of a body."""
        self.read_chunk_size = min(max(num_bytes, LITTLE), self._much)
        return super().read_bytes(num_bytes, partial)

    def close(self, exc_info: Any = False) -> None:
        """See ``IOStream.close``. A head that does not fit has its error, and an early answer reaches the client."""
        if self.closed():
            return
        if self._is_in_head and isinstance(exc_info, UnsatisfiableReadError):
            self._refusals.begin(self.socket)
        elif self.is_answered_early:
            self._early_answers.begin(self.socket)
        super().close(exc_info)


class Server(HTTPServer):
    """Tornado's server. It answers requests whose head is too long for Tornado, and loses no early answer."""

    def initialize(  # type: ignore[override]  # two more
        self, *arguments: Any, refusals: Refusals, early_answers: EarlyAnswers, **options: Any
    ) -> None:
        """See ``HTTPServer.initialize``."""
        super().initialize(*arguments, **options)
        self._refusals = refusals
        self._early_answers = early_answers

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """See ``HTTPServer.handle_stream``; the given stream has not begun to read."""
        options = {"max_buffer_size": self.max_buffer_size, "read_chunk_size": self.read_chunk_size}
        super().handle_stream(Stream(stream.socket, self._refusals, self._early_answers, **options), address)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """See ``HTTPServer.start_request``."""
        request_conn.__class__ = Connection
        return super().start_request(server_conn, request_conn)
