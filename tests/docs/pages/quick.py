"""``lading`` for a reader's shell, without the half second of imports that each command takes.

A folder for the shell's PATH holds a script of that name. It hands its arguments and files to a process that has
imported Lading, which forks the command, and signals to the command.
"""

import json
import os
import socket
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.servers.commands import start_command

PACKET: Final = 1 << 17
_SCRIPT: Final = """\
#!{python} -IS
import json, os, signal, socket, sys

command = {{"arguments": sys.argv[1:], "cwd": os.getcwd(), "environ": dict(os.environ)}}
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect({address!r})
    socket.send_fds(server, [json.dumps(command).encode()], [0, 1, 2])
    process = int(server.recv(100))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: os.kill(process, number))
    sys.exit(int(server.recv(100) or 1))
"""


@contextmanager
def quick_lading(folder: Path) -> Iterator[Path]:
    """The folder for PATH, as long as the block lasts; made below ``folder``."""
    address = f"\0lading-{uuid.uuid4()}"  # abstract: a file's path may be too long for a socket
    script = folder / "bin" / "lading"
    script.parent.mkdir()
    script.write_text(_SCRIPT.format(python=sys.executable, address=address), encoding="utf-8")
    script.chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(address)
        listening.listen()
        thread = threading.Thread(target=_serve, args=(listening,))
        thread.start()
        try:
            yield script.parent
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listening: socket.socket) -> None:
    """Have each command started, with the connection to its script as where it tells of its end."""
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            packet, files, _, _ = socket.recv_fds(connection, PACKET, 3)
            try:
                start_command(json.loads(packet), [*files, connection.fileno()])
            finally:
                for file in files:
                    os.close(file)
