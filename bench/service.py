"""A service process for the measurements, with SQLite and local storage in a folder, and what it takes up."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers.processes import ServiceProcess
from tests.support.servers.service import CONF, environment


@contextmanager
def service_process(directory: Path, **overrides: str) -> Iterator[tuple[ServiceProcess, int]]:
    """A running service, and its port."""
    conf = directory / "service.conf"
    conf.write_text(CONF, encoding="utf-8")
    environ = environment(directory, **{"LADING_SERVICE__LOG_FORMAT": "json", **overrides})
    with ServiceProcess(("serve", "--config", str(conf)), environ, directory) as process:
        address = process.wait_for("listening")["address"]
        yield process, int(address.rpartition(":")[2])


def resident_kib(pid: int) -> int:
    """What the process has in memory, without its children."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"process {pid} has ended")
    return int(found[1])
