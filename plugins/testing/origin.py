"""An origin server for tests: raw HTTP/1.1 on loopback, well-behaved or hostile by path, that counts what reaches it.

In an async test::

    async with Origin({"/a.jpg": answer(jpeg), "/slow": raw(HEAD, 0.5, b"x")}) as origin:
        fetch(origin.url("/a.jpg"))
        assert origin.connections == 1

``origin_in_thread`` runs one beside synchronous code, and ``python -m lading.plugins.testing.origin --port 0
--directory DIR``
one in a process of its own: it prints its port, serves the files of DIR with keep-alive, and ends on SIGTERM, SIGINT,
or after ``--lifetime`` seconds.
"""

import argparse
import asyncio
import contextlib
import mimetypes
import signal
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 1024 * 1024
_LINGER_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came: method, target (path and query), headers with lower-case names, and the body, if its length
    was given.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


class Exchange:
    """What a behaviour works with: the request, and the connection to answer on."""

    def __init__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes as they are; waits while the peer does not read."""
        self._writer.write(data)
        await self._writer.drain()

    def reset(self) -> None:
        """End the connection with a TCP reset; what was sent but not yet received is lost."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self._writer.transport.abort()


Behaviour = Callable[[Exchange], Awaitable[bool]]
"""Answers one request; returns whether the connection may serve another."""


def head(status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """A response head, empty line included."""
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(body: bytes = b"", status: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    """A proper response with ``Content-Length``, after which the connection is kept."""
    message = head(status, {"Content-Length": str(len(body)), **(headers or {})}) + body

    async def behave(exchange: Exchange) -> bool:
        await exchange.send(message)
        return True

    return behave


def redirect(location: str, status: int = 302) -> Behaviour:
    """A redirect to ``location``, sent as it is."""
    return answer(b"", status, {"Location": location})


def raw(*parts: bytes | float, keep: bool = False) -> Behaviour:
    """Send the byte strings as they are, and pause for the seconds between them; then close, or ``keep``."""

    async def behave(exchange: Exchange) -> bool:
        for part in parts:
            if isinstance(part, bytes):
                await exchange.send(part)
            else:
                await asyncio.sleep(part)
        return keep

    return behave


def stall(sent: bytes = b"") -> Behaviour:
    """Send something, then nothing more, with the connection open."""

    async def behave(exchange: Exchange) -> bool:
        await exchange.send(sent)
        await asyncio.Event().wait()
        return False

    return behave


def repeat(first: bytes, again: bytes, pause: float = 0) -> Behaviour:
    """Send ``first`` once and ``again`` without end: endless bodies and heads, floods of interim responses, drips."""

    async def behave(exchange: Exchange) -> bool:
        await exchange.send(first)
        while True:
            await exchange.send(again)
            await asyncio.sleep(pause)

    return behave


def reset(*sent: bytes) -> Behaviour:
    """Send each part, give it time to arrive, then reset the connection."""

    async def behave(exchange: Exchange) -> bool:
        for part in sent:
            await exchange.send(part)
            await asyncio.sleep(0.05)
        exchange.reset()
        return False

    return behave


def files(directory: Path) -> Behaviour:
    """Serve the files of a directory by their names; small ones, since they are read whole."""
    root = directory.resolve()

    async def behave(exchange: Exchange) -> bool:
        path = (root / exchange.request.target.partition("?")[0].lstrip("/")).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            return await answer(b"not here", 404)(exchange)
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return await answer(path.read_bytes(), headers={"Content-Type": media_type})(exchange)

    return behave


class Origin:
    """The server. Use it as an async context manager; leaving it ends every connection.

    Args:
        routes: behaviour by path; more may be added to ``routes`` at any time.
        otherwise: the behaviour of every other path; a 404 unless given.
        host: address to listen on; ``::`` hears IPv4 as well.
        port: port to listen on; 0 for a free one.
        tls: context for https, or None for http.
        lifetime: seconds after which a connection is ended whatever it does.
        name: host to put into ``url``, if not ``host``.

    Attributes:
        connections: how many connections were accepted.
        requests: every request, in the order of arrival.
    """

    def __init__(
        self,
        routes: Mapping[str, Behaviour] | None = None,
        *,
        otherwise: Behaviour | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        lifetime: float = 60,
        name: str | None = None,
    ) -> None:
        self.routes = dict(routes or {})
        self.connections = 0
        self.requests: list[Request] = []
        self.port = port
        self._otherwise = otherwise or answer(b"not here", 404)
        self._host = host
        self._tls = tls
        self._lifetime = lifetime
        self._name = name or (f"[{host}]" if ":" in host else host)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.create_server(
            (self._host, self.port), family=family, backlog=512, dualstack_ipv6=self._host == "::"
        )
        self._server = await asyncio.start_server(self._accepted, sock=listener, limit=MAX_HEAD_BYTES, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is None:
            return
        # Nothing more is accepted. asyncio tells of a connection a few rounds after that, and loses one whose server is
        # closed meanwhile.
        for listening in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await _some_rounds()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        await _some_rounds()  # and closes it a few rounds after that was asked for

    def url(self, path: str = "/", *, name: str | None = None) -> str:
        """The URL of a path, at another host name if given."""
        return f"{'https' if self._tls else 'http'}://{name or self._name}:{self.port}{path}"

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            writer.transport.abort()  # here, since a task that is cancelled before it began runs no "finally"

        task.add_done_callback(ended)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError)
        with contextlib.suppress(*gone):
            async with asyncio.timeout(self._lifetime):
                while await self._exchange(reader, writer):
                    pass
                writer.close()
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text.rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(min(int(headers.get("content-length", "0")), MAX_BODY_BYTES))
        request = Request(method, target, headers, body)
        self.requests.append(request)
        behave = self.routes.get(target.partition("?")[0], self._otherwise)
        return await behave(Exchange(request, writer)) and headers.get("connection", "").lower() != "close"


async def _some_rounds() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@contextlib.contextmanager
def origin_in_thread(origin: Origin) -> Iterator[Origin]:
    """Run the origin in a thread with a loop of its own, until the block ends."""
    runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    loop = runner.get_loop()
    ready = threading.Event()
    ended = asyncio.Event()

    async def serve() -> None:
        async with origin:
            ready.set()
            await ended.wait()

    def run() -> None:
        try:
            with runner:
                runner.run(serve())
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="origin", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield origin
    finally:
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(ended.set)
        thread.join()


async def _main(port: int, directory: Path, lifetime: float) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with Origin(otherwise=files(directory), port=port, lifetime=lifetime) as origin:
        print(origin.port, flush=True)  # noqa: T201 - the parent reads it
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), lifetime)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve the files of a directory on loopback, for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--lifetime", type=float, default=600, help="seconds after which it ends by itself")
    arguments = parser.parse_args()
    asyncio.run(_main(arguments.port, arguments.directory, arguments.lifetime))
