"""A proxy for TCP before a service. It does harm to single requests: it drops answers, cuts them, or gives its own."""

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

PIECE: Final = 4096
_CONNECTION: Final = re.compile(rb"(?<=\r\n)connection:[^\r]*\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Harm:
    """What is done to a request.

    Attributes:
        answer: this is sent, and the service gets nothing.
        request_bytes: of the body that the service gets, before both connections are reset; None for all.
        answer_bytes: of the answer, its head included, that the client gets before a reset; None for all.
    """

    answer: bytes = b""
    request_bytes: int | None = None
    answer_bytes: int | None = None


DROPPED: Final = Harm(answer_bytes=0)
"""The service has done what was asked, and nobody is told."""


def refused(status: str, **headers: str) -> Harm:
    """An answer without a body."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Harm(
        answer="\r\n".join([f"HTTP/1.1 {status}", "Content-Length: 0", "Connection: close", *lines, "", ""]).encode()
    )


@dataclass(slots=True)
class CuttingProxy:
    """The proxy. Each connection carries one request.

    Attributes:
        url: where it listens.
        requests: the request lines that came, in order.
    """

    url: str
    requests: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    _harms: list[tuple[str, Harm]] = field(default_factory=list)
    _connections: list[socket.socket] = field(default_factory=list, repr=False)

    def harm(self, beginning: str, *harms: Harm) -> None:
        """Do harm to the next requests whose line begins so, one after another."""
        self._harms += [(beginning, harm) for harm in harms]

    @property
    def is_done(self) -> bool:
        """Whether every harm was done."""
        return not self._harms

    def close(self) -> None:
        """End every connection."""
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def serve(self, client: socket.socket, address: tuple[str, int]) -> None:
        """Carry one request."""
        self._connections.append(client)
        with client:
            head, rest = _read_head(client)
            if not head:
                return
            line = head.partition(b"\r\n")[0].decode()
            self.requests.append(line)
            self.heads.append(head.decode())
            index = next((number for number, (text, _) in enumerate(self._harms) if line.startswith(text)), None)
            harm = Harm() if index is None else self._harms.pop(index)[1]
            if harm.answer:
                client.sendall(harm.answer)
                client.shutdown(socket.SHUT_WR)
                _drain(client)
                return
            with socket.create_connection(address) as service:
                self._connections.append(service)
                service.sendall(_CONNECTION.sub(b"", head).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                _carry(client, service, rest, harm)


def _carry(client: socket.socket, service: socket.socket, rest: bytes, harm: Harm) -> None:
    def forward() -> None:
        left = harm.request_bytes
        with suppress(OSError):
            piece = rest or client.recv(PIECE)
            while piece:
                service.sendall(piece if left is None else piece[:left])
                left = None if left is None else left - len(piece)
                if left is not None and left <= 0:
                    _reset(service)
                    _reset(client)
                    return
                piece = client.recv(PIECE)

    forwarding = threading.Thread(target=forward)
    forwarding.start()
    left = harm.answer_bytes
    with suppress(OSError):
        while piece := service.recv(PIECE):
            client.sendall(piece if left is None else piece[: max(0, left)])
            left = None if left is None else left - len(piece)
            if left is not None and left <= 0 and harm is not DROPPED:
                break
        if left is not None:
            _reset(client)
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
    forwarding.join()


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    gathered = b""
    with suppress(OSError):
        while b"\r\n\r\n" not in gathered:
            piece = client.recv(PIECE)
            if not piece:
                return b"", b""
            gathered += piece
    head, _, rest = gathered.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _drain(client: socket.socket) -> None:
    """Read what the client still sends, so that the answer is not lost with a reset."""
    client.settimeout(5)
    with suppress(OSError):
        while client.recv(PIECE):
            pass


def _reset(connection: socket.socket) -> None:
    """End a connection with RST."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
        connection.close()


@contextmanager
def cutting_proxy(address: tuple[str, int]) -> Iterator[CuttingProxy]:
    """A proxy before the service at an address, as long as the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        proxy = CuttingProxy(f"http://127.0.0.1:{listening.getsockname()[1]}")
        threads: list[threading.Thread] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    threads.append(_started(partial(proxy.serve, client, address)))

        accepting = _started(accept)
        try:
            yield proxy
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            proxy.close()
            for thread in threads:
                thread.join()


def _started(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread
