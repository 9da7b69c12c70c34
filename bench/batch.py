"""What a batch of 100,000 lines takes: lines a second, and what the service's memory grows by.

    python -m bench.batch [--lines 100000] [--backend sqlite|mongo]

The service has no worker, so that the batch alone is seen. Memory is the service's own, before the batch, at its peak
(VmHWM) and after it; the exit status is 1 where it has grown by more than 50 MB.
"""

import argparse
import http.client
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.service import resident_kib, service_process
from tests.support.servers.mongod import replica_set
from tests.support.servers.service import token

GOAL_KIB = 50_000


def body(lines: int) -> Iterator[bytes]:
    """NDJSON, in pieces of a thousand lines."""
    for first in range(0, lines, 1000):
        yield b"".join(
            json.dumps(
                {
                    "album_id": "imported_album",
                    "url": f"http://origin.example/{number:08}.jpg",
                    "metadata": {"attachmentId": f"00P24000003vSXs{number:08}"},
                }
            ).encode()
            + b"\n"
            for number in range(first, min(first + 1000, lines))
        )


def peak_kib(pid: int) -> int:
    """What the process has had in memory at most."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"process {pid} has ended")
    return int(found[1])


def post(port: int, lines: int) -> tuple[float, dict[str, object], int]:
    """Post a batch: seconds, its last line, and how many lines there were before that."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/x-ndjson"}
    began = time.perf_counter()
    connection.request("POST", "/api/v1/imports/batch", body(lines), headers, encode_chunked=True)
    answer = connection.getresponse().read().splitlines()
    took = time.perf_counter() - began
    connection.close()
    return took, json.loads(answer[-1]), len(answer) - 1


def main() -> int:
    """Measure, print, and say whether the goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--backend", choices=("sqlite", "mongo"), default="sqlite")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        overrides = {"LADING_WORKER__ENABLED": "false", "LADING_WORKER__BACKLOG": "10000000"}
        if arguments.backend == "mongo":
            overrides |= {
                "LADING_DOCUMENTS__BACKEND": "mongo",
                "LADING_DOCUMENTS_MONGO__URI": stack.enter_context(replica_set()).uri,
            }
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        process, port = stack.enter_context(service_process(directory, **overrides))
        pid = process.process.pid
        post(port, 2000)
        before = resident_kib(pid)
        took, last, answers = post(port, arguments.lines)
        grown = peak_kib(pid) - before
        print(f"{arguments.backend}: {arguments.lines:,} lines in {took:.1f} s ({arguments.lines / took:,.0f}/s)")
        print(f"answered: {answers:,} lines, then {last}")
        print(f"memory: {before:,} KiB before, grown by {grown:,} KiB at the peak, {resident_kib(pid):,} KiB after")
    return int(grown > GOAL_KIB)


if __name__ == "__main__":
    sys.exit(main())
