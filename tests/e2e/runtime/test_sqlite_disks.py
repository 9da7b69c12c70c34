"""The database's disk is full, or its files are read-only, for a while: two serving processes and a worker go on.

Nothing is acknowledged meanwhile that is not there afterwards, and right after the disk works again all requests do.
"""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer
from tests.support.disks import disk_with_attributes, full, immutable, small_disk
from tests.support.servers.processes import ServiceProcess
from tests.support.servers.service import CONF, environment, token

FULL_DISK_MEGABYTES = 16
"""SQLite folds its log into the file when that has 1000 pages, 4.1 MB: a disk with less room than that for the log is
full by the log alone, whoever else makes room, and refuses writes until the last process has closed the file."""
PROCESSES = 2
METADATA = "metadata[color]=blue&metadata[note]=" + "x" * 12_000
"""Long enough that the log has to grow; the color has a row of its own, hence the import a transaction of several."""
ENDINGS = ("", "-wal")
"""Of the files that become read-only. Not ``-shm``: it is mapped into memory, and the system kills who writes there."""


@contextmanager
def full_disk() -> Iterator[tuple[Path, AbstractContextManager[None]]]:
    with small_disk(FULL_DISK_MEGABYTES) as folder:
        yield folder, full(folder)


@contextmanager
def read_only() -> Iterator[tuple[Path, AbstractContextManager[None]]]:
    with disk_with_attributes() as folder:
        yield folder, immutable(*(folder / f"lading.sqlite3{ending}" for ending in ENDINGS))


@dataclass
class Clients:
    """Ask a service, and remember what it acknowledged.

    Attributes:
        added: ids of imports.
        deleted: ids of imports that were deleted.
        images_deleted: ids of images that were deleted.
        last_body: of the last answer to a deletion.
    """

    address: str
    origin: Origin
    added: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    images_deleted: set[str] = field(default_factory=set)
    last_body: bytes = b""

    def __post_init__(self) -> None:
        # A connection for each request: either serving process may get it.
        self._client = AsyncHTTPClient(force_instance=True, max_clients=20)

    async def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> HTTPResponse:
        abilities = ("image_upload", "image_download", "image_list", "see")
        given = {"Authorization": f"Bearer {token(abilities=abilities, admin=True)}", "Connection": "close", **headers}
        request = HTTPRequest(
            self.address + path, method=method, body=body, headers=given, allow_nonstandard_methods=True
        )
        return await self._client.fetch(request, raise_error=False)

    async def post(self, more: str = METADATA, **headers: str) -> int:
        body = f"album_id=imported_album&url={self.origin.url('/image.jpg')}&{more}"
        response = await self.ask("POST", "/api/v1/imports", body, **headers)
        if response.code == 200:
            self.added.add(json.loads(response.body)["id"])
        return response.code

    async def delete(self, import_id: str) -> int:
        response = await self.ask("DELETE", f"/api/v1/imports/{import_id}")
        if response.code < 300:
            self.deleted.add(import_id)
        self.last_body = response.body
        return response.code

    async def delete_image(self, document: dict[str, Any]) -> int:
        response = await self.ask("DELETE", f"/api/v1/images/{document['image_id']}")
        self.last_body = response.body
        if response.code < 300:
            self.images_deleted.add(document["image_id"])
        return response.code

    async def check(self, images: Sequence[dict[str, Any]]) -> None:
        """What was acknowledged is so, and what was refused is as it was."""
        for import_id in self.added:
            found = await self.ask("GET", f"/api/v1/imports/{import_id}")
            assert found.code == (404 if import_id in self.deleted else 200), (found.code, found.body)
        for one in images:
            found = await self.ask("GET", f"/api/v1/images/{one['image_id']}/content")
            is_gone = one["image_id"] in self.images_deleted or one["id"] in self.deleted
            assert found.code in ((404, 410) if is_gone else (200,)), (found.code, found.body)

    async def document(self, import_id: str) -> dict[str, Any]:
        response = await self.ask("GET", f"/api/v1/imports/{import_id}")
        assert response.code == 200, f"acknowledged and lost: {import_id}"
        document: dict[str, Any] = json.loads(response.body)
        return document

    async def imported(self) -> dict[str, Any]:
        """A new import, done."""
        before = set(self.added)
        assert await self.post() == 200
        (import_id,) = self.added - before
        while (document := await self.document(import_id))["status"] != "done":
            assert document["status"] in ("queued", "running")
            await asyncio.sleep(0.05)
        return document

    def close(self) -> None:
        self._client.close()


