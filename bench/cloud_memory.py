"""Memory of a service that imports many large images into S3 at once.

    python -m bench.cloud_memory [--imports 64] [--megabytes 30]

The service runs as an operator starts it, in a process of its own, against the kit's S3 server. Its decoding processes
read structure alone, so that storage is what imports wait for. Printed is the most memory that its process had resident
(VmHWM, proc(5)), beside what it had when it was idle.
"""

import argparse
import re
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from lading.plugins.testing.clouds.processes import S3Endpoint, serving
from lading.plugins.testing.images import noise_jpeg
from tests.support.servers.clouds import S3Place
from tests.support.servers.processes import HttpClient, ServiceProcess, origin_process
from tests.support.servers.service import CONF, environment, token


def resident(pid: int, field: str) -> float:
    """A size from the process's status, in MB (1,000,000 bytes)."""
    [kibibytes] = re.findall(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(kibibytes) * 1024 / 1e6


def measure(folder: Path, imports: int, megabytes: int) -> None:
    """Import, and print."""
    served = folder / "origin"
    served.mkdir()
    (served / "large.jpg").write_bytes(noise_jpeg(megabytes * 1000))
    conf = folder / "service.conf"
    conf.write_text(CONF, encoding="utf-8")
    with serving(S3Endpoint) as endpoint, closing(S3Place(endpoint)) as place, origin_process(served) as origin:
        many = str(imports)
        environ = environment(
            folder,
            LADING_SERVICE__PORT="0",
            LADING_SERVICE__LOG_FORMAT="json",
            LADING_WORKER__CONCURRENCY=many,
            LADING_WORKER__PER_ISSUER=many,
            LADING_WORKER__PER_HOST=many,
            LADING_WORKER__POLL_INTERVAL="0.1",
            LADING_WORKER__SPOOL_DIRECTORY=str(folder),
            LADING_FETCH__DEADLINE="600",
            LADING_FETCH_HTTP__TOTAL_TIMEOUT="500",
            LADING_FETCH_HTTP__READ_TIMEOUT="120",
            LADING_DETECT_PILLOW__VERIFY="structure",
            LADING_STORAGE__DEADLINE="600",
            LADING_STORAGE_S3__READ_TIMEOUT="120",
            **place.environ,
        )
        with ServiceProcess(("serve", "--config", str(conf)), environ, folder) as service:
            client = HttpClient(service.wait_for("listening")["address"], token())
            pid = service.process.pid
            idle = resident(pid, "VmRSS")
            started = time.monotonic()
            form = urlencode({"album_id": "imported_album", "url": f"{origin}/large.jpg"})
            ids = [client.accepted(form) for _ in range(imports)]
            statuses = Counter(client.final(import_id, timeout=600)["status"] for import_id in ids)
            seconds = time.monotonic() - started
            peak = resident(pid, "VmHWM")
    print(f"{imports} imports of {megabytes} MB in {seconds:.0f} s: {dict(statuses)}")
    print(f"resident: {idle:.0f} MB idle, {peak:.0f} MB at most")


def main() -> None:
    """Parse the arguments, and measure."""
    parser = argparse.ArgumentParser(description="Memory of a service that imports many large images into S3 at once.")
    parser.add_argument("--imports", type=int, default=64)
    parser.add_argument("--megabytes", type=int, default=30)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        measure(Path(folder), arguments.imports, arguments.megabytes)


if __name__ == "__main__":
    main()
