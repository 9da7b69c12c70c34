"""The guarded network: what is denied never sees a connection, whoever makes it."""

import asyncio
import ftplib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_network
from typing import Any

import pytest

from lading.plugins.errors import (
    AddressNotAllowed,
    ConnectFailed,
    ConnectionLost,
    FetchError,
    FetchTimeout,
    TlsFailed,
    UrlInvalid,
)
from lading.plugins.host.turns import on_behalf_of
from lading.plugins.net import NetworkGuard, NetworkOptions, guard
from lading.plugins.net.system import Lookup, SystemNames
from tests.support.clock import put_forward
from tests.unit.plugins.net.test_resolver import fixed, until

OPEN = "127.0.0.1"
DENIED = "127.66.0.1"


class Server(threading.Thread):
    """Accepts and says nothing, on one address, and knows who connected."""

    def __init__(self, address: str, port: int = 0) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server((address, port))
        self.port: int = self.listener.getsockname()[1]
        self.accepted: list[socket.socket] = []

    def run(self) -> None:
        while True:
            try:
                self.accepted.append(self.listener.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join()
        for one in self.accepted:
            one.close()


@contextmanager
def listening(address: str = OPEN, port: int = 0) -> Iterator[Server]:
    server = Server(address, port)
    server.start()
    try:
        yield server
    finally:
        server.close()


@asynccontextmanager
async def guarded(lookup: Lookup | None = None, networks: str = "127.0.0.1/32") -> AsyncIterator[NetworkGuard]:
    made = NetworkOptions(allow_networks=(ip_network(networks),), connect_timeout=5)
    network = NetworkGuard(made, names=SystemNames(lookup or fixed(OPEN)))
    try:
        yield network
    finally:
        await network.close()


@pytest.mark.gen_test
async def test_check_reads_every_spelling_of_an_address() -> None:
    async with guarded() as network:
        assert network.check("Example.ORG.") == "example.org"
        assert network.check("127.1") == network.check("0x7f000001") == OPEN
        for host in (DENIED, "127.66.1", "0x7f420001", "2135031809", "::1", "[::ffff:127.66.0.1]", "0.0.0.0", "10.1"):
            with pytest.raises(AddressNotAllowed) as caught:
                network.check(host)
            assert "127" not in caught.value.detail
        for host in ("", "a b", "fe80::1%eth0", "[::1", "a:b", "1.2.3.256"):
            with pytest.raises(UrlInvalid):
                network.check(host)


@pytest.mark.parametrize("answer", [(DENIED,), (OPEN, DENIED), (DENIED, OPEN), ("::1",), ("10.0.0.1",)])
@pytest.mark.gen_test
async def test_a_name_that_leads_to_a_denied_address_is_not_connected_to(answer: tuple[str, ...]) -> None:
    with listening(DENIED) as stranger:
        async with guarded(fixed(*answer)) as network, network.session() as session:
            for connecting in (
                network.connect("x.test", stranger.port),
                network.open_connection("x.test", stranger.port),
                session.call(session.create_connection, ("x.test", stranger.port)),
            ):
                with pytest.raises(AddressNotAllowed):
                    await connecting
    assert not stranger.accepted


@pytest.mark.gen_test
async def test_what_was_judged_is_what_is_connected_to() -> None:
    answers = iter([(OPEN,), (DENIED,)])
    with listening() as server, listening(DENIED, server.port) as stranger:
        async with guarded(lambda _: next(answers)) as network:
            _, writer = await network.open_connection("rebound.test", server.port)
            writer.close()
            await writer.wait_closed()
            with pytest.raises(AddressNotAllowed):
                await network.open_connection("rebound.test", server.port)
        await until(lambda: len(server.accepted) == 1)
    assert not stranger.accepted


@pytest.mark.gen_test
async def test_addresses_are_tried_in_turn() -> None:
    with socket.socket() as taken, listening() as server:
        taken.bind((OPEN, 0))
        async with guarded(fixed("127.0.0.2", OPEN), networks="127.0.0.0/30") as network, network.session() as session:
            (await network.connect("x.test", server.port)).close()
            (await session.call(session.create_connection, ("x.test", server.port))).close()
            with pytest.raises(ConnectFailed, match="ECONNREFUSED"):
                await network.connect("x.test", taken.getsockname()[1])
            with pytest.raises(ConnectFailed, match="ECONNREFUSED"):
                await session.call(session.create_connection, ("x.test", taken.getsockname()[1]))


@pytest.mark.gen_test
async def test_a_server_that_does_not_speak_tls() -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 no TLS here\r\n")
        writer.close()

    async with guarded() as network, await asyncio.start_server(talk, OPEN) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TlsFailed):
            await network.open_connection("x.test", port, tls=ssl.create_default_context())


