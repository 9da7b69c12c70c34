"""Server processes for the measurements, and the programs that these need."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager


@contextmanager
def listening(command: Sequence[str], port: int, environ: Mapping[str, str] | None = None) -> Iterator[int]:
    """A server of ours, as a process, from when it listens; its port."""
    with subprocess.Popen([sys.executable, "-m", *command], env={**os.environ, **(environ or {})}) as process:  # noqa: S603
        try:
            wait_for(port)
            yield port
        finally:
            process.terminate()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    """Return when somebody listens on the port.

    Raises:
        RuntimeError: nobody does within 30 s.
    """
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("it does not listen")


def tool(name: str, package: str | None = None) -> str:
    """The path of a program.

    Raises:
        SystemExit: there is none.
    """
    found = shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if found is None:
        raise SystemExit(f"this measurement needs {name}: apt-get install {package or name}")
    return found
