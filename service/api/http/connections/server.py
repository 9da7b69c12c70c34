"""Tornado's HTTP server, with connections that tell clients why they close."""

from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPMessageDelegate
from tornado.iostream import IOStream

from .connection import Connection
from .early_answers import EarlyAnswers
from .long_heads import Refusals
from .stream import Stream


class Server(HTTPServer):
    """Tornado's server. It answers requests whose head is too long for Tornado, and loses no early answer."""

    def initialize(  # type: ignore[override]  # three more
        self, *arguments: Any, refusals: Refusals, early_answers: EarlyAnswers, idle_seconds: float, **options: Any
    ) -> None:
        """See ``HTTPServer.initialize``; ``idle_seconds`` are those of ``Stream``, which judges them."""
        super().initialize(*arguments, **options)
        self.conn_params.header_timeout = None
        self._idle_seconds = idle_seconds
        self._refusals = refusals
        self._early_answers = early_answers

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """See ``HTTPServer.handle_stream``; the given stream has not begun to read."""
        options = {"max_buffer_size": self.max_buffer_size, "read_chunk_size": self.read_chunk_size}
        kept = Stream(stream.socket, self._idle_seconds, self._refusals, self._early_answers, **options)
        super().handle_stream(kept, address)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """See ``HTTPServer.start_request``."""
        request_conn.__class__ = Connection
        return super().start_request(server_conn, request_conn)
