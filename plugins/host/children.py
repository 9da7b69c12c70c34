"""Starts and ends child processes that run a module of Lading in the service's own Python.

A child reads requests from stdin and writes answers to stdout.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, cast

_INHERITED_VARIABLES: Final = ("LD_LIBRARY_PATH",)
"""Some builds of Python need this variable to start; a child gets nothing else of the service's environment."""
_CPUCLOCK_SCHED: Final = 2
"""Part of a clock's id: the CPU time that the scheduler has counted, to the nanosecond (Linux)."""


def python_command(module: str) -> tuple[str, ...]:
    """Program and arguments of a child that runs ``main`` of the module.

    The child gets the import path of this process, without the entries from the working directory and ``PYTHONPATH``
    (CWE-427). -I ignores the environment, -B writes no bytecode files.
    """
    program = f"import sys; sys.path[:] = sys.argv[1:]; from {module} import main; main()"
    return (sys.executable, "-I", "-B", "-c", program, *_import_path())


def _import_path() -> list[str]:
    """The folders of ``sys.path``, absolute. The folder of Lading itself stays, wherever it comes from."""
    own = _normalised(str(Path(__file__).parents[3]))
    added = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    strange = {_normalised(entry) for entry in ("", *added)} - {own}
    folders = map(_normalised, sys.path)
    return [folder for folder in folders if folder not in strange]


def _normalised(folder: str) -> str:
    """The folder, absolute and without ``..``, as Python writes the entries of ``PYTHONPATH`` into ``sys.path``."""
    return os.path.abspath(folder)  # noqa: PTH100 - resolve() would follow links, which Python does not


def child_environment() -> dict[str, str]:
    """The whole environment of such a child."""
    return {name: os.environ[name] for name in _INHERITED_VARIABLES if name in os.environ}


def absolute_path(path: Path) -> str:
    """``path``, as a child with another working directory must write it."""
    absolute, own = str(path), "/proc/self/"
    if not absolute.startswith("/"):
        absolute = str(path.absolute())
    return f"/proc/{os.getpid()}/{absolute.removeprefix(own)}" if absolute.startswith(own) else absolute


def json_line(message: Mapping[str, Any]) -> bytes:
    """A message for a child that reads JSON lines."""
    return json.dumps(message).encode("ascii") + b"\n"


class Child(asyncio.SubprocessProtocol):
    """One child process, as its parent sees it. Call all methods in the event loop.

    Attributes:
        gone: set when the process has been reaped and its pipes are closed.
    """

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    @property
    def returncode(self) -> int | None:
        """The exit status, or the negative number of the signal that ended the process; None while it runs."""
        return self._transport.get_returncode()

    @property
    def requests(self) -> asyncio.WriteTransport | None:
        """The pipe to the child's stdin; None while the child ends."""
        requests = cast("asyncio.WriteTransport | None", self._transport.get_pipe_transport(0))
        # The pipe breaks before the end of the process is known. Unlike asyncio, uvloop refuses to write to it then.
        return None if self.gone.is_set() or requests is None or requests.is_closing() else requests

    def cpu_seconds(self) -> float | None:
        """CPU time of all threads of the process; None if it has ended, or if the system does not say."""
        if sys.platform != "linux" or self.returncode is not None:
            return None
        try:
            # The clock of clock_getcpuclockid(3), which Python offers for threads only.
            return time.clock_gettime((~self._transport.get_pid() << 3) | _CPUCLOCK_SCHED)
        except OSError:
            return None

    def kill(self) -> None:
        """Kill the process, if it still exists."""
        # Not Popen.kill: it polls, which would take the exit status away from the event loop's child watcher.
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._transport.get_pid(), signal.SIGKILL)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.SubprocessProtocol``."""
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def process_exited(self) -> None:
        """See ``asyncio.SubprocessProtocol``."""
        # The rest must not wait for a pipe that another process still holds open.
        self._transport.close()


AnyChild = TypeVar("AnyChild", bound=Child)


async def start_child(make: Callable[[], AnyChild], command: Sequence[str], environment: Mapping[str, str]) -> AnyChild:
    """Start a process without stderr.

    Args:
        make: makes the process object in this process.
        command: program and arguments.
        environment: its whole environment.

    Raises:
        OSError: it cannot be started.
    """
    _, child = await asyncio.get_running_loop().subprocess_exec(
        make, *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, cwd="/", env=dict(environment)
    )
    return child
