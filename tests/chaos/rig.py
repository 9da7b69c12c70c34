"""A deployment that can be hurt, the clients that use it meanwhile, and the checker of the promises.

Imports are posted in rounds. In the middle of each round something is killed; it is started again, and the clients go
on. At the end every acknowledged import must be done (P1, P2), its object byte-exact (P3, P4), and nothing there twice
or besides (P5).
"""

import asyncio
import contextlib
import hashlib
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient
from tornado.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError, SimpleAsyncHTTPClient

from plugins.testing.images import jpeg
from plugins.testing.origin import Exchange, Origin, answer
from service.models import Status
from tests.support.mongod import free_port
from tests.support.processes import ServiceProcess
from tests.support.service import CONF, Client, environment, token

LEASE = 3.0
SETTLE = LEASE + 60.0
"""Seconds from the last start within which every accepted import must be final (P2)."""
IN_FLIGHT = 20
IMAGES = {f"/{seed}.jpg": jpeg(40, 30, seed) for seed in range(20)}
UNANSWERED = (OSError, HTTPStreamClosedError, HTTPTimeoutError)


@dataclass
class Figures:
    """What happened, for the reader of the test's output."""

    hurts: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    unanswered: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    recovered: int = 0
    seconds: float = 0

    def __str__(self) -> str:
        hurts = ", ".join(f"{count} {name}" for name, count in sorted(self.hurts.items()))
        return (
            f"{hurts}; {self.acknowledged} imports acknowledged, {self.unanswered} posts unanswered, "
            f"{dict(self.refused)} refused; all done, {self.recovered} after more than one attempt; "
            f"0 lost, 0 stuck, 0 partial, 0 twice; {self.seconds:.0f} s"
        )


class Deployment:
    """Named processes on shared documents and storage; each can be killed and started again."""

    def __init__(self, directory: Path, overrides: Mapping[str, str], service_processes: int) -> None:
        self.directory = directory
        self._service_processes = service_processes
        self.port = free_port()
        self.processes: dict[str, ServiceProcess] = {}
        self._environ = environment(
            directory,
            **{
                "LADING_SERVICE__LOG_FORMAT": "json",
                "LADING_SERVICE__PORT": str(self.port),
                "LADING_WORKER__LEASE": str(LEASE),
                "LADING_WORKER__PER_ISSUER": "32",
                "LADING_WORKER__PER_HOST": "32",
                "LADING_WORKER__RETRY_BASE": "0.2",
                "LADING_WORKER__RETRY_MAX": "2",
                **overrides,
            },
        )
        (directory / "service.conf").write_text(CONF, encoding="utf-8")

    def start(self, name: str) -> None:
        """Start ``service…`` or ``worker…`` and wait until it listens or works."""
        is_service = name.startswith("service")
        command = ("serve", "--processes", str(self._service_processes)) if is_service else ("worker",)
        arguments = (*command, "--config", str(self.directory / "service.conf"))
        self.processes[name] = ServiceProcess(arguments, self._environ)
        self.processes[name].wait_for("listening" if is_service else "working")

    def kill(self, name: str) -> None:
        """``kill -9``, without a last word."""
        self.processes.pop(name).kill()

    def kill_a_detector_child(self, rng: random.Random) -> bool:
        """``kill -9`` of one process that decodes images, if there is one now."""
        return kill_one(rng, [pid for parent in self.servers() for pid in children_of(parent)])

    def kill_a_served_process(self, rng: random.Random) -> bool:
        """``kill -9`` of one process behind a supervisor, which is to start another."""
        return kill_one(rng, children_of(self.processes["service"].process.pid))

    def servers(self) -> list[int]:
        """Pids of the processes that run imports."""
        pids = [process.process.pid for process in self.processes.values()]
        if self._service_processes > 1 and "service" in self.processes:
            supervisor = self.processes["service"].process.pid
            return [pid for pid in pids if pid != supervisor] + children_of(supervisor)
        return pids

    def stop(self) -> None:
        """End everything that still runs, politely; each must end well."""
        for name in tuple(self.processes):
            assert self.processes.pop(name).terminate() == 0, name

    def abandon(self) -> None:
        """End everything, whatever its state; for a test that has failed already."""
        for name in tuple(self.processes):
            self.kill(name)