@asynccontextmanager
async def serving(tmp_path: Path, folder: Path) -> AsyncIterator[Clients]:
    """Two serving processes and a worker, which share the database in the folder."""
    conf = tmp_path / "service.conf"
    conf.write_text(CONF, encoding="utf-8")
    overrides = {
        "LADING_DOCUMENTS_SQLITE__PATH": str(folder / "lading.sqlite3"),
        "LADING_SERVICE__LOG_FORMAT": "json",
        "LADING_SERVICE__PROCESSES": str(PROCESSES),
    }
    environ = environment(tmp_path, **overrides)
    content = jpeg(40, 30, 1)
    async with Origin(otherwise=answer(content)) as origin:
        with (
            ServiceProcess(("serve", "--config", str(conf)), environ, tmp_path) as service,
            ServiceProcess(("worker", "--config", str(conf)), environ, tmp_path) as worker,
        ):
            # Both have opened the database: a process that starts without one refuses all requests, reads too.
            started = await asyncio.to_thread(service.wait_for, "listening", 60, PROCESSES)
            await asyncio.to_thread(worker.wait_for, "working")
            clients = Clients(started["address"], origin)
            try:
                while (await clients.ask("GET", "/readyz")).code != 200:  # listening is not serving yet
                    await asyncio.sleep(0.1)
                yield clients
            except BaseException as error:
                refused = [line for line in service.lines if line.get("status") == 503 and line.get("method") == "GET"]
                error.add_note(f"GETs that the service refused: {refused}")
                raise
            finally:
                clients.close()
            for process in (worker, service):
                assert await asyncio.to_thread(process.terminate) == 0


def ids_in(folder: Path) -> set[str]:
    with closing(sqlite3.connect(folder / "lading.sqlite3")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        return {row[0] for row in connection.execute("SELECT id FROM imports")}


@pytest.mark.timeout(180)
@pytest.mark.gen_test(timeout=170)
@pytest.mark.sampled(2)
@pytest.mark.parametrize("failing_disk", [full_disk, read_only], ids=["full", "read-only"])
async def test_a_disk_that_fails_for_a_while(tmp_path: Path, failing_disk: Any) -> None:
    with failing_disk() as (folder, failing):
        async with serving(tmp_path, folder) as clients:
            images = [await clients.imported() for _ in range(4)]
            with failing:
                while await clients.post() != 503:  # until what the log has room for is used up
                    pass
                codes = await asyncio.gather(*(clients.post() for _ in range(20)))
                # A write that is small enough may still have room: it is made then.
                codes += [await clients.post(**{"Idempotency-Key": "the-key"})]
                codes += [await clients.delete(one["id"]) for one in images[:2]]
                codes += [await clients.delete_image(one) for one in images[2:]]
                assert codes.count(503) > len(codes) / 2
                assert set(codes) <= {200, 202, 204, 503}
                await clients.check(images)
                await asyncio.sleep(1.1)  # as long as an answer of /readyz holds
                assert (await clients.ask("GET", "/readyz")).code == 503
            await clients.check(images)
            assert set(await asyncio.gather(*(clients.post() for _ in range(20)))) == {200}
            assert await clients.post(**{"Idempotency-Key": "the-key"}) == 200
            for one in images[:2]:
                if one["id"] not in clients.deleted:
                    assert await clients.delete(one["id"]) in (202, 204), clients.last_body
            for one in images[2:]:
                assert await clients.delete_image(one) in (202, 204), clients.last_body
            await clients.check(images)
            await clients.imported()
            await asyncio.sleep(1.1)
            assert (await clients.ask("GET", "/readyz")).code == 200
            for import_id in clients.added - clients.deleted:
                while (await clients.document(import_id))["status"] != "done":
                    await asyncio.sleep(0.05)
        assert clients.added - clients.deleted <= ids_in(folder)
