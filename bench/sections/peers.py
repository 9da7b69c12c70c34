"""The same job by services that others run for it: images a second, and the CPU time of all their processes."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.images import make_small
from bench.importing import import_all
from bench.lading import WIDE, lading
from bench.origin import origin
from bench.peers import clients, running
from bench.peers.companion import companion, importing
from bench.processes import cpu_seconds
from bench.rig import Rig, empty_files, say
from bench.rows import Goal, Measure, Row, Table
from bench.tools import find

BATCH, POSTS, WAIT = "Lading, a batch", "Lading, POSTs, then asked", "Lading, POSTs with Prefer: wait"
QUEUE, THUMBOR, COMPANION = "Flask, Celery, Redis", "Thumbor, image route", "Uppy Companion, tus"
NAMES = (BATCH, POSTS, WAIT, QUEUE, THUMBOR, COMPANION)
FACTORS = {BATCH: 3.0, POSTS: 2.0, WAIT: 2.0}
"""By how much Lading is to be ahead of the peer that keeps a record."""

Work = Callable[[Sequence[str]], int]


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run took: seconds, seconds of CPU time of all processes of the service, and images that came out."""

    seconds: float
    cpu_seconds: float
    tried: int
    succeeded: int

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.succeeded / self.seconds

    @property
    def cost(self) -> float:
        """Milliseconds of CPU time an image."""
        return 1000 * self.cpu_seconds / max(1, self.succeeded)


@dataclass(frozen=True, slots=True)
class Service:
    """One that runs: the processes that it began with, its images, and what a run asks of it."""

    pids: tuple[int, ...]
    images: Path
    work: Work

    def run(self, urls: Sequence[str]) -> Taken:
        """Have all URLs fetched."""
        before, began = cpu_seconds(self.pids), time.monotonic()
        succeeded = self.work(urls)
        took = time.monotonic() - began
        taken = Taken(took, cpu_seconds(self.pids) - before, len(urls), succeeded)
        empty_files(self.images)
        return taken


def measure(rig: Rig) -> Sequence[Table]:
    """See ``bench.sections``."""
    each = rig.choose(1_000, 300, 40)
    runs = rig.rounds * len(NAMES)
    root = rig.fresh("peers-root")
    paths = make_small(root, each * (runs + 1))
    samples: dict[str, list[Taken]] = {}
    with ExitStack() as stack:
        url = stack.enter_context(origin(rig.fresh("peers-nginx"), root))
        urls = [url + path for path in paths]
        services = _services(rig, stack)
        for service in services.values():
            service.run(urls[: each // 5])  # warm-up
        # Thumbor keeps what it has fetched, so every run has images of its own.
        for number, name in enumerate(rig.turns(list(services)), start=1):
            taken = services[name].run(urls[number * each : (number + 1) * each])
            samples.setdefault(name, []).append(taken)
            say(f"{name}: {taken.rate:,.0f}/s, {taken.cost:.1f} ms, {taken.succeeded} of {taken.tried}")
    rig.remove("peers-root")
    text = TEXT.format(each=each, clients=clients.CLIENTS)
    rate = Table("peers, images a second", text, _rows(samples, "images/s", lambda one: one.rate))
    cost = Table("peers, CPU time an image", COST, _rows(samples, "ms", lambda one: one.cost))
    return [rate, cost]


def _services(rig: Rig, stack: ExitStack) -> Mapping[str, Service]:
    service = stack.enter_context(lading(rig.fresh("peers-lading"), WIDE))
    batch = lambda urls: import_all(service.port, urls, service.folder).succeeded  # noqa: E731
    images = service.folder / "images"
    found = {
        BATCH: Service((service.pid,), images, batch),
        POSTS: Service((service.pid,), images, _by_all(service.port, clients.asking("/api/v1/imports"))),
        WAIT: Service((service.pid,), images, _by_all(service.port, clients.waiting)),
    }
    if rig.peers is not None:
        queue = stack.enter_context(running.plain_queue(rig.peers, rig.fresh("peers-queue")))
        found[QUEUE] = Service(queue.pids, queue.folder / "images", _by_all(queue.port, clients.asking("/imports")))
        thumbor = stack.enter_context(running.thumbor(rig.peers, rig.fresh("peers-thumbor")))
        found[THUMBOR] = Service(thumbor.pids, thumbor.folder / "images", _by_all(thumbor.port, clients.loading))
        modules = rig.peers.parent / "node_modules"
        if modules.exists() and find("node"):
            peer, tus = stack.enter_context(companion(modules, rig.fresh("peers-companion")))
            found[COMPANION] = Service(peer.pids, peer.folder / "images", lambda urls: importing(peer, tus, urls))
    return found


def _by_all(port: int, work: Callable[..., int]) -> Work:
    return lambda urls: clients.by_all(port, urls, work)


def _rows(samples: Mapping[str, Sequence[Taken]], unit: str, value: Callable[[Taken], float]) -> tuple[Row, ...]:
    higher = unit == "images/s"
    reference = tuple(value(one) for one in samples.get(QUEUE, ()))
    rows = []
    for name in NAMES:
        found = samples.get(name, ())
        factor = FACTORS.get(name)
        row = Row(
            name=name,
            unit=unit,
            values=tuple(value(one) for one in found),
            reference=QUEUE,
            reference_values=reference,
            higher_is_better=higher,
            goal=None if factor is None else Goal(Measure.RATIO, factor if higher else 1 / factor),
            tried=sum(one.tried for one in found),
            succeeded=sum(one.succeeded for one in found),
            note="" if found else "it is not installed: make .venv-peers/.installed, with redis-server and Node.js",
        )
        rows.append(row)
    return tuple(rows)


TEXT = (
    "What was measured: {each} different JPEGs of about 45 KB from the origin on loopback, asked for by {clients}"
    " clients with a connection each (a batch is one request), timed from the first request until all images are"
    " there. Lading, one process: authorised, a document in SQLite that is synced before the answer, addresses judged,"
    " SHA-256, every frame decoded, the file synced, retries. Flask, Celery, Redis: what many write themselves"
    " (`bench/peers/plain_queue.py`): gunicorn with one process, Celery with two that are forked, requests, Pillow's"
    " verify, a row in SQLite that is not synced; no authorisation, no hash, no address guard, no retries, no limits."
    " Thumbor: one process with pycurl and files; it answers with the image, encoded anew, and keeps no record."
    " Uppy Companion: one process of Node.js that fetches, and one of @tus/server that it uploads to; files that are"
    " not synced, each beside a file with its name and size; no authorisation, no hash, no look at the image, no"
    " retries. A client hears by a WebSocket that its image is there."
)
COST = (
    "CPU time of all processes of the service, of its children that have ended too, and of Redis; in user space and in"
    " the kernel. Clients and origin are not in it. It is the steadier figure where the machine does something else."
)