class Clients:
    """Post imports and remember what was acknowledged."""

    def __init__(self, base: str, origin: Origin, rng: random.Random) -> None:
        self.client = Client(base, token())
        self.acknowledged: dict[str, str] = {}
        self.figures = Figures()
        self._origin = origin
        self._rng = rng

    async def post(self) -> None:
        """Post one import until it is acknowledged; a post without an answer promises nothing."""
        path = self._rng.choice(tuple(IMAGES))
        while True:
            try:
                response = await self.client.post(f"album_id=imported_album&url={self._origin.url(path)}")
            except UNANSWERED:
                self.figures.unanswered += 1
            else:
                if response.code == 200:
                    self.acknowledged[json.loads(response.body)["id"]] = path
                    return
                assert response.code == 503, response.body
                assert response.headers["Retry-After"]
                self.figures.refused[response.code] += 1
            await asyncio.sleep(0.1)

    async def post_round(self) -> None:
        await asyncio.gather(*(self.post() for _ in range(IN_FLIGHT)))

    async def finished(self) -> dict[str, dict[str, Any]]:
        """Every acknowledged import's document, once all are final."""
        deadline = time.monotonic() + SETTLE
        documents: dict[str, dict[str, Any]] = {}
        for import_id in self.acknowledged:
            while True:
                with contextlib.suppress(*UNANSWERED):
                    response = await self.client.fetch(f"/api/v1/imports/{import_id}")
                    assert response.code in (200, 503), f"lost: {import_id} answers {response.code}"
                    if response.code == 200:
                        documents[import_id] = json.loads(response.body)
                        if Status(documents[import_id]["status"]).is_final:
                            break
                assert time.monotonic() < deadline, f"stuck: {documents.get(import_id)}"
                await asyncio.sleep(0.1)
        return documents


def check(clients: Clients, documents: Mapping[str, Mapping[str, Any]], images: Path, stored_ids: set[str]) -> None:
    """Hold the deployment to its promises.

    Args:
        clients: what was acknowledged.
        documents: every acknowledged import's final document.
        images: the storage's folder.
        stored_ids: ids of all documents that the store has as done, acknowledged or not.
    """
    statuses = Counter(document["status"] for document in documents.values())
    failed = [document for document in documents.values() if document["status"] != "done"]
    assert statuses == {"done": len(clients.acknowledged)}, failed[:3]
    for import_id, path in clients.acknowledged.items():
        content = (images / import_id[:2] / import_id).read_bytes()
        assert content == IMAGES[path], f"not the origin's bytes: {import_id}"
        image = documents[import_id]["image"]
        assert image["sha256"] == hashlib.sha256(content).hexdigest()
        assert image["byte_size"] == len(content)
    files = Counter(path.name for path in images.rglob("*") if path.is_file())
    assert set(files) == stored_ids, "an object without a document, or a document without its object"
    assert set(files.values()) <= {1}
    assert clients.acknowledged.keys() <= stored_ids
    image_ids = [document["image_id"] for document in documents.values()]
    assert len(set(image_ids)) == len(image_ids)
    clients.figures.acknowledged = len(clients.acknowledged)
    clients.figures.recovered = sum(document["attempts"] > 1 for document in documents.values())


@asynccontextmanager
async def slow_origin(rng: random.Random) -> AsyncIterator[Origin]:
    """An origin that takes up to a third of a second for an image, so that kills find imports under way."""

    async def behave(exchange: Exchange) -> bool:
        content = IMAGES.get(exchange.request.target)
        await asyncio.sleep(rng.uniform(0.02, 0.3))
        return await answer(content or b"", 200 if content else 404)(exchange)

    async with Origin(otherwise=behave, lifetime=3600) as origin:
        yield origin


Hurt = Callable[[], Awaitable[None]]


@asynccontextmanager
async def hurting(
    directory: Path, overrides: Mapping[str, str], names: tuple[str, ...], *, seed: int, service_processes: int = 1
) -> AsyncIterator[tuple[Deployment, Clients, random.Random]]:
    """A started deployment and its clients; afterwards everything has ended."""
    rng = random.Random(seed)
    AsyncHTTPClient.configure(SimpleAsyncHTTPClient, max_clients=2 * IN_FLIGHT)
    deployment = Deployment(directory, overrides, service_processes)
    try:
        async with slow_origin(rng) as origin:
            for name in names:
                await in_thread(deployment.start, name)
            yield deployment, Clients(f"http://127.0.0.1:{deployment.port}", origin, rng), rng
            await in_thread(deployment.stop)
    finally:
        deployment.abandon()
        AsyncHTTPClient.configure(None)


async def rounds(clients: Clients, rng: random.Random, hurts: Mapping[str, Hurt], count: int) -> None:
    """Post a round of imports and hurt something in the middle of it, ``count`` times."""
    for _ in range(count):
        name = rng.choice(tuple(hurts))
        posting = asyncio.create_task(clients.post_round())
        try:
            await asyncio.sleep(rng.uniform(0.0, 0.25))
            await hurts[name]()
            clients.figures.hurts[name] += 1
            await posting
        finally:
            posting.cancel()


def kill_and_start(deployment: Deployment, name: str, rng: random.Random) -> Hurt:
    """Kill a process and start it again."""

    async def hurt() -> None:
        await in_thread(deployment.kill, name)
        await asyncio.sleep(rng.uniform(0.0, 0.2))
        await in_thread(deployment.start, name)

    return hurt


async def in_thread(function: Callable[..., object], *arguments: Any) -> None:
    """Run what blocks beside the loop, which is the origin's and the clients'."""
    await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def kill_one(rng: random.Random, pids: list[int]) -> bool:
    """``kill -9`` of one of them; False where there is none."""
    if not pids:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(rng.choice(pids), signal.SIGKILL)
    return True


def children_of(pid: int) -> list[int]:
    """Pids of a process's children (proc(5)); empty where it has gone."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found
