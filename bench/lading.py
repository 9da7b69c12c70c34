"""Lading as an operator starts it, for the measurements: processes of their own, ready and idle when they are given."""

import http.client
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import listening, tail, wait_until_idle
from bench.rig import empty_files, say
from tests.support.servers.programs.ports import free_port
from tests.support.servers.service import CONF, environment

READY_SECONDS = 120.0
WIDE = {
    "LADING_WORKER__CONCURRENCY": "64",
    "LADING_WORKER__PER_ISSUER": "64",
    "LADING_WORKER__PER_HOST": "64",
}
"""As many imports at once as the service takes, though all are of one issuer and one host."""
ACCEPTING = {"LADING_WORKER__ENABLED": "false", "LADING_WORKER__BACKLOG": "10000000"}
"""A service that accepts and fetches nothing."""


@dataclass(frozen=True, slots=True)
class Lading:
    """A service that runs.

    Attributes:
        pid: of the process that was started; the others descend from it.
        folder: its database, where that is SQLite's, its images, its configuration and its log.
    """

    port: int
    pid: int
    folder: Path

    @property
    def database(self) -> Path:
        """The file of SQLite."""
        return self.folder / "lading.sqlite3"

    def empty_images(self) -> None:
        """Free the space of all images: the disk holds the leavings of one run at a time. See ``empty_files``."""
        empty_files(self.folder / "images")
        os.sync()


@contextmanager
def lading(
    folder: Path,
    overrides: Mapping[str, str] | None = None,
    *,
    processes: int = 1,
    prefix: tuple[str, ...] = (),
    is_slow: bool = False,
) -> Iterator[Lading]:
    """A service, from when it is ready until the block is left.

    Args:
        folder: that everything of it is kept in.
        overrides: of its configuration.
        processes: that share the port.
        prefix: put before the command, such as valgrind's.
        is_slow: whether it runs in slow time, see ``bench.slow_time``.
    """
    port = free_port()
    conf, log = folder / "service.conf", folder / "service.log"
    conf.write_text(CONF.replace("port = 0", f"port = {port}"), encoding="utf-8")
    environ = environment(
        folder,
        **{
            "LADING_SERVICE__PORT": str(port),
            "LADING_SERVICE__PROCESSES": str(processes),
            "LADING_SERVICE__LOG_LEVEL": "warning",
            "LADING_SERVICE__LOG_FORMAT": "json",
            "LADING_UPLOADS__DIRECTORY": str(folder / "uploads"),
            "LADING_THUMBNAILS__DIRECTORY": str(folder / "thumbnails"),
            **(overrides or {}),
        },
    )
    if (overrides or {}).get("LADING_DOCUMENTS__BACKEND", "sqlite") != "sqlite":
        del environ["LADING_DOCUMENTS_SQLITE__PATH"]  # an option of a database that is not used
    command = [*(["bench.slow_time"] if is_slow else []), "lading", "serve", "--config", str(conf)]
    with listening(command, port, environ, log, prefix) as process:
        wait_until_ready(port)
        if not prefix:  # what runs in valgrind is never idle
            wait_until_idle(process.pid)
        yield Lading(port, process.pid, folder)
    if (said := tail(log)) and not prefix:
        say(f"the service logged: {said[-500:]}")


def mongo(uri: str, database: str) -> dict[str, str]:
    """The overrides for a database of MongoDB."""
    return {
        "LADING_DOCUMENTS__BACKEND": "mongo",
        "LADING_DOCUMENTS_MONGO__URI": uri,
        "LADING_DOCUMENTS_MONGO__DATABASE": database,
    }


def wait_until_ready(port: int) -> None:
    """Return when the service says that it is.

    Raises:
        RuntimeError: it does not within two minutes.
    """
    give_up = time.monotonic() + READY_SECONDS
    while time.monotonic() < give_up:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_SECONDS)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass  # it has only begun to listen
        finally:
            connection.close()
        time.sleep(0.05)
    raise RuntimeError("the service does not become ready")
