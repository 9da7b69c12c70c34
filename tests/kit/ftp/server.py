"""A small FTP server on loopback, in threads (RFC 959), whose files behave as badly as a case wants."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from lading.plugins.testing import Body, Flaw

LOOPBACK: Final = "127.0.0.1"
_STATUS: Final = {Flaw.MISSING: b"550 no such file", Flaw.DENIED: b"530 not for you", Flaw.UNAVAILABLE: b"450 not now"}
_PLAIN: Final = {"USER": b"331 and the password?", "PASS": b"230 welcome", "TYPE": b"200 ok"}
_UNSIZED: Final = {Flaw.ENDS_EARLY, Flaw.FAILED_AFTER, Flaw.EMPTY, Flaw.ENDLESS, Flaw.DRIPPING}


@dataclass(frozen=True)
class File:
    """What is served, how badly, and where the data connection is said to be."""

    body: Body
    flaw: Flaw | None = None
    elsewhere: tuple[str, int] | None = None


class FtpServer:
    """Serves ``files`` by their paths; besides it has ports that are down, silent, and hang up."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._down = socket.socket()
        self._down.bind((LOOPBACK, 0))  # taken, so that nobody else listens there
        self.down_port: int = self._down.getsockname()[1]
        self.port = self._listen(self._talk)
        self.silent_port = self._listen(lambda client: self._ended.wait())
        self.hanging_up_port = self._listen(lambda client: None)

    def stop(self) -> None:
        self._ended.set()
        self._down.close()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join()

    def _listen(self, talk: object) -> int:
        listener = socket.create_server((LOOPBACK, 0))
        self._sockets.append(listener)
        self._start(self._accept, listener, talk)
        return int(listener.getsockname()[1])

    def _start(self, run: object, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, talk: object) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._sockets.append(client)
                self._start(self._serve, client, talk)

    def _serve(self, client: socket.socket, talk: object) -> None:
        with client, suppress(OSError):
            talk(client)  # type: ignore[operator]

    def _talk(self, client: socket.socket) -> None:
        client.sendall(b"220 ready\r\n")
        data: socket.socket | None = None
        asked: File | None = None
        for line in client.makefile("rb"):
            name, _, argument = line.decode().strip().partition(" ")
            asked = self.files.get(argument, asked)
            match name.upper():
                case "PASV":
                    data = socket.create_server((LOOPBACK, 0))
                    self._sockets.append(data)
                    host, port = (asked and asked.elsewhere) or data.getsockname()[:2]
                    answer = f"227 =({host.replace('.', ',')},{port >> 8},{port & 255})".encode()
                case "SIZE":
                    answer = _size(self.files.get(argument))
                case "RETR":
                    answer = self._retrieve(client, data, self.files.get(argument))
                case other:
                    answer = _PLAIN.get(other, b"500 what?")
            if not answer:
                return
            client.sendall(answer + b"\r\n")

    def _retrieve(self, client: socket.socket, data: socket.socket | None, file: File | None) -> bytes:
        """Send the file; the last word about it, or none where the control connection ends as well."""
        if file is None or data is None:
            return b"550 no such file"
        if file.flaw in _STATUS:
            return _STATUS[file.flaw]
        client.sendall(b"150 here it comes\r\n")
        if not self._send(client, data, file):
            return b""
        return b"451 the disk has failed" if file.flaw is Flaw.FAILED_AFTER else b"226 done"

    def _send(self, client: socket.socket, listener: socket.socket, file: File) -> bool:
        """Send the file on the data connection; whether the control connection goes on."""
        with listener:
            made, _ = listener.accept()
        self._sockets.append(made)
        with made:
            for piece in self._pieces(file):
                made.sendall(piece)
            if file.flaw is Flaw.STALLED:
                self._ended.wait()
            if file.flaw is Flaw.RESET:
                for one in (made, client):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return file.flaw not in (Flaw.RESET, Flaw.ENDS_EARLY)

    def _pieces(self, file: File) -> Iterator[bytes]:
        match file.flaw:
            case Flaw.DRIPPING:
                while not self._ended.is_set():
                    time.sleep(0.05)
                    yield b"."
            case Flaw.ENDLESS:
                while not self._ended.is_set():
                    yield file.body.part(0, 65536)
            case None | Flaw.TOO_LONG | Flaw.EMPTY | Flaw.LEADS_ELSEWHERE:
                yield from file.body.pieces()
            case _:
                yield from file.body.pieces(end=file.body.size // 2)


def _size(file: File | None) -> bytes:
    if file is None or file.flaw in _UNSIZED:
        return b"550 unknown"
    return b"213 %d" % (file.body.size // 2 if file.flaw is Flaw.TOO_LONG else file.body.size)
