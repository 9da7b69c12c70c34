"""A hog's imports, and a guest whose imports end meanwhile: decoding, name look-ups, and items of a batch."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pycares
import pytest

from lading.plugins.net.ares import AresNames
from lading.plugins.net.resolver import LOOKUPS_PER_TENANT
from lading.plugins.testing import images
from lading.plugins.testing.origin import Origin, answer
from lading.service.imports import accept
from lading.service.models import Import
from tests.support.servers.names import SILENT, NameServer
from tests.support.servers.service import OTHER_ISSUER, Client, final, running_service, token

ALBUM = "imported_album"


@asynccontextmanager
async def silent_names(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NameServer]:
    """A name server that knows one name, and is silent about every other one."""
    async with NameServer({"healthy.test": ["A 127.0.0.1"]}, otherwise=SILENT) as server:
        channel = partial(pycares.Channel, servers=[server.address], domains=[])

        monkeypatch.setattr("lading.plugins.net.guard.AresNames", lambda seconds: AresNames(seconds, channel))
        yield server


async def post(client: Client, url: str) -> str:
    response = await client.post_json({"album_id": ALBUM, "url": url})
    assert response.code == 200, response.body
    return str(json.loads(response.body)["id"])


@pytest.mark.gen_test(timeout=90)
async def test_a_guest_s_imports_end_beside_a_hog_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    routes = {"/small": answer(images.jpeg(8, 8)), "/costly": answer(images.slow_gif(300))}
    options = {"LADING_FETCH_HTTP__DNS_TIMEOUT": "60", "LADING_SERVICE__SHUTDOWN_TIMEOUT": "0"}
    async with (
        silent_names(monkeypatch) as server,
        Origin(routes, host="127.0.0.2") as of_hog,
        Origin(routes, name="healthy.test") as of_guest,
        running_service(tmp_path, None, **options) as service,
    ):
        hog, guest = Client(service.url, token()), Client(service.url, token(issuer=OTHER_ISSUER))
        # Costly images: the guest's small ones end before those that came first.
        costly = [await post(hog, of_hog.url(f"/costly?{number}")) for number in range(12)]
        while not of_hog.requests:
            await asyncio.sleep(0.01)
        found = [await final(guest, await post(guest, of_guest.url("/small"))) for _ in range(3)]
        assert [(one["status"], one["attempts"]) for one in found] == [("done", 1)] * 3
        assert (await hog.document(costly[-1]))["status"] in ("queued", "running")
        for import_id in costly:
            await hog.fetch(f"/api/v1/imports/{import_id}/cancel", method="POST")
        # Names that nobody answers: they hold their issuer's look-ups, and no others.
        silent = [await post(hog, f"http://silent-{number}.test:{of_hog.port}/a") for number in range(40)]
        while len({name for name, _ in server.asked if name.startswith("silent")}) < LOOKUPS_PER_TENANT:
            await asyncio.sleep(0.01)
        found = [await final(guest, await post(guest, of_guest.url("/small"))) for _ in range(3)]
        assert [(one["status"], one["attempts"]) for one in found] == [("done", 1)] * 3
        assert {(await hog.document(one))["status"] for one in silent} <= {"queued", "running"}
        assert len({name for name, _ in server.asked if name.startswith("silent")}) == LOOKUPS_PER_TENANT


@pytest.mark.gen_test(timeout=60)
async def test_a_guest_s_import_is_made_between_the_items_of_a_hog_s_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "AT_ONCE", 4)
    options = {"LADING_WORKER__ENABLED": "false", "LADING_DOCUMENTS__BACKEND": "memory"}
    async with running_service(tmp_path, None, **options) as service:
        store = service.parts.store
        go_on = asyncio.Event()
        added: list[str] = []
        add = store.add

        async def waiting(document: Import) -> None:
            added.append(document.issuer_id)
            if document.issuer_id != OTHER_ISSUER:
                await go_on.wait()
            await add(document)

        monkeypatch.setattr(store, "add", waiting)
        hog, guest = Client(service.url, token()), Client(service.url, token(issuer=OTHER_ISSUER))
        lines = b'{"album_id": "imported_album"}\n' * 50
        kind = {"Content-Type": "application/x-ndjson"}
        batches = [
            asyncio.ensure_future(hog.fetch("/api/v1/imports/batch", method="POST", body=lines, headers=kind))
            for _ in range(3)
        ]
        while len(added) < 2:
            await asyncio.sleep(0.01)
        assert (await guest.post(f"album_id={ALBUM}")).code == 200
        assert (added.count(OTHER_ISSUER), len(added)) == (1, 3)
        go_on.set()
        assert {response.code for response in await asyncio.gather(*batches)} == {200}
        assert len(added) == 151
