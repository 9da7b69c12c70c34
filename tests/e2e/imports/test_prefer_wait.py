"""``Prefer: wait``: the answer is the finished document, or what there is when the time is over."""

import asyncio
import json
from pathlib import Path

import pytest

import lading.service.imports.prefer_wait
from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer
from tests.support.servers.service import Client, running_service, token

KEYS = ["id", "organization_id", "image_id", "import_type", "album_id", "params", "created_at", "updated_at"]


async def post(client: Client, url: str, prefer: str) -> tuple[str | None, dict[str, object]]:
    response = await client.fetch(
        "/api/v1/imports",
        method="POST",
        body=f"album_id=imported_album&url={url}",
        headers={"Prefer": prefer, "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert response.code == 200, response.body
    return response.headers.get("Preference-Applied"), json.loads(response.body)


@pytest.mark.gen_test(timeout=30)
async def test_a_client_that_waits_gets_the_finished_document(tmp_path: Path) -> None:
    async with Origin({"/a.jpg": answer(jpeg())}) as origin, running_service(tmp_path) as running:
        client = Client(running.url, token())
        applied, document = await post(client, origin.url("/a.jpg"), "wait=20")
        assert applied == "wait=20"
        assert (document["status"], list(document)[:8]) == ("done", KEYS)
        assert document == await client.document(str(document["id"]))
        applied, document = await post(client, origin.url("/none.jpg"), "respond-async, wait=100")
        assert (applied, document["status"]) == ("wait=60", "failed")
        for prefer in ("wait=0", "return=minimal"):
            applied, document = await post(client, origin.url("/a.jpg"), prefer)
            assert (applied, list(document)) == (None, KEYS)


@pytest.mark.gen_test(timeout=30)
async def test_when_the_time_is_over_the_answer_is_what_it_would_have_been(tmp_path: Path) -> None:
    async with running_service(tmp_path, LADING_WORKER__ENABLED="false") as running:
        client = Client(running.url, token())
        applied, document = await post(client, "http://127.0.0.1:9/a.jpg", "wait=1")
        assert (applied, list(document)) == ("wait=1", KEYS)
        path = f"/api/v1/imports/{document['id']}"
        response = await client.fetch(path, headers={"Prefer": "wait=1"})
        assert json.loads(response.body)["status"] == "queued"


@pytest.mark.gen_test(timeout=30)
async def test_what_another_process_finishes_is_seen(tmp_path: Path) -> None:
    async with (
        Origin({"/a.jpg": answer(jpeg())}) as origin,
        running_service(tmp_path, LADING_WORKER__ENABLED="false") as here,
        running_service(tmp_path, LADING_WORKER__POLL_INTERVAL="0.1"),
    ):
        _, document = await post(Client(here.url, token()), origin.url("/a.jpg"), "wait=20")
        assert document["status"] == "done"


@pytest.mark.gen_test(timeout=30)
async def test_waiting_ends_with_the_client_and_with_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_service(tmp_path, LADING_WORKER__ENABLED="false") as running:
        client = Client(running.url, token())
        _, document = await post(client, "http://127.0.0.1:9/a.jpg", "wait=0")
        head = f"GET /api/v1/imports/{document['id']} HTTP/1.1\r\nHost: x\r\nPrefer: wait=60\r\n"
        head += f"Authorization: Bearer {client.token}\r\n\r\n"
        waiting: list[lading.service.imports.prefer_wait.Waiting] = []
        final = lading.service.imports.prefer_wait.Waiting.final

        async def watched(self: lading.service.imports.prefer_wait.Waiting, *arguments: object) -> object:
            waiting.append(self)
            return await final(self, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(lading.service.imports.prefer_wait.Waiting, "final", watched)
        port = int(running.url.rpartition(":")[2])
        for _ in range(2):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head.encode())
            while not waiting or not waiting[0].places.taken:
                await asyncio.sleep(0.01)
            writer.close()
            while waiting[0].places.taken:
                await asyncio.sleep(0.01)
        response = asyncio.create_task(client.fetch(f"/api/v1/imports/{document['id']}", headers={"Prefer": "wait=60"}))
        while not waiting[0].places.taken:
            await asyncio.sleep(0.01)
    answered = await response
    assert (answered.code, json.loads(answered.body)["status"]) == (200, "queued")


@pytest.mark.gen_test(timeout=30)
async def test_how_many_wait_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.imports.prefer_wait, "MAX_WAITING", 0)
    async with running_service(tmp_path, LADING_WORKER__ENABLED="false") as running:
        applied, document = await post(Client(running.url, token()), "http://127.0.0.1:9/a.jpg", "wait=60")
        assert (applied, list(document)) == (None, KEYS)
