"""What ``lading bulk`` needs for a long list: rows a second, and memory against a short list.

    python -m bench.bulk [--rows 10000000] [--reference 100000]

The service is a stand-in that accepts each row at once and says that it is done, so that the command alone is measured.
The ratio is of the largest resident sets; the exit status is 1 where it is above 1.25.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

GOAL: Final = 1.25
KILOBYTE: Final = 1024
FORMS: Final = ("ndjson", "csv", "parquet")


class StandIn(BaseHTTPRequestHandler):
    """A service that knows batches alone: each of their imports is done at once."""

    protocol_version = "HTTP/1.1"
    sizes: Final[dict[str, int]] = {}

    def do_POST(self) -> None:  # http.server's
        """Accept a batch."""
        lines = self.rfile.read(int(self.headers["Content-Length"])).count(b"\n") + 1
        batch_id = str(uuid.uuid4())
        self.sizes[batch_id] = lines
        told = [json.dumps({"line": line, "status": 200, "id": f"{batch_id}-{line}"}) for line in range(1, lines + 1)]
        summary = {"batch_id": batch_id, "accepted": lines, "rejected": {}, "complete": True}
        self._answer("\n".join([*told, json.dumps(summary)]), "application/x-ndjson", batch_id)

    def do_GET(self) -> None:  # http.server's
        """Say that a batch is done."""
        batch_id = self.path.rpartition("/")[2]
        count = self.sizes.pop(batch_id)
        document = {
            "id": batch_id,
            "organization_id": "o",
            "created_at": "2026-01-01T00:00:00.000+00:00",
            "complete": True,
            "accepted": count,
            "imports": {"waiting": 0, "queued": 0, "running": 0, "done": count, "failed": 0, "cancelled": 0},
        }
        self._answer(json.dumps(document), "application/json", batch_id)

    def _answer(self, text: str, content_type: str, batch_id: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Batch-Id", batch_id)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's
        """Say nothing."""


def write_list(path: Path, rows: int) -> None:
    """Write a list of so many URLs."""
    if path.suffix == ".parquet":
        import pyarrow as pa  # noqa: PLC0415  # slow to import
        import pyarrow.parquet as pq  # noqa: PLC0415

        schema = pa.schema([("url", pa.string())])
        with pq.ParquetWriter(path, schema) as writer:
            for first in range(0, rows, 100_000):
                urls = [url(number) for number in range(first, min(first + 100_000, rows))]
                writer.write_table(pa.table({"url": urls}, schema))
        return
    with path.open("w", encoding="utf-8") as file:
        if path.suffix == ".csv":
            file.write("url\n")
        for number in range(rows):
            file.write(f"{url(number)}\n" if path.suffix == ".csv" else f'{{"url": "{url(number)}"}}\n')


def url(number: int) -> str:
    """An address."""
    return f"https://www.example.org/images/{number:012}.jpg"


def measured(form: str, rows: int, service: str, folder: Path) -> tuple[float, float]:
    """Rows a second, and the largest resident set in megabytes."""
    path = folder / f"list-{rows}.{form}"
    write_list(path, rows)
    environ = {**os.environ, "LADING_URL": service, "LADING_TOKEN": "none"}
    command = [sys.executable, "-P", "-m", "lading", "bulk", str(path), "--json"]
    before = time.monotonic()
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE)  # noqa: S603  # our own
    if process.stdout is None:
        raise RuntimeError("there is no pipe")
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took = time.monotonic() - before
    done = json.loads(output.splitlines()[-1])["summary"]["done"]
    if process.returncode or done != rows:
        raise RuntimeError(f"{done} of {rows} rows are done")
    path.unlink()
    return rows / took, _resident(used)


def _resident(used: resource.struct_rusage) -> float:
    return used.ru_maxrss * KILOBYTE / 1e6


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--reference", type=int, default=100_000)
    given = parser.parse_args(arguments)
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    Thread(target=server.serve_forever, daemon=True).start()
    service = f"http://127.0.0.1:{server.server_port}"
    worst = 0.0
    print(f"{'':10}{'rows':>12}{'rows/s':>10}{'MB':>8}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            reference = 0.0
            for rows in (given.reference, given.rows):
                speed, size = measured(form, rows, service, Path(folder))
                reference = reference or size
                worst = max(worst, size / reference)
                print(f"{form:10}{rows:12,}{speed:10,.0f}{size:8.0f}{size / reference:8.2f}", flush=True)
    server.shutdown()
    return int(worst > GOAL)


if __name__ == "__main__":
    sys.exit(main())