@pytest.mark.gen_test
async def test_a_server_that_never_answers_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as server:
        async with guarded() as network:
            tls = ssl.create_default_context()
            task = asyncio.create_task(network.open_connection("x.test", server.port, tls=tls))
            await until(lambda: bool(server.accepted))
            await asyncio.to_thread(server.accepted[0].recv, 1)  # the handshake has begun
            put_forward(monkeypatch, 20)
            with pytest.raises(FetchTimeout, match="handshake"):
                await task


# --- libraries that open sockets themselves ---------------------------------------------------------------------------


def lead_elsewhere(listener: socket.socket, port: int) -> None:
    """Talk FTP, and give the address of a stranger for the data."""
    with listener.accept()[0] as client:
        client.sendall(b"220 ready\r\n")
        for line in client.makefile("rb"):
            name = line.split()[0].upper()
            where = f"227 =({DENIED.replace('.', ',')},{port >> 8},{port & 255})\r\n".encode()
            client.sendall({b"PASV": where, b"EPSV": b"500 no\r\n"}.get(name, b"230 ok\r\n"))


@pytest.mark.gen_test
async def test_a_servers_answer_leads_nowhere_else() -> None:
    def trusting(session: Any, port: int) -> None:
        ftp = ftplib.FTP()
        setattr(ftp, "trust_server_pasv_ipv4_address", True)  # noqa: B010 - unknown to typeshed
        try:
            ftp.connect(OPEN, port, timeout=5)
            ftp.login()
            ftp.ntransfercmd("RETR a")
        finally:
            ftp.close()

    with listening(DENIED) as stranger, socket.create_server((OPEN, 0)) as listener:
        told = threading.Thread(target=lead_elsewhere, args=(listener, stranger.port))
        told.start()
        async with guarded() as network, network.session() as session:
            with pytest.raises(AddressNotAllowed):
                await session.call(trusting, session, listener.getsockname()[1])
        told.join()
    assert not stranger.accepted


@pytest.mark.gen_test
async def test_a_library_that_looks_up_and_connects_by_itself() -> None:
    def get(host: str, port: int) -> None:
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/")
        finally:
            connection.close()

    with listening() as server, listening(DENIED) as stranger:
        async with guarded() as network, network.session() as session:
            await session.call(get, OPEN, server.port)
            with pytest.raises(AddressNotAllowed):
                await session.call(get, DENIED, stranger.port)
    assert not stranger.accepted
    with listening(DENIED) as stranger:  # outside of a session nobody judges
        get(DENIED, stranger.port)
        await until(lambda: bool(stranger.accepted))


def read_for_ever(session: Any, port: int, tls: bool) -> bytes:
    with session.create_connection(("x.test", port), 60) as made:
        if tls:
            context = ssl.create_default_context()
            return context.wrap_socket(made, server_hostname="x.test").recv(10)
        return bytes(made.recv(10))


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("ends", ["cancelled", "closed"])
@pytest.mark.gen_test
async def test_a_blocked_thread_ends_with_its_session(ends: str, tls: bool) -> None:
    before = threading.active_count()
    with listening() as server:
        async with guarded() as network, network.session() as session:
            call = asyncio.create_task(session.call(read_for_ever, session, server.port, tls))
            await until(lambda: bool(server.accepted))
            if ends == "closed":
                await network.close()
            else:
                call.cancel()
            await asyncio.wait((call,), timeout=30)
            if ends == "closed":
                assert isinstance(call.exception(), ConnectionLost)
            else:
                assert call.cancelled()
            with pytest.raises(ConnectionLost):
                await session.call(time.sleep, 0)
    await until(lambda: threading.active_count() <= before)


@pytest.mark.gen_test
async def test_an_issuer_leaves_places_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "SESSIONS", 4)
    async with guarded() as network:
        held = [network.session() for _ in range(3)]
        with on_behalf_of("greedy"):
            for one in held[:2]:
                await one.__aenter__()
            waiting = asyncio.create_task(held[2].__aenter__())
            await asyncio.sleep(0.01)
        assert not waiting.done()
        with on_behalf_of("other"):
            async with asyncio.timeout(30), network.session():
                pass
        for one in held[:2]:
            await one.__aexit__(None, None, None)
        await waiting
        await held[2].__aexit__(None, None, None)


@pytest.mark.gen_test
async def test_create_connection_is_for_threads() -> None:
    async with guarded() as network, network.session() as session:
        with pytest.raises(RuntimeError, match="blocks"):
            session.create_connection((OPEN, 1))


@pytest.mark.gen_test
async def test_what_a_function_raises_comes_out_unchanged() -> None:
    class Own(FetchError):
        code = "own"
        public_text = "Own."

    def fail(error: Exception) -> None:
        raise error

    async with guarded() as network, network.session() as session:
        for error in (Own("x"), StopIteration(), KeyError("k"), OSError(5, "io")):
            with pytest.raises((type(error), RuntimeError)):
                await session.call(fail, error)
