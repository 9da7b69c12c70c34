"""What becomes of an import, seen as its client sees it: real fetches, real detection, real storage."""

import asyncio
import base64
import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.contracts import StorageBackend
from lading.plugins.errors import StorageUnavailable
from lading.plugins.testing import images
from lading.plugins.testing.origin import Behaviour, Origin, answer, head, raw, redirect, repeat, stall
from tests.support.servers.service import Client, final, running_service, token

QUICK = {
    "LADING_FETCH_HTTP__MAX_BYTES": "100000",
    "LADING_WORKER__RETRY_BASE": "0.1",
    "LADING_WORKER__RETRY_MAX": "0.1",
    "LADING_WORKER__POLL_INTERVAL": "0.05",
    "LADING_WORKER__ATTEMPTS": "2",
    "LADING_WORKER__LEASE": "3",
}


async def imported(client: Client, url: str) -> dict[str, Any]:
    response = await client.post_json({"album_id": "imported_album", "url": url})
    assert response.code == 200, response.body
    return await final(client, json.loads(response.body)["id"])


@pytest.mark.gen_test(timeout=30)
async def test_an_image_is_fetched_recognised_and_stored(tmp_path: Path) -> None:
    data = images.jpeg(64, 48)
    async with Origin({"/a.png": answer(data, headers={"Content-Type": "image/png"})}) as origin:
        async with running_service(tmp_path) as service:
            document = await imported(Client(service.url, token()), origin.url("/a.png"))
    assert document["status"] == "done"
    assert document["image_id"]
    assert document["import_type"] == "url"
    assert document["attempts"] == 1
    assert document["error"] is None
    assert document["image"] == {
        "format": "JPEG",
        "content_type": "image/jpeg",
        "width": 64,
        "height": 48,
        "orientation": 1,
        "frames": 1,
        "byte_size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "storage": "local",
        "deleted_at": None,
    }
    import_id = document["id"]
    assert (tmp_path / "images" / import_id[:2] / import_id).read_bytes() == data


@pytest.mark.gen_test(timeout=30)
async def test_a_data_url_is_an_import_too(tmp_path: Path) -> None:
    data = images.jpeg()
    async with running_service(tmp_path) as service:
        url = "data:image/jpeg;base64," + base64.b64encode(data).decode()
        document = await imported(Client(service.url, token()), url)
    assert (document["status"], document["import_type"]) == ("done", "data")
    assert document["image"]["sha256"] == hashlib.sha256(data).hexdigest()


JPEG = images.jpeg(200, 150)
IMPATIENT = {"LADING_FETCH_HTTP__HEAD_TIMEOUT": "0.3", "LADING_FETCH_HTTP__READ_TIMEOUT": "0.3"}

STALLS: dict[str, tuple[Behaviour, str, int]] = {
    "stalls before the head": (stall(), "fetch_timeout", 2),
    "stalls in the body": (stall(head(200, {"Content-Length": "99999"}) + JPEG[:100]), "fetch_timeout", 2),
}

