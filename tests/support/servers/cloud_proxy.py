"""An HTTP proxy before a server that stands for a cloud: what it is told to harm, it harms; the rest passes."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Answer = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers and body."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the client sent it."""

    method: str
    target: str
    headers: Mapping[str, str]


@dataclass(slots=True)
class Exchange:
    """A request that a fault has in its hands.

    Attributes:
        headers: of the request, as they will be forwarded; a fault may change them.
        take_body: reads the request's body, or so many bytes of it.
        forward: sends the request on, with that body; status, headers and body of the answer.
        answer: sends an answer to the client.
        reset: ends the client's connection with a RST.
        closing: set when the proxy ends.
    """

    headers: dict[str, str]
    take_body: Callable[[int | None], bytes]
    forward: Callable[[bytes], Answer]
    answer: Callable[[int, list[tuple[str, str]], bytes], None]
    reset: Callable[[], None]
    closing: threading.Event


Fault = Callable[[Exchange], None]
Matching = Callable[[Request], bool]


@dataclass(slots=True)
class Rule:
    """A fault for the next ``times`` requests that match, or for all.

    Attributes:
        hits: how many it was applied to.
    """

    matching: Matching
    fault: Fault
    times: int | None
    hits: int = 0


@dataclass(slots=True)
class CloudProxy:
    """The proxy.

    Attributes:
        url: where it listens.
        requests: what passed or was harmed, in order.
    """

    url: str
    requests: list[Request] = field(default_factory=list)
    _rules: list[Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def harm(self, matching: Matching, fault: Fault, times: int | None = None) -> Rule:
        """Apply the fault to the next ``times`` requests that match, or to all of them."""
        rule = Rule(matching, fault, times)
        with self._lock:
            self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """Harm nothing any more."""
        with self._lock:
            self._rules.clear()

    def fault_for(self, request: Request) -> Fault:
        """The fault of the first rule that applies, which counts it; ``passing`` where none does."""
        with self._lock:
            self.requests.append(request)
            for rule in self._rules:
                if (rule.times is None or rule.hits < rule.times) and rule.matching(request):
                    rule.hits += 1
                    return rule.fault
        return passing


# --- faults -----------------------------------------------------------------------------------------------------------


def passing(exchange: Exchange) -> None:
    exchange.answer(*exchange.forward(exchange.take_body(None)))


def refusing(status: int, body: str = "", **headers: str) -> Fault:
    """The server answers at once with an error."""

    def fault(exchange: Exchange) -> None:
        exchange.take_body(None)
        exchange.answer(status, [(name.replace("_", "-"), value) for name, value in headers.items()], body.encode())

    return fault


def resetting(exchange: Exchange) -> None:
    """The connection breaks in the middle of the request's body; the server sees nothing of it."""
    exchange.take_body(1000)
    exchange.reset()


def losing_the_answer(exchange: Exchange) -> None:
    """The server does what it was asked, and the connection breaks before it can say so."""
    exchange.forward(exchange.take_body(None))
    exchange.reset()


def breaking_the_answer(exchange: Exchange) -> None:
    """The connection breaks in the middle of the answer's body."""
    status, headers, body = exchange.forward(exchange.take_body(None))
    exchange.answer(status, headers, body[: len(body) // 2])
    exchange.reset()


def stalling(exchange: Exchange) -> None:
    """Nothing comes back, for as long as the client waits; the server sees nothing of it."""
    exchange.take_body(None)
    exchange.closing.wait(60)
    exchange.reset()


def corrupting(exchange: Exchange) -> None:
    """One bit of the body changes on its way to the server."""
    body = bytearray(exchange.take_body(None))
    body[len(body) // 2] ^= 1
    exchange.answer(*exchange.forward(bytes(body)))


# --- the server -------------------------------------------------------------------------------------------------------


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        address = urlsplit(upstream)
        self.upstream = (str(address.hostname), int(address.port or 80))
        self.closing = threading.Event()
        self.proxy = CloudProxy(f"http://127.0.0.1:{self.server_port}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        with suppress(ConnectionError, ValueError):  # the client has gone, or the fault has closed the connection
            super().handle_one_request()
            return
        self.close_connection = True

    def _do(self) -> None:
        self._headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        self._rest = int(self.headers.get("Content-Length") or 0)
        fault = self.server.proxy.fault_for(Request(self.command, self.path, dict(self._headers)))
        exchange = Exchange(
            self._headers, self._take_body, self._forward, self._answer, self._reset, self.server.closing
        )
        fault(exchange)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _do  # noqa: N815 - http.server's names

    def _take_body(self, count: int | None) -> bytes:
        body = self.rfile.read(self._rest if count is None else min(count, self._rest))
        self._rest -= len(body)
        return body

    def _forward(self, body: bytes) -> Answer:
        connection = HTTPConnection(*self.server.upstream, timeout=60)
        try:
            connection.request(self.command, self.path, body or None, self._headers)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        if "content-length" not in {name.lower() for name, _ in headers}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _reset(self) -> None:
        self.close_connection = True
        # Without lingering, close sends a RST (socket(7)).
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()  # which shares the socket
        self.connection.close()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def cloud_proxy(upstream: str) -> Iterator[CloudProxy]:
    """A proxy before the server at ``upstream``, in threads of its own, until the block is left."""
    with _Server(upstream) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.proxy
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
