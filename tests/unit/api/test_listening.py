"""Without a file descriptor, connections wait; one line says so, however often it is tried."""

import asyncio
import errno
import socket

import pytest
from structlog.testing import capture_logs
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.tcpserver import TCPServer

from lading.service.api.http.connections import listening
from lading.service.api.http.connections.listening import patient


class Greeting(TCPServer):
    async def handle_stream(self, stream: IOStream, address: object) -> None:
        await stream.write(b"hello")
        stream.close()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Holds one number while there is no descriptor; counts the attempts to accept."""
    tried: list[int] = []

    def accept(self: socket.socket) -> object:
        tried.append(1)
        if tried[0] == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        return usual(self)

    usual = socket.socket.accept
    monkeypatch.setattr(socket.socket, "accept", accept)
    monkeypatch.setattr(listening, "PAUSE", 0.01)
    return tried


@pytest.mark.gen_test
async def test_accepting_pauses_and_goes_on(short: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening.Shortage.__init__, "__defaults__", (0.05,))
    sockets = patient(bind_sockets(0, "127.0.0.1"))
    server = Greeting()
    server.add_sockets(sockets)
    with capture_logs() as logged:
        reader, writer = await asyncio.open_connection(*sockets[0].getsockname())
        while len(short) < 5:
            await asyncio.sleep(0.01)
        rounds = len(short)
        short[0] = 0
        assert await reader.read() == b"hello"
        writer.close()
        while len(logged) < 2:
            await asyncio.sleep(0.01)
    server.stop()
    assert [(line["event"], line["log_level"]) for line in logged] == [
        ("no file descriptor is left; connections wait", "error"),
        ("connections are accepted again", "info"),
    ]
    assert rounds < 100, "it does not spin"


@pytest.mark.gen_test
async def test_other_errors_and_a_server_that_stopped_are_as_usual(short: list[int]) -> None:
    sockets = patient(bind_sockets(0, "127.0.0.1"))
    server = Greeting()
    server.add_sockets(sockets)
    _, writer = await asyncio.open_connection(*sockets[0].getsockname())
    while not short:
        await asyncio.sleep(0.01)
    server.stop()
    tried = len(short)
    await asyncio.sleep(0.05)
    assert len(short) == tried
    writer.close()
