"""Hundreds of imports through a real service process: all done, byte-exact, none twice, also where it is killed midway.

A thousand in the long form of the tests.
"""

import asyncio
import hashlib
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.simple_httpclient import HTTPStreamClosedError, SimpleAsyncHTTPClient

from lading.plugins.testing.images import jpeg
from tests.conftest import LONG
from tests.support.servers.processes import ServiceProcess, origin_process
from tests.support.servers.service import CONF, Client, environment, token

IMPORTS = 1000 if LONG else 300
CONCURRENCY = 32
DISTINCT = 50


class Rig:
    """A folder with everything, the origin's images, and the clients' memory of what was acknowledged."""

    def __init__(self, directory: Path, origin: str, content: dict[str, bytes]) -> None:
        self.directory = directory
        self.origin = origin
        self.content = content
        self.acknowledged: dict[str, str] = {}
        (directory / "service.conf").write_text(CONF, encoding="utf-8")

    def start(self) -> tuple[ServiceProcess, Client]:
        environ = environment(
            self.directory,
            LADING_SERVICE__LOG_FORMAT="json",
            LADING_WORKER__LEASE="3",
            LADING_WORKER__PER_ISSUER="16",
            LADING_WORKER__PER_HOST="16",
        )
        service = ServiceProcess(("serve", "--config", str(self.directory / "service.conf")), environ)
        return service, Client(service.wait_for("listening")["address"], token())

    async def post(self, client: Client, number: int) -> None:
        """Post one import, and remember what was acknowledged; where no answer came, nothing was promised."""
        name = f"{number % DISTINCT}.jpg"
        try:
            response = await client.post(f"album_id=imported_album&metadata[number]={number}&url={self.origin}/{name}")
        except (OSError, HTTPStreamClosedError):
            return
        if response.code == 200:
            self.acknowledged[json.loads(response.body)["id"]] = name

    async def post_all(self, client: Client, numbers: range) -> None:
        waiting = iter(numbers)

        async def poster() -> None:
            for number in waiting:
                await self.post(client, number)

        await asyncio.gather(*(poster() for _ in range(CONCURRENCY)))

    async def finished(self, client: Client, deadline: float) -> dict[str, dict[str, Any]]:
        """Every acknowledged import's final document."""
        documents: dict[str, dict[str, Any]] = {}
        for import_id in self.acknowledged:
            while True:
                documents[import_id] = await client.document(import_id)
                if documents[import_id]["status"] in ("done", "failed"):
                    break
                assert time.monotonic() < deadline, f"stuck: {documents[import_id]}"
                await asyncio.sleep(0.1)
        return documents

    def check(self, documents: dict[str, dict[str, Any]]) -> None:
        """P3, P4, P5: each done, its object there once and byte-exact, and nothing else in the folder."""
        assert Counter(document["status"] for document in documents.values()) == {"done": len(self.acknowledged)}
        for import_id, name in self.acknowledged.items():
            stored = self.directory / "images" / import_id[:2] / import_id
            assert stored.read_bytes() == self.content[name], import_id
            image = documents[import_id]["image"]
            assert image["sha256"] == hashlib.sha256(self.content[name]).hexdigest()
            assert image["byte_size"] == len(self.content[name])
        assert len({document["image_id"] for document in documents.values()}) == len(documents)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def content() -> dict[str, bytes]:
    return {f"{seed}.jpg": jpeg(48, 32, seed) for seed in range(DISTINCT)}


@pytest.fixture
def rig(tmp_path: Path, content: dict[str, bytes]) -> Any:
    AsyncHTTPClient.configure(SimpleAsyncHTTPClient, max_clients=CONCURRENCY)
    originals = tmp_path / "origin"
    originals.mkdir()
    for name, data in content.items():
        (originals / name).write_bytes(data)
    with origin_process(originals) as origin:
        yield Rig(tmp_path, origin, content)
    AsyncHTTPClient.configure(None)


@pytest.mark.gen_test(timeout=110)
async def test_they_are_all_done_and_none_twice(rig: Rig) -> None:
    service, client = rig.start()
    with service:
        await rig.post_all(client, range(IMPORTS))
        assert len(rig.acknowledged) == IMPORTS
        rig.check(await rig.finished(client, time.monotonic() + 60))
        assert service.terminate() == 0
    assert len(files_below(rig.directory / "images")) == IMPORTS


@pytest.mark.gen_test(timeout=110)
async def test_kill_9_in_the_middle_loses_nothing_and_makes_nothing_twice(rig: Rig) -> None:
    service, client = rig.start()
    with service:
        posting = asyncio.create_task(rig.post_all(client, range(IMPORTS // 2)))
        while len(rig.acknowledged) < IMPORTS // 4:
            await asyncio.sleep(0.01)
        service.kill()
        await posting
    service, client = rig.start()
    with service:
        await rig.post_all(client, range(IMPORTS // 2, IMPORTS))
        assert len(rig.acknowledged) > IMPORTS // 2
        rig.check(await rig.finished(client, time.monotonic() + 70))
        assert service.terminate() == 0
    # An import whose answer the kill cut off may have been accepted, and then it was done, too.
    stored = files_below(rig.directory / "images")
    assert all(path.parent != rig.directory / "images" / ".incoming" for path in stored)
    assert len(rig.acknowledged) <= len(stored) <= len(rig.acknowledged) + CONCURRENCY
