"""A cancelled import stops, whether Lading fetches its bytes or receives them: at once in its own process, and soon in
another. Nothing of it is left, and a retry works at once.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lading.plugins.testing import images
from lading.plugins.testing.images import jpeg
from lading.service.runtime import serving
from lading.service.storages.saving import Saving
from tests.api.uploads.feeding import DATA, post, put, waiting
from tests.api.uploads.feeding import files as contents
from tests.support.servers.service import Client, running_service, token

ABILITIES = ("image_upload", "image_delete")
TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
ENDS = [("/cancel", "POST"), ("", "DELETE")]


@dataclass
class Trickle:
    """An origin that never comes to the end of its body, and knows when its client has gone."""

    port: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"GET")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 1000000\r\n\r\n")
        writer.write(images.jpeg())  # bytes that begin no image would end the fetch
        ended = asyncio.create_task(reader.read())
        try:
            while not ended.done():
                writer.write(b"x" * 5000)
                self.begun.set()
                await asyncio.wait({ended}, timeout=0.05)
        except OSError:
            pass
        finally:
            self.gone.set()
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)
            writer.close()


@asynccontextmanager
async def trickle() -> AsyncIterator[Trickle]:
    origin = Trickle()
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0)
    async with server:
        origin.port = server.sockets[0].getsockname()[1]
        yield origin


def files(directory: Path) -> list[Path]:
    return [path for path in (directory / "images").rglob("*") if path.is_file()]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "in another worker"])
@pytest.mark.parametrize(("action", "method"), ENDS)
@pytest.mark.gen_test(timeout=30)
async def test_an_attempt_ends_with_its_import(tmp_path: Path, elsewhere: bool, action: str, method: str) -> None:
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(trickle())
        overrides: dict[str, Any] = {"LADING_WORKER__ENABLED": "false"} if elsewhere else {}
        service = await stack.enter_async_context(running_service(tmp_path, **overrides))
        if elsewhere:
            await stack.enter_async_context(running_service(tmp_path, LADING_WORKER__POLL_INTERVAL="0.1"))
        client = Client(service.url, token(abilities=ABILITIES))
        response = await client.post(f"album_id=imported_album&url=http://127.0.0.1:{origin.port}/a.png")
        path = response.headers["Location"]
        await origin.begun.wait()
        assert (await client.fetch(path + action, method=method)).code in (200, 204)
        await origin.gone.wait()
        store = service.parts.store
        while (found := await store.get(path.rpartition("/")[2])) is not None and found.is_stopping:
            await asyncio.sleep(0.02)
        assert found is not None, "it is looked for once more, by the purger"
        assert (found.deleted_at is None) == (method != "DELETE")
        assert files(tmp_path) == []
        if found.deleted_at is None:
            assert (await client.fetch(f"{path}/retry", method="POST")).code == 200
            assert (await client.document(found.id))["attempts"] <= 1


# --- receptions -------------------------------------------------------------------------------------------------------


class Sender:
    """A client in the middle of a ``PUT``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> tuple[int, dict[str, Any]]:
        head, _, body = (await self.reader.read()).partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)


