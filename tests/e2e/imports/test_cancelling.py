"""A cancelled import stops fetching: at once in its own process, and soon in another; nothing of it is left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.testing import images
from tests.support.servers.service import Client, running_service, token

ABILITIES = ("image_upload", "image_delete")


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


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "in another worker"])
@pytest.mark.parametrize(("action", "method"), [("/cancel", "POST"), ("", "DELETE")])
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
