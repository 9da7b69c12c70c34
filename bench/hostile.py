"""What ``/healthz`` takes while origins are hostile, against the same service while it is idle.

    python -m bench.hostile [--rounds 3] [--seconds 4] [--kinds tiny-chunks,camera]

Eight clients of one issuer import from a hostile origin, each one import at a time and one a second at most: as many as
an issuer has by default. ``image`` is an honest origin, for comparison. The origins are in a process of their own, and
share the cores with the service. Each round measures the idle service and each kind in turn. A row is of all rounds, a
ratio is to idle, and the exit status is 1 where that of a 99th percentile is above 3.
"""

import argparse
import asyncio
import contextlib
import gzip
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench.service import service_process
from lading.plugins.testing.images import noise_jpeg
from lading.plugins.testing.origin import Behaviour, Exchange, Origin, answer, head, raw, repeat
from tests.support.servers.service import token

GOAL: Final = 3.0
CLIENTS: Final = 8
IDLE: Final = "idle"
PAUSE: Final = 0.003
"""Seconds between two requests of ``/healthz``."""
CHUNKED: Final = head(headers={"Transfer-Encoding": "chunked"})
PNG: Final = b"\x89PNG\r\n\x1a\n"


def segments(first: bytes, size: int) -> Behaviour:
    """A body in TCP segments of so many bytes, without a pause."""

    async def behave(exchange: Exchange) -> bool:
        await exchange.send(first)
        while True:
            await exchange.send(b"x" * size)
            await asyncio.sleep(0)

    return behave