@asynccontextmanager
async def half_sent(client: Client, import_id: str) -> AsyncIterator[Sender]:
    """Half of a body has come."""
    address = urlsplit(client.base)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = (
        f"PUT /api/v1/imports/{import_id}/content HTTP/1.1\r\nHost: lading\r\n"
        f"Authorization: Bearer {client.token}\r\nContent-Length: {2 * len(DATA)}\r\n\r\n"
    )
    writer.write(head.encode() + DATA)
    while (await client.document(import_id))["status"] != "running":
        await asyncio.sleep(0.01)
    try:
        yield Sender(reader, writer)
    finally:
        writer.close()


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when a first attempt has saved its object, and stays with that."""
    saved = asyncio.Event()
    save = Saving.save

    async def save_and_stay(*arguments: Any) -> None:
        is_first = not saved.is_set()
        await save(*arguments)
        saved.set()
        if is_first:
            await asyncio.Event().wait()

    monkeypatch.setattr(Saving, "save", save_and_stay)
    return saved


@asynccontextmanager
async def services(folder: Path, *, elsewhere: bool) -> AsyncIterator[tuple[Client, Client]]:
    """A client of the service that receives, and of the one that is told of the end."""
    async with AsyncExitStack() as stack:
        running = [
            await stack.enter_async_context(running_service(folder, LADING_UPLOADS__DIRECTORY=str(folder / "uploads")))
            for _ in range(2 if elsewhere else 1)
        ]
        clients = [Client(one.url, token(abilities=ABILITIES)) for one in running]
        yield clients[0], clients[-1]


async def end(client: Client, import_id: str, action: str, method: str) -> None:
    response = await client.fetch(f"/api/v1/imports/{import_id}{action}", method=method)
    assert response.code in (200, 204), response.body


async def check_retry(client: Client, import_id: str) -> None:
    """It works at once; the bytes can be sent again."""
    response = await client.fetch(f"/api/v1/imports/{import_id}/retry", method="POST")
    assert (response.code, json.loads(response.body).get("status")) == (200, "waiting"), response.body
    assert (await put(client, import_id)).code == 200


@pytest.mark.sampled(2)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "in another process"])
@pytest.mark.parametrize(("action", "method"), ENDS)
@pytest.mark.gen_test(timeout=60)
async def test_a_body_ends_with_its_import(tmp_path: Path, elsewhere: bool, action: str, method: str) -> None:
    async with services(tmp_path, elsewhere=elsewhere) as (client, other):
        import_id = await waiting(client)
        async with half_sent(client, import_id) as sender:
            await end(other, import_id, action, method)
            if method == "POST":
                await check_retry(other, import_id)
                assert contents(tmp_path) == [DATA]
            status, problem = await sender.answer()
            assert (status, problem["code"]) in ((409, "content_not_expected"), (409, "content_in_progress"))
        assert contents(tmp_path) == ([DATA] if method == "POST" else [])


@pytest.mark.sampled(3)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "in another process"])
@pytest.mark.parametrize("way", ["put", "form", "tus"])
@pytest.mark.gen_test(timeout=60)
async def test_an_attempt_at_sent_bytes_ends_with_its_import(
    tmp_path: Path, begun: asyncio.Event, elsewhere: bool, way: str
) -> None:
    async with services(tmp_path, elsewhere=elsewhere) as (client, other):
        if way == "form":
            sending = asyncio.create_task(post(client, ("album_id", None, b"imported_album"), ("file", "a.jpg", DATA)))
        elif way == "put":
            sending = asyncio.create_task(put(client, await waiting(client)))
        else:
            album = base64.b64encode(b"imported_album").decode()
            head = {**TUS, "Upload-Length": str(len(DATA)), "Upload-Metadata": f"album_id {album}"}
            sending = asyncio.create_task(client.fetch("/api/v1/uploads", method="POST", headers=head, body=DATA))
        await begun.wait()
        (stored,) = (path for path in (tmp_path / "images").rglob("*") if path.is_file())
        await end(other, stored.name, "/cancel", "POST")
        response = await sending
        assert (response.code, json.loads(response.body)["code"]) == (409, "content_not_expected")
        assert contents(tmp_path) == []
        assert not list(tmp_path.rglob("*.part"))
        await check_retry(other, stored.name)
        assert contents(tmp_path) == [DATA]


@pytest.mark.gen_test(timeout=60)
async def test_what_has_come_of_a_resumable_upload_goes_with_its_import(tmp_path: Path) -> None:
    async with services(tmp_path, elsewhere=False) as (client, _):
        for action, method in ENDS:
            album = base64.b64encode(b"imported_album").decode()
            head = {**TUS, "Upload-Length": str(len(DATA)), "Upload-Metadata": f"album_id {album}"}
            response = await client.fetch("/api/v1/uploads", method="POST", headers=head, body=DATA[:-1])
            assert response.code == 201, response.body
            assert [path.read_bytes() for path in tmp_path.rglob("*.part")] == [DATA[:-1]]
            await end(client, response.headers["X-Import-Id"], action, method)
            assert not list(tmp_path.rglob("*.part"))


@pytest.mark.gen_test(timeout=60)
async def test_a_service_that_stops_lets_the_import_wait_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "REQUEST_GRACE", 0.1)
    async with AsyncExitStack() as stack, running_service(tmp_path) as other:
        service = await stack.enter_async_context(running_service(tmp_path))
        client = Client(service.url, token(abilities=ABILITIES))
        import_id = await waiting(client)
        async with half_sent(client, import_id):
            await stack.aclose()
        client = Client(other.url, token(abilities=ABILITIES))
        assert (await client.document(import_id))["status"] == "waiting"
        assert (await put(client, import_id, jpeg(32, 32))).code == 200


@pytest.mark.gen_test(timeout=60)
async def test_a_client_that_goes_away_lets_the_import_wait_and_be_cancelled(tmp_path: Path) -> None:
    async with services(tmp_path, elsewhere=False) as (client, _):
        import_id = await waiting(client)
        async with half_sent(client, import_id):
            pass
        while (await client.document(import_id))["status"] != "waiting":
            await asyncio.sleep(0.01)
        await end(client, import_id, "/cancel", "POST")
        await check_retry(client, import_id)
