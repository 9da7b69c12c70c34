"""A clamd for tests of processors: it speaks PING and INSTREAM, and finds one text.

It is a thread with a socket, so that nothing of it runs in the event loop of a case.
"""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

NEEDLE: Final = b"Zq7LadingMalware"
"""The malware."""
SIGNATURE: Final = "Lading.Test-1.UNOFFICIAL"
"""What it is called."""


class FakeClamd(socketserver.ThreadingUnixStreamServer):
    """A server on a socket of its own.

    Attributes:
        max_length: the longest stream that it accepts.
        reply: its reply to every INSTREAM, instead of a verdict; empty to close without a reply.
        received: the number of streams that it has read.
    """

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), _Session)
        self.max_length = 64 * 1024 * 1024
        self.reply: str | None = None
        self.received = 0


class _Session(socketserver.StreamRequestHandler):
    server: FakeClamd

    def handle(self) -> None:
        command = b""
        while not command.endswith(b"\0"):
            byte = self.rfile.read(1)
            if not byte:
                return
            command += byte
        if command == b"zPING\0":
            self._answer("PONG")
        elif command == b"zINSTREAM\0":
            self._answer(self._verdict())
        else:
            self._answer("UNKNOWN COMMAND")

    def _verdict(self) -> str:
        data = b""
        while True:
            head = self.rfile.read(4)
            if len(head) < 4:
                return ""  # the client has gone
            (length,) = struct.unpack(">I", head)
            if not length:
                break
            if len(data) + length > self.server.max_length:
                return "INSTREAM size limit exceeded. ERROR"
            data += self.rfile.read(length)
        self.server.received += 1
        if self.server.reply is not None:
            return self.server.reply
        return f"stream: {SIGNATURE} FOUND" if NEEDLE in data else "stream: OK"

    def _answer(self, text: str) -> None:
        if text:
            self.wfile.write(text.encode() + b"\0")


@contextmanager
def fake_clamd(path: Path) -> Iterator[FakeClamd]:
    """A clamd that listens at ``path`` until the block is left, and has then ended."""
    with FakeClamd(path) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="clamd")
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            path.unlink()
