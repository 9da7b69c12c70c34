"""Secrets that a client sends for the fetch: they reach the origin, and nothing is left of them."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.testing import images
from lading.plugins.testing.origin import Origin, answer
from tests.support.servers.service import Client, final, running_service, token

QUICK = {"LADING_WORKER__RETRY_BASE": "0.1", "LADING_WORKER__POLL_INTERVAL": "0.05", "LADING_WORKER__ATTEMPTS": "2"}
KEY, OTHER_KEY = (base64.urlsafe_b64encode(bytes([number]) * 32).decode() for number in range(2))


def options(keys: str, **changes: str) -> dict[str, Any]:
    return {"LADING_DOCUMENTS__ENCRYPTION_KEYS": keys, **QUICK, **changes}


def files_with(folder: Path, text: bytes) -> list[str]:
    """The files below the folder that hold the text."""
    return [path.name for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


@pytest.mark.parametrize("key", ["", KEY], ids=["clear", "encrypted"])
@pytest.mark.gen_test(timeout=60)
async def test_they_reach_the_origin_and_are_gone_when_the_import_is_final(tmp_path: Path, key: str) -> None:
    async with Origin({"/a.jpg": answer(images.jpeg()), "/gone": answer(b"", 404)}) as origin:
        async with running_service(tmp_path, **options(key)) as service:
            client = Client(service.url, token())
            for path, status in (("/a.jpg", "done"), ("/gone", "failed")):
                sent = {
                    "album_id": "imported_album",
                    "url": origin.url(f"{path}?w=1&sig=s3cr3t"),
                    "headers": {"Authorization": "Bearer s3cr3t"},
                }
                response = await client.post_json(sent)
                assert json.loads(response.body)["params"]["headers"] == sent["headers"]
                document = await final(client, json.loads(response.body)["id"])
                assert document["status"] == status
                assert document["params"]["url"] == origin.url(f"{path}?w=1&sig=[FILTERED]")
                assert "s3cr3t" not in json.dumps(document)
    assert [(request.target, request.headers["authorization"]) for request in origin.requests] == [
        (f"{path}?w=1&sig=s3cr3t", "Bearer s3cr3t") for path in ("/a.jpg", "/gone")
    ]
    assert files_with(tmp_path, b"s3cr3t") == []
    assert files_with(tmp_path, b"fernet:") == []


@pytest.mark.gen_test(timeout=60)
async def test_while_they_wait_they_are_encrypted_and_another_key_cannot_read_them(tmp_path: Path) -> None:
    async with Origin({"/a.jpg": answer(images.jpeg())}) as origin:
        sent = {"album_id": "imported_album", "url": origin.url("/a.jpg"), "headers": {"Authorization": "s3cr3t"}}
        ids = []
        async with running_service(tmp_path, **options(KEY, LADING_WORKER__ENABLED="false")) as service:
            for _ in range(2):
                response = await Client(service.url, token()).post_json(sent)
                ids.append(json.loads(response.body)["id"])
        assert files_with(tmp_path, b"s3cr3t") == []
        assert files_with(tmp_path, b"fernet:") == ["lading.sqlite3"]
        async with running_service(tmp_path, **options(OTHER_KEY)) as service:
            client = Client(service.url, token())
            response = await client.post_json(sent)
            assert (await final(client, json.loads(response.body)["id"]))["status"] == "done"
            while (document := await client.document(ids[0]))["error"] is None or document["status"] == "running":
                await asyncio.sleep(0.02)
            # It waits for its key: no attempt is counted, and its secrets are kept.
            assert (document["status"], document["attempts"]) == ("queued", 0)
            assert document["error"]["code"] == "secrets_unreadable"
        async with running_service(tmp_path, **options(f"{OTHER_KEY}, {KEY}")) as service:
            client = Client(service.url, token())
            assert [(await final(client, import_id))["status"] for import_id in ids] == ["done", "done"]
    assert len(origin.requests) == 3


@pytest.mark.gen_test(timeout=60)
async def test_an_old_key_reads_until_it_is_removed(tmp_path: Path) -> None:
    async with Origin({"/a.jpg": answer(images.jpeg())}) as origin:
        sent = {"album_id": "imported_album", "url": origin.url("/a.jpg?sig=s3cr3t")}
        async with running_service(tmp_path, **options(KEY, LADING_WORKER__ENABLED="false")) as service:
            response = await Client(service.url, token()).post_json(sent)
        async with running_service(tmp_path, **options(f"{OTHER_KEY}, {KEY}")) as service:
            document = await final(Client(service.url, token()), json.loads(response.body)["id"])
    assert document["status"] == "done"
    assert [request.target for request in origin.requests] == ["/a.jpg?sig=s3cr3t"]