FAILURES: dict[str, tuple[Behaviour, str, int]] = {
    "404": (answer(b"", 404), "origin_not_found", 1),
    "403": (answer(b"", 403), "origin_denied", 1),
    "500": (answer(b"", 500), "origin_unavailable", 2),
    "endless body": (repeat(head(200, {}) + JPEG, b"x" * 10_000), "body_too_large", 1),
    "too large by its own word": (answer(b"x" * 100_001), "body_too_large", 1),
    "shorter than announced": (raw(head(200, {"Content-Length": "99999"}) + JPEG), "body_truncated", 2),
    "empty": (answer(b""), "body_empty", 1),
    "cut gzip": (answer(b"x", headers={"Content-Encoding": "gzip"}), "content_encoding_truncated", 1),
    "brotli": (answer(b"x", headers={"Content-Encoding": "br"}), "content_encoding_not_allowed", 1),
    "redirect to a private address": (redirect("http://10.0.0.1/a.jpg"), "address_not_allowed", 1),
    "redirect to another scheme": (redirect("file:///etc/passwd"), "redirect_not_allowed", 1),
    "redirect loop": (redirect("/x"), "too_many_redirects", 1),
    "html": (answer(b"<html><body>no</body></html>", headers={"Content-Type": "image/jpeg"}), "not_an_image", 1),
    "truncated": (answer(JPEG[: len(JPEG) // 2]), "image_corrupt", 1),
    "pixel bomb": (answer(images.png(40_000, 40_000)), "too_many_pixels", 1),
    "long side": (answer(images.png(60_000, 1)), "side_too_long", 1),
}


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize(("failures", "limits"), [(FAILURES, {}), (STALLS, IMPATIENT)], ids=["answers", "stalls"])
async def test_every_failure_has_its_code_and_stores_nothing(
    tmp_path: Path, failures: dict[str, tuple[Behaviour, str, int]], limits: dict[str, str]
) -> None:
    routes = {f"/{number}": behaviour for number, (behaviour, _, _) in enumerate(failures.values())}
    async with Origin({**routes, "/x": redirect("/x")}) as origin:
        async with running_service(tmp_path, None, **QUICK, **limits) as service:
            client = Client(service.url, token())
            documents = await asyncio.gather(*(imported(client, origin.url(path)) for path in routes))
    for (name, (_, code, attempts)), document in zip(failures.items(), documents, strict=True):
        assert document["status"] == "failed", name
        assert document["error"]["code"] == code, (name, document["error"])
        assert document["attempts"] == attempts, name
        assert document["image_id"] is None
        assert document["import_type"] == "url"
        assert document["error"]["detail"]
    assert [path for path in (tmp_path / "images").rglob("*") if path.is_file()] == []


@pytest.mark.gen_test(timeout=30)
async def test_a_private_address_by_dns_is_refused_without_a_connection(tmp_path: Path) -> None:
    async with Origin({"/a.jpg": answer(JPEG)}) as origin:
        async with running_service(tmp_path, None, **QUICK, LADING_FETCH_HTTP__ALLOW_NETWORKS="") as service:
            document = await imported(Client(service.url, token()), origin.url("/a.jpg", name="localhost"))
    assert document["error"]["code"] == "address_not_allowed"
    assert "127.0.0.1" not in json.dumps(document["error"])
    assert origin.connections == 0


@pytest.mark.gen_test(timeout=30)
async def test_a_retryable_failure_is_tried_again_and_then_succeeds(tmp_path: Path) -> None:
    async with Origin({"/a.jpg": answer(b"", 503)}) as origin:
        async with running_service(tmp_path, None, **{**QUICK, "LADING_WORKER__ATTEMPTS": "20"}) as service:
            client = Client(service.url, token())
            response = await client.post_json({"album_id": "imported_album", "url": origin.url("/a.jpg")})
            import_id = json.loads(response.body)["id"]
            while not (document := await client.document(import_id))["error"]:
                await asyncio.sleep(0.01)
            assert document["status"] in ("queued", "running")
            assert document["error"] == {
                "code": "origin_unavailable",
                "detail": "The origin is currently unavailable (status 503).",
                "retryable": True,
            }
            origin.routes["/a.jpg"] = answer(JPEG)
            document = await final(client, import_id)
    assert document["status"] == "done"
    assert document["attempts"] > 1
    assert document["error"] is None


class Broken:
    """Storage whose saves fail until it is mended."""

    def __init__(self, backend: StorageBackend, monkeypatch: pytest.MonkeyPatch) -> None:
        self.attempts = 0
        self._patch = monkeypatch
        monkeypatch.setattr(backend, "save_file", self._save)
        monkeypatch.setattr(backend, "ping", self._ping)

    async def _save(self, *_: Any) -> None:
        self.attempts += 1
        raise StorageUnavailable("broken")

    async def _ping(self) -> None:
        self.attempts += 1
        raise StorageUnavailable("broken")

    def mend(self) -> None:
        self._patch.undo()


@pytest.mark.gen_test(timeout=30)
async def test_an_outage_of_storage_fails_no_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Origin({"/a.jpg": answer(JPEG)}) as origin:
        async with running_service(tmp_path, None, **QUICK) as service:
            storage: Any = service.parts.storage
            broken = Broken(storage.backend, monkeypatch)
            client = Client(service.url, token())
            bodies = [{"album_id": "imported_album", "url": origin.url("/a.jpg")} for _ in range(10)]
            posted = [json.loads((await client.post_json(body)).body)["id"] for body in bodies]
            while broken.attempts < 12:
                await asyncio.sleep(0.05)
            assert (await client.fetch("/readyz")).code == 503
            broken.mend()
            documents = [await final(client, import_id) for import_id in posted]
    assert {document["status"] for document in documents} == {"done"}
    assert {document["attempts"] for document in documents} == {1}, "an outage of our own is not the import's attempt"


@pytest.mark.gen_test(timeout=30)
async def test_an_attempt_that_died_after_saving_is_finished_with_what_was_saved(tmp_path: Path) -> None:
    """The origin has changed its mind meanwhile: the document must describe the stored bytes (P3, P5)."""
    first, second = images.jpeg(20, 10, seed=1), images.jpeg(30, 40, seed=2)
    async with Origin({"/a.jpg": answer(second)}) as origin:
        async with running_service(tmp_path, None, **QUICK, LADING_WORKER__ENABLED="false") as service:
            client = Client(service.url, token())
            response = await client.post_json({"album_id": "imported_album", "url": origin.url("/a.jpg")})
            import_id = json.loads(response.body)["id"]
        stored = tmp_path / "images" / import_id[:2] / import_id
        stored.parent.mkdir(parents=True)
        stored.write_bytes(first)
        async with running_service(tmp_path, None, **QUICK) as service:
            document = await final(Client(service.url, token()), import_id)
    assert stored.read_bytes() == first
    assert document["status"] == "done"
    assert (document["image"]["width"], document["image"]["height"]) == (20, 10)
    assert document["image"]["sha256"] == hashlib.sha256(first).hexdigest()


@pytest.mark.gen_test(timeout=30)
async def test_a_stopping_service_hands_running_imports_back(tmp_path: Path) -> None:
    async with Origin({"/a.jpg": stall(head(200, {}) + JPEG[:100])}) as origin:
        slow = {**QUICK, "LADING_SERVICE__SHUTDOWN_TIMEOUT": "0.2"}
        async with running_service(tmp_path, None, **slow) as service:
            client = Client(service.url, token())
            response = await client.post_json({"album_id": "imported_album", "url": origin.url("/a.jpg")})
            import_id = json.loads(response.body)["id"]
            while not origin.requests:
                await asyncio.sleep(0.01)
        async with running_service(tmp_path, None, **QUICK, LADING_WORKER__ENABLED="false") as service:
            document = await Client(service.url, token()).document(import_id)
            assert (document["status"], document["attempts"]) == ("queued", 0)
        origin.routes["/a.jpg"] = answer(JPEG)
        async with running_service(tmp_path, None, **QUICK) as service:
            document = await final(Client(service.url, token()), import_id)
    assert (document["status"], document["attempts"]) == ("done", 1)


@pytest.mark.gen_test(timeout=30)
async def test_one_issuer_s_backlog_does_not_delay_another_s_import(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def held(exchange: Any) -> bool:
        await release.wait()
        return await answer(JPEG)(exchange)

    async with Origin({"/slow.jpg": held, "/quick.jpg": answer(JPEG)}) as origin:
        limits = {"LADING_WORKER__CONCURRENCY": "4", "LADING_WORKER__PER_ISSUER": "3", "LADING_WORKER__PER_HOST": "4"}
        async with running_service(tmp_path, None, **QUICK, **limits) as service:
            busy, other = Client(service.url, token()), Client(service.url, token(issuer="other-issuer"))
            for _ in range(30):
                await busy.post_json({"album_id": "imported_album", "url": origin.url("/slow.jpg")})
            document = await imported(other, origin.url("/quick.jpg"))
            assert document["status"] == "done"
            assert sum(request.target == "/slow.jpg" for request in origin.requests) == 3
            release.set()


@pytest.mark.gen_test(timeout=30)
async def test_a_restart_keeps_every_document(tmp_path: Path) -> None:
    async with Origin({"/a.jpg": answer(JPEG)}) as origin:
        async with running_service(tmp_path) as service:
            before = await imported(Client(service.url, token()), origin.url("/a.jpg"))
        async with running_service(tmp_path) as service:
            after = await Client(service.url, token(expires=timedelta(minutes=1))).document(before["id"])
    assert after == before
