"""How long one import takes on an idle service, from its POST until it is known to be done, against curl."""

import http.client
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from bench.asking import ask, form_of
from bench.images import make_small
from bench.lading import Lading, lading
from bench.origin import origin
from bench.processes import output_of
from bench.rig import Rig, rotated, say
from bench.rows import Goal, Measure, Row, Table
from bench.tools import tool

CURL, CURL_PROCESS = "curl, its own time_total", "curl, whole process"
WAITING, POLLING = "Lading, Prefer: wait=10", "Lading, asked every 2 ms"
ALLOWED_MS = 15.0
POLL_SECONDS = 0.002
PATIENCE = 30.0


def measure(rig: Rig) -> Sequence[Table]:
    """See ``bench.sections``."""
    each = rig.choose(40, 20, 4)
    warm_up = 5
    root = rig.fresh("latency-root")
    paths = make_small(root, warm_up + rig.rounds * each)
    taken: dict[str, list[list[float]]] = {name: [] for name in (CURL, CURL_PROCESS, WAITING, POLLING)}
    with origin(rig.fresh("latency-nginx"), root) as url, lading(rig.fresh("latency")) as service:
        urls = iter([url + path for path in paths])
        for _ in range(warm_up):
            one = next(urls)
            _waiting(service, one)
            _polling(service, one)
        for _ in range(rig.rounds):
            now: dict[str, list[float]] = {name: [] for name in taken}
            imports: dict[str, Callable[[str], float]] = {
                WAITING: partial(_waiting, service),
                POLLING: partial(_polling, service),
            }
            for turn in range(each):
                one = next(urls)
                for name in rotated(list(imports), turn):
                    now[name].append(imports[name](one))
                whole, own = _curl(one, rig.directory / "downloaded")
                now[CURL_PROCESS].append(whole)
                now[CURL].append(own)
            for name, found in now.items():
                taken[name].append(found)
            say(", ".join(f"{name} {median(found):.1f} ms" for name, found in now.items()))
    return [_table(taken, each * rig.rounds)]


def _table(taken: dict[str, list[list[float]]], count: int) -> Table:
    medians = {name: tuple(median(found) for found in rounds) for name, rounds in taken.items()}
    slow = {name: tuple(quantiles(found, n=20)[-1] for found in rounds) for name, rounds in taken.items()}
    rows = []
    for name in taken:
        goal = Goal(Measure.DIFFERENCE, ALLOWED_MS) if name in (WAITING, POLLING) else None
        rows.append(Row(name, "ms", medians[name], CURL, medians[CURL], False, goal, count, count))
    rows += [Row(f"{name}, p95", "ms", slow[name], f"{CURL}, p95", slow[CURL], False) for name in taken]
    return Table("latency", TEXT.format(count=count), tuple(rows))


def _waiting(service: Lading, url: str) -> float:
    """Milliseconds of a POST that is answered when the import is done."""
    began = time.perf_counter()
    document = _request(service, "POST", "/api/v1/imports", url, {"Prefer": "wait=10"})
    took = time.perf_counter() - began
    if document["status"] != "done":
        raise RuntimeError(f"an import of {url} is {document['status']}: {document}")
    return 1000 * took


def _polling(service: Lading, url: str) -> float:
    """Milliseconds from a POST until a GET says that the import is done."""
    began = time.perf_counter()
    document = _request(service, "POST", "/api/v1/imports", url, {})
    path = f"/api/v1/imports/{document['id']}"
    while time.perf_counter() - began < PATIENCE:
        document = _request(service, "GET", path)
        if document["status"] == "done":
            return 1000 * (time.perf_counter() - began)
        if document["status"] not in ("queued", "running"):
            break
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"an import of {url} is {document['status']}: {document}")


def _request(
    service: Lading, method: str, path: str, url: str = "", headers: dict[str, str] | None = None
) -> dict[str, str]:
    """A request on a connection of its own, as curl makes it; the document that it is answered with."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)
    try:
        return ask(connection, method, path, form_of(url) if url else None, headers)
    finally:
        connection.close()


def _curl(url: str, target: Path) -> tuple[float, float]:
    """Milliseconds of the whole process, and of the transfer as curl tells them."""
    began = time.perf_counter()
    said = output_of([tool("curl"), "--silent", "--fail", "--output", target, "--write-out", "%{time_total}", url])
    return 1000 * (time.perf_counter() - began), 1000 * float(said)


TEXT = (
    "What was measured: {count} imports of images of 45 KB, one after another, on an idle service with default"
    " settings (SQLite, local storage, every frame decoded), each on a new connection: a POST that is answered when"
    " the import is done, and a POST followed by a GET every 2 ms until it says so. Each image is taken by the four in"
    " turn. A value is the median of a round (or its 95th percentile), the goal is about the difference of the"
    " medians. curl writes the file and syncs nothing; its own time leaves out the start of its process."
)
