"""What one import takes, from POST to done, behind 100,000 imports of another issuer.

    python -m bench.crowd [--imports 100000] [--workers 8] [--guests 20] [--backends sqlite,mongo,nats]

One service without a worker accepts the imports of the first issuer; then the workers start, and while they work, the
second issuer posts one import after another, each with ``Prefer: wait``. Both issuers' images come from hosts of their
own; ``nats`` is MongoDB with a broker that dispatches. The exit status is 1 where a guest's import takes more than 3
seconds, or the crowd has ended before the guests.
"""

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from bench.service import service_process
from lading.plugins.testing.images import noise_jpeg
from tests.support.servers.mongod import replica_set
from tests.support.servers.processes import ServiceProcess, origin_process
from tests.support.servers.programs.nats_server import nats_server
from tests.support.servers.service import OTHER_ISSUER, environment, token

GOAL: Final = 3.0
ALBUM: Final = "imported_album"
BATCH: Final = 20_000
WARM: Final = 5.0
"""Seconds from the first finished import of the crowd to the first guest."""


class Service:
    """The API of a service."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, method: str, path: str, body: bytes, **headers: str) -> bytes:
        """The body of an answer.

        Raises:
            RuntimeError: the request was refused.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        try:
            connection.request(
                method, f"/api/v1/{path}", body, {name.replace("_", "-"): headers[name] for name in headers}
            )
            response = connection.getresponse()
            found = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {found[:200]!r}")
        return found

    def fill(self, imports: int, url: str) -> list[str]:
        """Post the crowd in batches; the ids of the batches."""
        fields = {"Authorization": f"Bearer {token()}", "Content_Type": "application/x-ndjson"}
        ids = []
        for first in range(0, imports, BATCH):
            count = min(BATCH, imports - first)
            lines = b"".join(_line(f"{url}?{first + number}") for number in range(count))
            told = json.loads(self.ask("POST", "imports/batch", lines, **fields).splitlines()[-1])
            if told["accepted"] != count:
                raise RuntimeError(f"not all were accepted: {told}")
            ids.append(told["batch_id"])
        return ids

    def done(self, batches: Sequence[str]) -> int:
        """How many imports of the crowd are done."""
        fields = {"Authorization": f"Bearer {token()}"}
        found = [json.loads(self.ask("GET", f"batches/{one}", b"", **fields)) for one in batches]
        return sum(one["imports"].get("done", 0) for one in found)

    def guest(self, url: str) -> float:
        """Import one image; the seconds until it is done."""
        fields = {"Authorization": f"Bearer {token(issuer=OTHER_ISSUER)}", "Content_Type": "application/json"}
        began = time.perf_counter()
        found = json.loads(self.ask("POST", "imports", _line(url), Prefer="wait=60", **fields))
        took = time.perf_counter() - began
        if found["status"] != "done":
            raise RuntimeError(f"a guest's import is not done: {found}")
        return took


def _line(url: str) -> bytes:
    return json.dumps({"album_id": ALBUM, "url": url}).encode() + b"\n"


def measure(backend: str, imports: int, workers: int, guests: int) -> tuple[Sequence[float], float, int]:
    """Seconds of each guest, imports a second of the crowd meanwhile, and how many of it were left in the end."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = directory / "origin"
        files.mkdir()
        (files / "photo.jpg").write_bytes(noise_jpeg(8))
        overrides = {"LADING_WORKER__BACKLOG": str(10 * imports), "LADING_SERVICE__LOG_FORMAT": "json"}
        if backend != "sqlite":
            overrides |= {
                "LADING_DOCUMENTS__BACKEND": "mongo",
                "LADING_DOCUMENTS_MONGO__URI": stack.enter_context(replica_set()).uri,
            }
        if backend == "nats":
            broker = stack.enter_context(nats_server())
            overrides |= {"LADING_WORKER__DISPATCH": "nats", "LADING_NATS__SERVERS": broker.url}
        origin = stack.enter_context(origin_process(files))
        _, port = stack.enter_context(service_process(directory, **overrides, LADING_WORKER__ENABLED="false"))
        service = Service(port)
        batches = service.fill(imports, f"{origin}/photo.jpg")
        command = ("worker", "--config", str(directory / "service.conf"))
        environ: dict[str, Any] = environment(directory, **overrides)
        for _ in range(workers):
            stack.enter_context(ServiceProcess(command, environ, directory))
        while service.done(batches) == 0:
            time.sleep(0.2)
        time.sleep(WARM)
        before, began = service.done(batches), time.perf_counter()
        # Another name of the same machine: the places of a host are another resource.
        url = f"{origin.replace('127.0.0.1', 'localhost')}/photo.jpg"
        took = [service.guest(f"{url}?{number}") for number in range(guests)]
        after = service.done(batches)
        return took, (after - before) / (time.perf_counter() - began), imports - after


def main() -> int:
    """Measure, print, and say whether the goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--imports", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--guests", type=int, default=20)
    parser.add_argument("--backends", default="sqlite,mongo,nats")
    arguments = parser.parse_args()
    is_reached = True
    for backend in arguments.backends.split(","):
        took, rate, left = measure(backend, arguments.imports, arguments.workers, arguments.guests)
        print(
            f"{backend}: {arguments.workers} workers, {left} of the crowd left, {rate:.0f} of it a second meanwhile; "
            f"a guest's import: median {statistics.median(took):.2f} s, longest {max(took):.2f} s (goal {GOAL:.0f} s)"
        )
        is_reached = is_reached and left > 0 and max(took) <= GOAL
    return 0 if is_reached else 1


if __name__ == "__main__":
    sys.exit(main())
