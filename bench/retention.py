"""What POSTs take while retention removes old imports, against the same service without.

    python -m bench.retention [--imports 1000000] [--backends sqlite,mongo] [--rounds 3] [--seconds 15]

The database holds so many old imports that are done, each with an image (an empty file: what counts is the deletion).
One client posts; nothing fetches. In each round the service serves without retention, then a reload switches it on, and
when imports begin to go, it serves beside that. The ratio is of the p99 of all rounds, and the exit status is 1 where
it is above 1.5. The last column is how many imports a second went.
"""

import argparse
import contextlib
import math
import os
import re
import signal
import sqlite3
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from pymongo import MongoClient

from bench.filling import fill_mongo, fill_sqlite, prepare
from bench.lading import mongo
from bench.service import service_process
from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.store import MongoDocumentStore
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.models.clock import SystemClock
from tests.support.servers.mongod import replica_set
from tests.support.servers.processes import ServiceProcess
from tests.support.servers.service import CONF, token

GOAL: Final = 1.5
PATIENCE: Final = 180.0
"""Seconds until retention begins, or ends: it looks about once a minute."""
FILLING: Final = 1800.0
PAUSE: Final = 0.005
DATABASE: Final = "bench_retention"
FORM: Final = "album_id=imported_album&filename=a.jpg&url=http%3A%2F%2Forigin.example%2Fa.jpg"
ON: Final = "\n[retention]\ndone = 3600\nimages = delete\n"


def filled(backend: str, folder: Path, count: int, stack: contextlib.ExitStack) -> dict[str, str]:
    """Make a database with old imports; the options that name it."""
    until = time.monotonic() + FILLING
    if backend == "sqlite":
        path = folder / "lading.sqlite3"
        prepare(SqliteDocumentStore(path, SystemClock()))
        fill_sqlite(path, count, until, all_done=True)
        return {}
    uri = stack.enter_context(replica_set()).uri
    prepare(MongoDocumentStore(MongoOptions(uri, DATABASE), SystemClock()))
    fill_mongo(uri, DATABASE, count, until, all_done=True)
    return mongo(uri, DATABASE)


class Service:
    """A running service.

    Args:
        folder: of its ``service.conf``.
        process, port: itself.
    """

    def __init__(self, folder: Path, process: ServiceProcess, port: int) -> None:
        self._conf = folder / "service.conf"
        self._process = process
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self._admin: str = process.wait_for("admin listening")["address"]
        self._headers = {
            "Authorization": f"Bearer {token()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def switch(self, *, on: bool) -> None:
        """Reload with or without retention."""
        self._conf.write_text(CONF + (ON if on else ""), encoding="utf-8")
        self._process.process.send_signal(signal.SIGHUP)

    def removed(self) -> int:
        """The number of imports that were removed so far."""
        with urllib.request.urlopen(f"{self._admin}/metrics", timeout=60) as answer:  # noqa: S310  # our own
            text = answer.read().decode()
        found = re.search(r'^lading_retention_removed_imports_total{status="done"} (\S+)$', text, re.MULTILINE)
        return 0 if found is None else int(float(found[1]))

    def post(self) -> float:
        """Milliseconds of a POST."""
        began = time.perf_counter()
        self._connection.request("POST", "/api/v1/imports", FORM, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"a POST was answered with {answer.status}")
        return (time.perf_counter() - began) * 1000

    def sample(self, seconds: float) -> list[float]:
        """One POST after another for so long."""
        took = []
        self._connection.close()  # it may have been idle for too long; the next request connects again
        self.post()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            took.append(self.post())
            time.sleep(PAUSE)
        return took

    def wait(self, condition: Callable[[int, int], bool]) -> bool:
        """Wait until two looks at the number of removed imports, a second apart, are as they should be."""
        ends = time.monotonic() + PATIENCE
        before = self.removed()
        while time.monotonic() < ends:
            time.sleep(1)
            now = self.removed()
            if condition(before, now):
                return True
            before = now
        return False


def p99(took: Sequence[float]) -> float:
    """The 99th percentile."""
    return sorted(took)[math.ceil(len(took) * 0.99) - 1]


def measured(service: Service, rounds: int, seconds: float) -> tuple[list[float], list[float], float]:
    """Milliseconds without, and beside, and removed imports a second."""
    alone: list[float] = []
    beside: list[float] = []
    gone = spent = 0.0
    service.sample(2)
    for _ in range(rounds):
        service.switch(on=False)
        service.wait(lambda before, now: before == now)
        alone += service.sample(seconds)
        service.switch(on=True)
        if not service.wait(lambda before, now: before < now):
            raise RuntimeError("retention does not begin, or has removed everything: give more --imports")
        before, began = service.removed(), time.monotonic()
        beside += service.sample(seconds)
        gone += service.removed() - before
        spent += time.monotonic() - began
    return alone, beside, gone / spent


def _with_files(folder: Path, ids: Iterator[str]) -> None:
    """Empty files in the place of the images."""
    for import_id in ids:
        path = folder / import_id[:2] / import_id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _run(backend: str, arguments: argparse.Namespace) -> float:
    """Measure one database; the ratio."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=arguments.directory)))
        overrides = filled(backend, folder, arguments.imports, stack)
        _with_files(folder / "images", _ids(backend, folder, overrides))
        os.sync()  # what the disk still has to write of them would be counted as the service's
        more = {"LADING_WORKER__ENABLED": "false", "LADING_ADMIN__PORT": "0", "LADING_SERVICE__LOG_LEVEL": "info"}
        process, port = stack.enter_context(service_process(folder, **overrides, **more))
        alone, beside, rate = measured(Service(folder, process, port), arguments.rounds, arguments.seconds)
    ratio = p99(beside) / p99(alone)
    columns = f"{p99(alone):10.1f}{p99(beside):10.1f}{ratio:8.2f}{len(alone):8}{len(beside):8}{rate:10.0f}"
    print(f"{backend:8}{columns}", flush=True)
    return ratio


def _ids(backend: str, folder: Path, overrides: dict[str, str]) -> Iterator[str]:
    if backend == "sqlite":
        with contextlib.closing(sqlite3.connect(folder / "lading.sqlite3")) as connection:
            yield from (row[0] for row in connection.execute("SELECT id FROM imports"))
        return
    with MongoClient[dict[str, str]](overrides["LADING_DOCUMENTS_MONGO__URI"]) as client:
        yield from (row["_id"] for row in client[DATABASE]["imports"].find({}, {"_id": 1}))


def main() -> int:
    """Measure, print the rows, and say whether the goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--imports", type=int, default=1_000_000)
    parser.add_argument("--backends", default="sqlite,mongo")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15, help="of each measurement")
    parser.add_argument("--directory", help="for temporary files")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}, {arguments.imports} imports, {arguments.rounds} rounds")
    print(f"{'':8}{'without':>10}{'beside':>10}{'':8}{'count':>8}{'count':>8}{'removed':>10}")
    print(f"{'':8}{'p99, ms':>10}{'p99, ms':>10}{'ratio':>8}{'without':>8}{'beside':>8}{'a second':>10}", flush=True)
    ratios = [_run(backend, arguments) for backend in arguments.backends.split(",")]
    return int(max(ratios) > GOAL)


if __name__ == "__main__":
    sys.exit(main())
