"""A hog that holds what it can get of uploads, batches, downloads and streams, and a guest that is served meanwhile."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from lading.plugins.testing import images
from lading.service.runtime.serving import RunningService
from tests.support.images import noise, path_of, read_head, stored_in
from tests.support.servers.service import ISSUER, OTHER_ISSUER, OTHER_ORGANIZATION, Client, running_service, token

FOUR_PLACES = {
    "LADING_WORKER__ENABLED": "false",
    "LADING_DOCUMENTS__BACKEND": "memory",
    "LADING_UPLOADS__CONCURRENCY": "4",
    "LADING_IMAGES__MAX_DOWNLOADS": "4",
    "LADING_EVENTS__MAX_STREAMS": "4",
}
LONG = noise(8 * 1024 * 1024)
"""More than the kernel holds for one connection."""
ALBUM = "imported_album"


class Tenant:
    """A client, and the requests that it has begun and not ended."""

    def __init__(self, service: RunningService, held: AsyncExitStack, issuer: str = ISSUER) -> None:
        abilities = ("image_upload", "image_download", "see")
        self.token = token(abilities=abilities, issuer=issuer)
        self.client = Client(service.url, self.token)
        self._port = int(service.url.rpartition(":")[2])
        self._held = held

    async def begins(self, method: str, path: str, **headers: str) -> tuple[int, str | None]:
        """Begin a request, and do not go on with it: the status of the first answer, and the code of its error."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=16 * 1024)
        self._held.callback(_abort, reader, writer)
        fields = {"Host": "x", "Authorization": f"Bearer {self.token}", **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode())
        status, answer = await read_head(reader)
        if status < 400:
            return status, None
        return status, json.loads(await reader.readexactly(int(answer["content-length"])))["code"]

    async def waiting(self) -> str:
        """The id of a new import that waits for its bytes."""
        response = await self.client.post(f"album_id={ALBUM}")
        return str(json.loads(response.body)["id"])

    async def puts(self) -> tuple[int, str | None]:
        path = f"/api/v1/imports/{await self.waiting()}/content"
        return await self.begins("PUT", path, Expect="100-continue", **{"Content-Length": "1000"})

    async def posts_a_batch(self) -> tuple[int, str | None]:
        kind = {"Content-Type": "application/x-ndjson", "Content-Length": "1000"}
        return await self.begins("POST", "/api/v1/imports/batch", Expect="100-continue", **kind)

    async def looks(self) -> int:
        """The status of a preflight."""
        url = "data:image/jpeg;base64," + base64.b64encode(images.jpeg(8, 8)).decode()
        body = json.dumps({"album_id": ALBUM, "url": url})
        kind = {"Content-Type": "application/json"}
        return (await self.client.fetch("/api/v1/imports/preflight", method="POST", body=body, headers=kind)).code


def _abort(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End a connection. A reader that nobody holds would end it as well."""
    writer.transport.abort()


@asynccontextmanager
async def two(folder: Path) -> AsyncIterator[tuple[RunningService, Tenant, Tenant]]:
    async with running_service(folder, None, **FOUR_PLACES) as service, AsyncExitStack() as held:
        yield service, Tenant(service, held), Tenant(service, held, OTHER_ISSUER)


@pytest.mark.gen_test(timeout=60)
async def test_a_hog_takes_half_of_the_places_and_a_guest_is_served(tmp_path: Path) -> None:
    async with two(tmp_path) as (service, hog, guest):
        # Uploads; batches and preflights hold the same places.
        assert [await hog.puts() for _ in range(3)] == [(100, None), (100, None), (503, "too_many_uploads")]
        assert await hog.posts_a_batch() == (503, "too_many_uploads")
        assert await hog.looks() == 503
        assert await guest.looks() == 200
        assert await guest.posts_a_batch() == (100, None)
        # Downloads.
        of_hog = path_of(await stored_in(service.parts, LONG), "/content")
        owner = {"organization_id": OTHER_ORGANIZATION, "issuer_id": OTHER_ISSUER}
        of_guest = path_of(await stored_in(service.parts, LONG, **owner), "/content")
        downloads = [await hog.begins("GET", of_hog) for _ in range(3)]
        assert downloads == [(200, None), (200, None), (503, "too_many_downloads")]
        assert await guest.begins("GET", of_guest) == (200, None)
        # Event streams.
        path = f"/api/v1/events?album_id={ALBUM}"
        streams = [await hog.begins("GET", path) for _ in range(3)]
        assert streams == [(200, None), (200, None), (503, "too_many_streams")]
        assert await guest.begins("GET", path) == (200, None)
