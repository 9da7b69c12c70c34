"""One object for several imports, through a running service: whichever is deleted first, the others keep theirs."""

import json
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer
from lading.service.storages import backfill
from tests.e2e.storages.test_storage_copy import files, two_disks
from tests.e2e.storages.test_storage_mirror import command
from tests.support.servers.service import ORGANIZATION, Client, final, running_service, token

DATA = jpeg(64, 48, seed=1)


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.one_in(3))])
def overrides(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    documents = request.getfixturevalue("mongo_environ") if request.param == "mongo" else {}
    return two_disks(tmp_path, **documents)


async def imported(client: Client, url: str, **params: Any) -> dict[str, Any]:
    response = await client.post_json({"album_id": "one", "url": url, "dedupe": "album", **params})
    assert response.code == 200, response.body
    document = await final(client, json.loads(response.body)["id"])
    assert document["status"] == "done", document
    return document


async def content(client: Client, document: dict[str, Any]) -> tuple[int, bytes]:
    response = await client.fetch(f"/api/v1/images/{document['image_id']}/content")
    return response.code, response.body if response.code == 200 else b""


async def check_audit(folder: Path, overrides: dict[str, str]) -> None:
    audit = await command(folder, overrides, "audit", "--verify")
    assert (audit.status, audit.stderr) == (0, ""), audit.stdout


@pytest.mark.sampled(2)
@pytest.mark.one_store  # the next test shares, mirrors and deletes on each
@pytest.mark.parametrize("mirror", ["", "old"])
@pytest.mark.parametrize("kind", ["imports", "images"])
@pytest.mark.gen_test(timeout=100)
async def test_a_duplicate_keeps_its_bytes_when_the_first_is_deleted(
    tmp_path: Path, overrides: dict[str, str], kind: str, mirror: str
) -> None:
    overrides |= {"LADING_STORAGE__MIRROR": mirror}
    held = [tmp_path / name for name in ("new", mirror) if name]
    async with Origin(otherwise=answer(DATA)) as origin, running_service(tmp_path, None, **overrides) as running:
        client = Client(running.url, token(admin=True))
        first = await imported(client, origin.url("/a.jpg"))
        second = await imported(client, origin.url("/b.jpg"))
        third = await imported(client, origin.url("/c.jpg"))
        assert second["image"]["duplicate_of"] == third["image"]["duplicate_of"] == first["id"]
        others = [second, third]
        for left, document in ((2, first), (1, second), (0, third)):
            assert await running.parts.store.stored_bytes(ORGANIZATION) == len(DATA), "they count once"
            path = f"imports/{document['id']}" if kind == "imports" else f"images/{document['image_id']}"
            assert (await client.fetch(f"/api/v1/{path}", method="DELETE")).code == 204
            assert await content(client, document) == (404 if kind == "imports" else 410, b"")
            others = others[-left:] if left else []
            for other in others:
                assert await content(client, other) == (200, DATA)
                assert (await client.document(other["id"]))["image_id"] == other["image_id"]
            for place in held:
                assert list(files(place).values()) == ([DATA] if left else [])
            await check_audit(tmp_path, overrides)
        assert await running.parts.store.stored_bytes(ORGANIZATION) == 0
        again = await imported(client, origin.url("/a.jpg"))
        assert "duplicate_of" not in again["image"]
        assert await content(client, again) == (200, DATA)


@pytest.mark.gen_test(timeout=100)
async def test_an_adopted_image_is_shared_moved_mirrored_and_deleted_like_any_other(
    tmp_path: Path, overrides: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "INTERVAL", 0.05)
    async with Origin(otherwise=answer(DATA)) as origin, running_service(tmp_path, None, **overrides) as running:
        client = Client(running.url, token(admin=True))
        first = await imported(client, origin.url("/a.jpg"))
        second = await imported(client, origin.url("/b.jpg"))
        assert (await client.fetch(f"/api/v1/imports/{first['id']}", method="DELETE")).code == 204
        third = await imported(client, origin.url("/c.jpg"))
        assert third["image"]["duplicate_of"] == first["id"], "which has stored it"
        assert "duplicate_of" not in (await client.document(second["id"]))["image"], "it is its own by now"
        mirrored = await command(tmp_path, {**overrides, "LADING_STORAGE__MIRROR": "old"}, "mirror")
        assert mirrored.stdout.startswith("second copies in old: 1 (1 copied, "), mirrored.stderr
        moved = await command(tmp_path, overrides, "copy", "--from", "new", "--to", "old", "--delete-source")
        assert moved.stdout.startswith("moved to old: 1 "), moved.stderr
        assert (files(tmp_path / "new"), list(files(tmp_path / "old").values())) == ({}, [DATA])
        for document in (second, third):
            assert await content(client, document) == (200, DATA)
        await check_audit(tmp_path, overrides)
        assert (await client.fetch(f"/api/v1/images/{second['image_id']}", method="DELETE")).code == 204
        assert await content(client, third) == (200, DATA)
        await check_audit(tmp_path, overrides)
        assert (await client.fetch(f"/api/v1/imports/{third['id']}", method="DELETE")).code == 204
        assert (files(tmp_path / "new"), files(tmp_path / "old")) == ({}, {})
        await check_audit(tmp_path, overrides)
