"""``lading`` commands that are forked from a process which has imported Lading: see ``command_server``."""

import atexit
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = str(Path(__file__).parents[3])
STDERR = 2
COMMAND_SERVER = Path(__file__).with_name("command_server.py")


def start_command(command: Mapping[str, Any], files: Sequence[int]) -> None:
    """Have a command forked from a process that has imported Lading.

    Args:
        command: its ``arguments``, ``cwd`` and ``environ``; also the ``module`` to run, if not ``lading``, and whether
            it has a ``session`` of its own.
        files: descriptors of its standard input, output and error, and of a socket that is sent the number of its
            process, and in the end its exit status.
    """
    socket.send_fds(_command_server(), [json.dumps(command).encode()], files)


class Command:
    """A command that was forked: as much of ``subprocess.Popen`` as tests use.

    Args:
        command: as ``start_command`` takes it.
        files: descriptors of its standard input, output and error; the caller closes them.

    Attributes:
        pid: the number of its process.
        returncode: as of ``subprocess.Popen``.
    """

    def __init__(self, command: Mapping[str, Any], files: Sequence[int]) -> None:
        self.returncode: int | None = None
        self._answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            start_command(command, [*files, theirs.fileno()])
        self.pid = int(self._answers.recv(100))

    def poll(self) -> int | None:
        """The exit status, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; the exit status.

        Raises:
            subprocess.TimeoutExpired: it has not ended.
        """
        if self.returncode is None:
            self._answers.settimeout(timeout)
            try:
                self.returncode = int(self._answers.recv(100))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("lading", timeout or 0) from None
            self._answers.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ends in this moment
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)


@contextlib.contextmanager
def running_module(
    module: str, *arguments: str, environ: Mapping[str, str] | None = None
) -> Iterator[tuple[Command, IO[str]]]:
    """Run a module of the tests in a process of its own, which is killed where the block is left.

    Args:
        module: with its full name.
        arguments: its own.
        environ: added to this process's environment.

    Yields:
        The process, and what it prints.
    """
    command = {"module": module, "arguments": arguments, "cwd": ROOT, "environ": {**os.environ, **(environ or {})}}
    reading, writing = os.pipe()
    with os.fdopen(reading) as printed:
        with os.fdopen(writing, "wb") as stdout, Path(os.devnull).open("rb") as null:
            process = Command(command, [null.fileno(), stdout.fileno(), STDERR])
        try:
            yield process, printed
        finally:
            process.kill()
            process.wait(10)


@functools.cache
def _command_server() -> socket.socket:
    """The socket of this process's own server of commands, which is started once and ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", str(COMMAND_SERVER), str(theirs.fileno())],
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        process.wait(10)

    atexit.register(end)
    return ours
