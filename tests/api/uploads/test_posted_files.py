"""A file in a multipart ``POST``, on every document store."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from lading.plugins.errors import StorageUnavailable
from lading.plugins.testing.images import jpeg
from lading.service.models import Status
from tests.api.conftest import Assembled
from tests.api.uploads.feeding import ALBUM, BOUNDARY, DATA, FORM, KEYS, code_of, files, multipart, post, put, stored
from tests.support.clock import SettableClock
from tests.support.servers.service import Client


@pytest.fixture(autouse=True)
def prepared(io_loop: IOLoop, assembled: Assembled) -> None:
    io_loop.run_sync(assembled.parts.storage.ping)


@pytest.fixture
def api_changes() -> dict[str, Any]:
    return {"common.limits.upload_max_bytes": 200_000, "common.limits.upload_stall_timeout": 60.0}


@pytest.mark.gen_test
async def test_a_file_is_imported_by_the_post_itself(client: Client, assembled: Assembled, tmp_path: Path) -> None:
    note = ("metadata[a]", None, b"b")
    for parts in ((ALBUM, note, ("file", "mine.jpg", DATA)), (("file", "mine.jpg", DATA), ALBUM, note)):
        response = await post(client, *parts)
        document = json.loads(response.body)
        assert (response.code, list(document)) == (200, KEYS)
        assert (document["import_type"], document["album_id"]) == ("upload", "imported_album")
        assert document["params"] == {
            "album_id": "imported_album",
            "metadata": {"a": "b"},
            "controller": "api/v1/imports",
            "action": "create",
        }
        detailed = await client.document(document["id"])
        assert (detailed["status"], detailed["image_id"]) == ("done", document["image_id"])
        assert response.headers["Location"].endswith(document["id"])
        found = await stored(assembled, document["id"])
        assert found.image is not None
        assert found.image.filename == "mine.jpg"
    assert files(tmp_path) == [DATA, DATA]


@pytest.mark.gen_test
async def test_beside_a_file_a_forms_field_for_the_url_may_be_empty(client: Client) -> None:
    response = await post(client, ALBUM, ("url", None, b""), ("file", "mine.jpg", DATA))
    assert (response.code, json.loads(response.body)["params"]["url"]) == (200, "")
    refused = await post(client, ALBUM, ("url", None, b" "), ("file", "mine.jpg", DATA))
    assert code_of(refused) == (422, "parameter_invalid")


@pytest.mark.gen_test
async def test_a_file_with_a_key_is_imported_once(client: Client, tmp_path: Path) -> None:
    parts = (ALBUM, ("file", "mine.jpg", DATA))
    first, second = [await post(client, *parts, **{"Idempotency-Key": "key"}) for _ in range(2)]
    assert (second.code, second.body) == (200, first.body)
    other = await post(client, ALBUM, ("file", "mine.jpg", jpeg(8, 8)), **{"Idempotency-Key": "key"})
    assert code_of(other) == (422, "idempotency_key_reused")
    assert files(tmp_path) == [DATA]


@pytest.mark.gen_test
async def test_a_file_that_is_no_image_fails_its_import(client: Client, tmp_path: Path) -> None:
    response = await post(client, ALBUM, ("file", "a.jpg", b"no image"))
    assert code_of(response) == (422, "not_an_image")
    document = json.loads((await client.fetch(response.headers["Location"])).body)
    assert (document["status"], document["error"]["code"]) == ("failed", "not_an_image")
    assert files(tmp_path) == []


FILE = ("file", "a.jpg", DATA)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Content-Encoding": "gzip"}, (415, "unsupported_media_type")),
        ({"Content-Range": "bytes 0-9/100"}, (400, "header_invalid")),
    ],
)
@pytest.mark.gen_test
async def test_what_is_not_the_image_s_bytes_as_they_are_is_refused_and_judged_no_further(
    client: Client, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    import_id = json.loads((await client.post(FORM)).body)["id"]
    assert code_of(await put(client, import_id, DATA, **headers)) == expected
    assert (await client.document(import_id))["status"] == "waiting"
    assert (await put(client, import_id, DATA, **{"Content-Encoding": "identity"})).code == 200


@pytest.mark.gen_test
async def test_a_file_that_is_sent_again_is_stored_where_it_was_not_the_first_time(
    client: Client, assembled: Assembled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_arguments: Any) -> None:
        raise StorageUnavailable("down")

    key = {"Idempotency-Key": "key"}
    with monkeypatch.context() as patched:
        for name in ("save", "save_file"):
            patched.setattr(assembled.parts.storages.backend.backend, name, down)
        first = await post(client, ALBUM, FILE, **key)
    assert code_of(first) == (503, "storage_unavailable")
    again = [await post(client, ALBUM, FILE, **key) for _ in range(2)]
    assert [response.code for response in again] == [200, 200]
    assert {response.headers["Location"] for response in again} == {first.headers["Location"]}
    assert again[0].headers["Idempotent-Replayed"] == "true"
    document = json.loads((await client.fetch(first.headers["Location"])).body)
    assert (document["status"], files(tmp_path)) == ("done", [DATA])


@pytest.mark.gen_test
async def test_a_file_that_is_sent_again_while_it_is_received_is_asked_for_later(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    key = {"Idempotency-Key": "key"}
    first = await post(client, ALBUM, FILE, **key)
    found = await assembled.parts.store.get(first.headers["Location"].rpartition("/")[2])
    assert found is not None
    running = replace(found, status=Status.RUNNING, worker_id="other", image=None, revision=found.revision + 1)
    assert await assembled.parts.store.update(running)
    again = await post(client, ALBUM, FILE, **key)
    assert code_of(again) == (409, "content_in_progress")
    assert "Retry-After" in again.headers


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((ALBUM, FILE, ("url", None, b"http://origin.example/a.jpg")), (422, "parameter_invalid")),
        ((ALBUM, FILE, FILE), (422, "file_part_not_supported")),
        ((ALBUM, ("image", "a.jpg", DATA)), (422, "file_part_not_supported")),
        ((ALBUM, ("file", "a.jpg", b"")), (422, "content_missing")),
        ((FILE, ("album_id", None, b"other")), (403, "forbidden")),
        ((ALBUM, ("file", "a.jpg", b"x" * 200_001)), (413, "request_body_too_large")),
        ((ALBUM, FILE, ("metadata[a]", None, b"x" * 300_000)), (413, "request_body_too_large")),
        ((ALBUM, FILE, ("metadata", None, b"\xff")), (400, "params_invalid_encoding")),
    ],
)
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_what_is_refused(client: Client, tmp_path: Path, parts: Any, expected: tuple[int, str]) -> None:
    assert code_of(await post(client, *parts)) == expected
    assert files(tmp_path) == []


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_nothing_of_a_file_is_kept_without_a_token(client: Client, assembled: Assembled) -> None:
    opened: list[object] = []
    spools = assembled.parts.spools

    @contextmanager
    def never(_issuer_id: str) -> Iterator[None]:
        opened.append(spools)
        yield

    assembled.resources.imports.receiving.places.one = never  # type: ignore[method-assign,assignment]
    response = await post(replace(client, token="none"), ALBUM, FILE)
    assert code_of(response) == (401, "unauthorized")
    assert opened == []


@pytest.mark.gen_test
async def test_a_body_that_breaks_off_leaves_nothing(client: Client, tmp_path: Path) -> None:
    body = multipart(ALBUM, FILE)[:-10]
    headers = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
    response = await client.fetch("/api/v1/imports", method="POST", body=body, headers=headers)
    assert code_of(response) == (400, "multipart_invalid")
    assert files(tmp_path) == []