def kinds(image: bytes) -> Mapping[str, Behaviour]:
    """The origins, by name; all of them but ``image`` are hostile."""
    part = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + image + b"\r\n"
    bomb = gzip.compress(bytes(64 << 20))
    text = {"Content-Type": "text/html"}
    return {
        "image": answer(image, headers={"Content-Type": "image/jpeg"}),
        "tiny-chunks": repeat(CHUNKED, b"1\r\nX\r\n" * 5000),
        "tiny-chunks-of-a-png": repeat(CHUNKED + b"8\r\n" + PNG + b"\r\n", b"1\r\nX\r\n" * 5000),
        "small-chunks-of-a-png": repeat(CHUNKED + b"8\r\n" + PNG + b"\r\n", (b"60\r\n" + b"x" * 96 + b"\r\n") * 500),
        "chunk-extensions": repeat(CHUNKED, b"1;" + b"a" * 60_000 + b"\r\nX\r\n"),
        "endless-chunk-size": repeat(CHUNKED, b"0" * 60_000),
        "broken-chunks": raw(CHUNKED + b"\r\nabc\r\n", 30.0),
        "trailers": repeat(CHUNKED + b"8\r\n" + PNG + b"\r\n0\r\n", b"A: b\r\n" * 5000),
        "endless-head": repeat(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 2000),
        "odd-head": repeat(b"HTTP/1.1 200 OK\r\n", b"odd\r\n" * 2000),
        "interim-heads": repeat(b"", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" * 500),
        "camera": repeat(head(headers={"Content-Type": "multipart/x-mixed-replace; boundary=frame"}), part, 0.04),
        "html": repeat(head(headers=text), b"<!DOCTYPE html><html>" + b"<p>page</p>" * 5000),
        "text": repeat(head(headers={"Content-Type": "text/event-stream"}), b"data: 1\n\n" * 100, 0.01),
        "slow-text": repeat(head(headers={"Content-Type": "text/event-stream"}), b"data: 1\n\n", 0.05),
        "zeros": repeat(head(), bytes(60_000)),
        "endless-png": repeat(head() + PNG, bytes(60_000)),
        "segments-of-a-png": segments(head() + PNG, 1),
        "drip-of-a-png": repeat(head() + PNG, b"x" * 20, 0.01),
        "gzip-bomb": answer(bomb, headers={"Content-Encoding": "gzip"}),
        "gzip-members": answer(gzip.compress(b"") * 100_000, headers={"Content-Encoding": "gzip"}),
    }


async def serve(image: bytes) -> None:
    """All origins, by path, until standard input ends.

    They yield the cores to the service and to who measures: origins of the world have cores of their own.
    """
    os.nice(19)
    routes = {f"/{name}": behaviour for name, behaviour in kinds(image).items()}
    async with Origin(routes) as origin:
        print(origin.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@contextlib.contextmanager
def origins() -> Iterator[int]:
    """The port of the origins, in a process of their own."""
    command = [sys.executable, "-m", "bench.hostile", "--origin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603  # our own
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the origins have no pipes")
        try:
            yield int(child.stdout.readline())
        finally:
            child.stdin.close()
            child.wait(10)


class Importer(threading.Thread):
    """A client that imports one url after another until it is stopped, one a second at most."""

    def __init__(self, port: int, url: str) -> None:
        super().__init__()
        self._port = port
        self._url = url
        self._stopped = threading.Event()
        self.outcomes: Counter[str] = Counter()
        """How its imports ended, by code."""

    def stop(self) -> None:
        """Begin no other import, and cancel the present one."""
        self._stopped.set()

    def run(self) -> None:
        """See ``threading.Thread``."""
        number = 0
        while not self._stopped.is_set():
            began = time.monotonic()
            document = self._call("POST", "/api/v1/imports", json.dumps({"url": f"{self._url}?{self.name}-{number}"}))
            path = f"/api/v1/imports/{document['id']}"
            while (state := self._call("GET", path))["status"] in ("queued", "running") and not self._stopped.wait(0.1):
                pass
            if state["status"] in ("queued", "running"):
                self._call("POST", f"{path}/cancel")
                self.outcomes["cancelled"] += 1
            else:
                self.outcomes[(state.get("error") or {}).get("code") or state["status"]] += 1
            self._stopped.wait(max(began + 1 - time.monotonic(), 0))
            number += 1

    def _call(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        with contextlib.closing(connection):
            headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json"}
            connection.request(method, path, body, headers)
            found: dict[str, Any] = json.loads(connection.getresponse().read())
            return found


def sample(port: int, seconds: float) -> list[float]:
    """Milliseconds that ``/healthz`` took, asked one after another for so long."""
    took = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        began = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(PAUSE)
    connection.close()
    return took


def beside(port: int, url: str, seconds: float) -> tuple[list[float], Counter[str]]:
    """The same while clients import the url; and how their imports ended."""
    clients = [Importer(port, url) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
        time.sleep(1 / CLIENTS)  # they are to begin their imports one after another
    try:
        took = sample(port, seconds)
    finally:
        for client in clients:
            client.stop()
        for client in clients:
            client.join()
    return took, sum((client.outcomes for client in clients), Counter())


def row(name: str, took: list[float], idle: list[float], outcomes: Counter[str]) -> float:
    """Print a row; its ratio of the 99th percentiles."""
    (p50, p99), (idle50, idle99) = (
        [statistics.quantiles(values, n=100)[percent - 1] for percent in (50, 99)] for values in (took, idle)
    )
    said = ", ".join(f"{count} {code}" for code, count in outcomes.most_common())
    print(
        f"{name:24}{p50:8.2f}{p99:8.2f}{max(took):9.1f}{p50 / idle50:8.2f}{p99 / idle99:8.2f}{len(took):7}  {said}",
        flush=True,
    )
    return p99 / idle99


def main() -> int:
    """Measure, print the rows, and say whether the goal is reached."""
    image = noise_jpeg(45)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    parser.add_argument("--kinds", default=",".join(kinds(image)), help="names of origins, with commas between them")
    parser.add_argument("--origin", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.origin:
        asyncio.run(serve(image))
        return 0
    names = arguments.kinds.split(",")
    took: dict[str, list[float]] = {name: [] for name in (IDLE, *names)}
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in took}
    with (
        tempfile.TemporaryDirectory() as directory,
        service_process(Path(directory)) as (_, port),
        origins() as origin,
    ):
        beside(port, f"http://127.0.0.1:{origin}/image", arguments.seconds)  # starts the decoding processes
        for _ in range(arguments.rounds):
            took[IDLE] += sample(port, arguments.seconds)
            for name in names:
                found, ended = beside(port, f"http://127.0.0.1:{origin}/{name}", arguments.seconds)
                took[name] += found
                outcomes[name] += ended
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {arguments.rounds} rounds of {arguments.seconds:g} s"
    )
    print(f"{'':24}{'p50':>8}{'p99':>8}{'max':>9}{'p50':>8}{'p99':>8}{'':7}")
    print(f"{'':24}{'ms':>8}{'ms':>8}{'ms':>9}{'ratio':>8}{'ratio':>8}{'count':>7}  imports")
    worst = max(row(name, took[name], took[IDLE], outcomes[name]) for name in took)
    return int(worst > GOAL)


if __name__ == "__main__":
    sys.exit(main())
