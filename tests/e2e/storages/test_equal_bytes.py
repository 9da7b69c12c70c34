"""Eight imports of equal bytes at once, through two services that share a database: storage keeps one object."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer
from lading.service.runtime.serving import RunningService
from lading.service.storages.saving import Saving
from tests.api.uploads.feeding import files, post
from tests.e2e.storages.test_shared_objects import content
from tests.support.servers.service import ORGANIZATION, Client, final, running_service, token

DATA = jpeg(64, 48, seed=1)
BY_URL, BY_FORM = 6, 2
AT_ONCE = BY_URL + BY_FORM
QUOTA = len(DATA) * 2
"""For two services: each reserves the bytes once."""
LIMITS = {"LADING_WORKER__PER_HOST": "8", "LADING_WORKER__PER_ISSUER": "8", "LADING_WORKER__POLL_INTERVAL": "0.05"}
LIMITS["LADING_LIMITS__ORGANIZATION_STORED_BYTES"] = str(QUOTA)


@pytest.fixture
def _all_save_before_one_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = asyncio.Barrier(AT_ONCE)
    save = Saving.save

    async def save_and_wait(*arguments: Any) -> None:
        await save(*arguments)
        await everybody.wait()

    monkeypatch.setattr(Saving, "save", save_and_wait)


@asynccontextmanager
async def two_services(folder: Path, documents: dict[str, str]) -> AsyncIterator[list[RunningService]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running_service(folder, None, **documents, **LIMITS)) for _ in range(2)]


async def imported(client: Client, number: int, dedupe: str, url: str) -> dict[str, Any]:
    """An import by its url, or with its file."""
    params = {"dedupe": dedupe, "album_id": "one" if dedupe == "album" else f"album {number}"}
    if number < BY_URL:
        response = await client.post_json({**params, "url": url})
    else:
        fields = [(name, None, value.encode()) for name, value in params.items()]
        response = await post(client, *fields, ("file", "a.jpg", DATA))
    assert response.code == 200, response.body
    return await final(client, json.loads(response.body)["id"])


@pytest.mark.usefixtures("_all_save_before_one_ends")
@pytest.mark.sampled(3)
@pytest.mark.parametrize("dedupe", ["album", "organization"])
@pytest.mark.parametrize("documents", ["sqlite", "mongo"])
@pytest.mark.gen_test(timeout=100)
async def test_one_object_stays(tmp_path: Path, request: pytest.FixtureRequest, documents: str, dedupe: str) -> None:
    overrides = request.getfixturevalue("mongo_environ") if documents == "mongo" else {}
    async with Origin(otherwise=answer(DATA)) as origin, two_services(tmp_path, overrides) as services:
        clients = [Client(service.url, token(admin=True)) for service in services]
        done = await asyncio.gather(
            *(imported(clients[number % 2], number, dedupe, origin.url(f"/{number}.jpg")) for number in range(AT_ONCE))
        )
        assert [one["status"] for one in done] == ["done"] * AT_ONCE
        (owner,) = (one for one in done if "duplicate_of" not in one["image"])
        others = [one for one in done if one is not owner]
        assert {one["image"]["duplicate_of"] for one in others} == {owner["id"]}
        while files(tmp_path) != [DATA]:  # an import is done before its own object is removed
            await asyncio.sleep(0.02)
        for one in done:
            assert await content(clients[0], one) == (200, DATA)
        assert await services[0].parts.store.stored_bytes(ORGANIZATION) == len(DATA), "they count once"
        assert (await clients[1].fetch(f"/api/v1/imports/{owner['id']}", method="DELETE")).code == 204
        for one in others:
            assert await content(clients[1], one) == (200, DATA)
        assert files(tmp_path) == [DATA]
