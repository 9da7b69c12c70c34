"""A service and two workers on one database, and a real NATS between them that is killed, frozen and emptied."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer
from tests.conftest import LONG
from tests.support.servers.processes import ServiceProcess, lading
from tests.support.servers.programs.nats_server import NatsServer, nats_server
from tests.support.servers.service import CONF, OTHER_ISSUER, Client, environment, token

IMPORTS = 200 if LONG else 60
HOG = 2000 if LONG else 200
FROZEN_SECONDS = 20.0 if LONG else 2.0


@pytest.fixture
def server() -> Iterator[NatsServer]:
    with nats_server() as running:
        yield running


@dataclass
class Fleet:
    """The processes.

    Attributes:
        client, guest: of two issuers.
        posted: ids of accepted imports.
    """

    directory: Path
    environ: dict[str, str]
    origin: Origin
    client: Client
    guest: Client
    posted: list[str]

    async def post(self, client: Client, number: int) -> str:
        response = await client.post_json({"album_id": "imported_album", "url": self.origin.url(f"/image?{number}")})
        assert response.code == 200, response.body
        self.posted.append(str(json.loads(response.body)["id"]))
        return self.posted[-1]

    async def final(self, client: Client, import_id: str) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while (document := await client.document(import_id))["status"] in ("queued", "running"):
                await asyncio.sleep(0.05)
        return document

    async def check(self) -> None:
        """0 lost, 0 stuck, 0 twice."""
        documents = [await self.final(self.client, import_id) for import_id in self.posted]
        assert Counter((one["status"], one["attempts"]) for one in documents) == {("done", 1): len(self.posted)}
        assert {*Counter(request.target for request in self.origin.requests).values()} == {1}


@asynccontextmanager
async def fleet(directory: Path, server: NatsServer, **options: str) -> AsyncIterator[Fleet]:
    (directory / "service.conf").write_text(CONF, encoding="utf-8")
    environ = environment(
        directory,
        LADING_SERVICE__LOG_FORMAT="json",
        LADING_WORKER__ENABLED="false",
        LADING_WORKER__LEASE="6",
        LADING_WORKER__BLOCKING_LIMIT="3",
        LADING_WORKER__DISPATCH="nats",
        LADING_NATS__SERVERS=server.url,
        **options,
    )
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(Origin({"/image": answer(jpeg(8, 8))}))
        config = ("--config", str(directory / "service.conf"))
        service = stack.enter_context(ServiceProcess(("serve", *config), environ))
        workers = [stack.enter_context(ServiceProcess(("worker", *config), environ)) for _ in range(2)]
        address = await asyncio.to_thread(service.wait_for, "listening")
        for worker in workers:
            await asyncio.to_thread(worker.wait_for, "working")
        clients = Client(address["address"], token()), Client(address["address"], token(issuer=OTHER_ISSUER))
        yield Fleet(directory, environ, origin, *clients, [])
        for process in (service, *workers):
            assert await asyncio.to_thread(process.terminate) == 0


async def kill(server: NatsServer) -> None:
    server.kill()
    await asyncio.sleep(1.0)
    server.start()


async def freeze(server: NatsServer) -> None:
    server.pause()
    try:
        await asyncio.sleep(FROZEN_SECONDS)
    finally:
        server.resume()


async def empty(server: NatsServer) -> None:
    server.empty()


@pytest.mark.long_form
@pytest.mark.gen_test(timeout=110)
async def test_a_broker_that_is_killed_frozen_and_emptied_costs_no_import(tmp_path: Path, server: NatsServer) -> None:
    harms: list[Callable[[NatsServer], Any]] = [kill, freeze, empty]
    async with fleet(tmp_path, server) as running:
        for harm in harms:
            numbers = range(len(running.posted), len(running.posted) + IMPORTS // 3)
            posting = asyncio.gather(*(running.post(running.client, number) for number in numbers))
            await harm(server)
            await posting
        await running.check()
        found = lading("check", "--config", "service.conf", cwd=tmp_path, environ=running.environ)
        assert found.status == 0, found.stdout + found.stderr
        server.kill()
        found = lading("check", "--config", "service.conf", cwd=tmp_path, environ=running.environ)
        assert (found.status, "[nats]: " in found.stdout + found.stderr) == (1, True)
        await running.post(running.client, 1_000_000)
        await running.check()


@pytest.mark.gen_test(timeout=110)
async def test_a_guest_s_import_ends_beside_a_hog_s_backlog(tmp_path: Path, server: NatsServer) -> None:
    async with fleet(tmp_path, server) as running:
        for start in range(0, HOG, 50):
            await asyncio.gather(*(running.post(running.client, start + number) for number in range(50)))
        guests = await running.post(running.guest, HOG)
        running.posted.remove(guests)
        assert (await running.final(running.guest, guests))["status"] == "done"
        await running.check()
