"""A real NATS for tests: a ``nats-server`` with JetStream, to be used, frozen, killed, emptied and started again.

Without one a test is skipped, unless ``LADING_REQUIRE`` names ``nats``.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers.programs import located
from tests.support.servers.programs.ports import free_port


class NatsServer:
    """One ``nats-server``, on a port and a folder that stay its own when it is started again.

    Attributes:
        url: where clients find it.
    """

    def __init__(self, binary: str, folder: Path) -> None:
        self._binary = binary
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"nats://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "nats-server is not running"
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it listens."""
        assert self._process is None, "nats-server is running"
        options = ("-a", "127.0.0.1", "-p", str(self._port), "-js", "-sd", str(self._folder))
        with (self._folder.parent / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        give_up = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
            except OSError:
                assert time.monotonic() < give_up, "nats-server does not listen"
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """SIGKILL, and wait."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def empty(self) -> None:
        """Kill it, delete all that it keeps, and start it again."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)


@contextmanager
def nats_server() -> Iterator[NatsServer]:
    """A broker that listens, and ends with the block."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    binary = located("nats-server", "nats", path, "install Debian's nats-server")
    with tempfile.TemporaryDirectory(prefix="lading-nats-") as folder:
        server = NatsServer(binary, Path(folder, "store"))
        server.start()
        try:
            yield server
        finally:
            server.kill()
