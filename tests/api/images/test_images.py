"""``/api/v1/images/{id}``: the document, who may see, read and delete it, and what becomes of it."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lading.plugins.errors import StorageDenied, StorageUnavailable
from lading.service.images.operations import StoredImage
from lading.service.models import Status
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.images import code_of, noise, path_of, store_image, stored_in
from tests.support.servers.service import OTHER_ISSUER, Client, token

DATA = noise(5000)


async def stored(assembled: Assembled, **changes: Any) -> StoredImage:
    return await stored_in(assembled.parts, DATA, **changes)


def allowed(client: Client, clock: SettableClock, *abilities: str, **facts: Any) -> Client:
    return replace(client, token=token(clock, abilities=abilities, **facts))


@pytest.mark.gen_test
async def test_the_document(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    params = {"metadata": {"b": "1", "a": ["2"]}, "headers": {"X-Secret": "hush"}}
    found = await stored(assembled, params=params, filename="origin's name.png")
    clock.advance(timedelta(days=1))
    client = allowed(client, clock)
    response = await client.fetch(path_of(found))
    assert response.code == 200
    assert list(json.loads(response.body).items()) == [
        ("id", found.document.image_id),
        ("import_id", found.document.id),
        ("organization_id", found.document.organization_id),
        ("album_id", "imported_album"),
        ("filename", "origin's name.png"),
        ("metadata", {"b": "1", "a": ["2"]}),
        ("format", "PNG"),
        ("content_type", "image/png"),
        ("width", 3),
        ("height", 2),
        ("orientation", None),
        ("frames", 1),
        ("byte_size", 5000),
        ("sha256", found.image.sha256),
        ("storage", "local"),
        ("created_at", "2026-01-02T03:04:05.678+00:00"),
    ]
    assert b"hush" not in response.body
    assert response.headers["Cache-Control"] == "no-cache, no-store"
    head = await client.fetch(path_of(found), method="HEAD")
    assert (head.code, head.headers["Content-Length"]) == (200, str(len(response.body)))


@pytest.mark.gen_test
async def test_the_name_that_the_client_gave_stands(client: Client, assembled: Assembled) -> None:
    found = await stored(assembled, params={"filename": "mine.png"}, filename="theirs.png")
    assert json.loads((await client.fetch(path_of(found))).body)["filename"] == "mine.png"


@pytest.mark.gen_test
async def test_the_import_leads_to_its_image(client: Client, assembled: Assembled) -> None:
    found = await stored(assembled)
    shown = await client.document(found.document.id)
    assert shown["image"]["deleted_at"] is None
    image = json.loads((await client.fetch(f"/api/v1/images/{shown['image_id']}")).body)
    assert image["import_id"] == found.document.id
    assert {name: image[name] for name in shown["image"] if name != "deleted_at"} == {
        name: value for name, value in shown["image"].items() if name != "deleted_at"
    }


@pytest.mark.sampled(3)
@pytest.mark.parametrize("rest", ["", "/content"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.gen_test
async def test_another_organisation_finds_nothing(
    client: Client, assembled: Assembled, clock: SettableClock, method: str, rest: str
) -> None:
    found = await stored(assembled)
    other = allowed(client, clock, issuer=OTHER_ISSUER, admin=True)
    response = await other.fetch(path_of(found, rest), method=method)
    assert response.code == (405 if (method, rest) == ("DELETE", "/content") else 404)
    assert (await client.fetch(path_of(found))).code == 200


@pytest.mark.sampled(4)
@pytest.mark.parametrize("image_id", ["unknown", "x" * 500, "%00%ff", "$ne", "..%2f..%2fetc%2fpasswd"])
@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", ""),
        pytest.param("DELETE", "", marks=pytest.mark.one_store),
        pytest.param("GET", "/content", marks=pytest.mark.one_store),
        pytest.param("HEAD", "/content", marks=pytest.mark.one_store),
    ],
)
@pytest.mark.gen_test
async def test_an_unknown_image(
    client: Client, assembled: Assembled, clock: SettableClock, method: str, rest: str, image_id: str
) -> None:
    await stored(assembled)
    almighty = allowed(client, clock, admin=True)
    assert (await almighty.fetch(f"/api/v1/images/{image_id}{rest}", method=method)).code == 404


@pytest.mark.gen_test
async def test_an_import_s_own_id_names_no_image(client: Client, assembled: Assembled) -> None:
    found = await stored(assembled)
    assert (await client.fetch(f"/api/v1/images/{found.document.id}")).code == 404


@pytest.mark.gen_test
async def test_each_act_needs_its_ability_in_the_image_s_album(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    found = await stored(assembled)
    acts = {"image_download": ("GET", "/content"), "image_delete": ("DELETE", "")}
    for needed, (method, rest) in acts.items():
        for granted, album in [("image_upload", "imported_album"), (needed, "another_album")]:
            client = allowed(client, clock, granted, album=album)
            response = await client.fetch(path_of(found, rest), method=method)
            assert response.code == 403
            assert response.headers["X-message"] == "Access denied"
            assert needed in json.loads(response.body)["detail"]
    assert (await client.fetch(path_of(found), method="GET")).code == 200
    assert (await allowed(client, clock, "image_download").fetch(path_of(found, "/content"))).body == DATA
    assert (await allowed(client, clock, admin=True).fetch(path_of(found, "/content"))).body == DATA
    assert (await replace(client, token="none").fetch(path_of(found, "/content"))).code == 401


# --- deletion ---------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_deleted_image_is_gone_and_its_import_says_so(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    found, other = await stored(assembled), await stored(assembled)
    client = allowed(client, clock, "image_delete", "image_download")
    before = await client.document(found.document.id)
    clock.advance(timedelta(seconds=1))
    response = await client.fetch(path_of(found), method="DELETE")
    assert (response.code, response.body) == (204, b"")
    assert not await assembled.parts.storage.exists(found.image.key)
    for rest in ("", "/content"):
        gone = await client.fetch(path_of(found, rest))
        assert (gone.code, code_of(gone.body)) == (410, "image_deleted")
    after = await client.document(found.document.id)
    assert list(after)[:8] == list(before)[:8]
    assert after.pop("updated_at") == "2026-01-02T03:04:06.678+00:00"
    assert before.pop("updated_at") == "2026-01-02T03:04:05.678+00:00"
    assert after["image"].pop("deleted_at") == "2026-01-02T03:04:06.678+00:00"
    assert before["image"].pop("deleted_at") is None
    assert after == before
    assert after["status"] == "done"
    assert (await client.fetch(path_of(other, "/content"))).body == DATA


@pytest.mark.gen_test
async def test_deleting_again_changes_nothing(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    found = await stored(assembled)
    client = allowed(client, clock, "image_delete")
    for _ in range(2):
        assert (await client.fetch(path_of(found), method="DELETE")).code == 204
        clock.advance(timedelta(hours=1))
        document = await assembled.parts.store.get(found.document.id)
        assert document is not None
        assert document.revision == found.document.revision + 2
        assert document.image_deleted_at == document.image_purged_at == found.document.updated_at


class FailingDeletes:
    """Deletions fail in the storage; the rest of it goes on."""

    def __init__(self, assembled: Assembled, error: Exception | None) -> None:
        self.error = error
        self.calls = 0
        backend: Any = assembled.parts.storage.backend
        delete = backend.delete

        async def failing(key: str) -> None:
            self.calls += 1
            if self.error is not None:
                raise self.error
            await delete(key)

        backend.delete = failing


@pytest.mark.parametrize("error", [StorageUnavailable("down"), StorageDenied("no permission"), RuntimeError("a bug")])
@pytest.mark.gen_test
async def test_where_storage_fails_the_image_is_gone_for_clients_and_a_retry_completes_it(
    client: Client, assembled: Assembled, clock: SettableClock, error: Exception
) -> None:
    found = await stored(assembled)
    failing = FailingDeletes(assembled, error)
    client = allowed(client, clock, "image_delete", "image_download")
    response = await client.fetch(path_of(found), method="DELETE")
    assert (response.code, code_of(response.body)) == (503, "image_unavailable")
    assert response.headers["Retry-After"] == "5"
    assert b"down" not in response.body
    assert b"permission" not in response.body
    shown = await client.document(found.document.id)
    assert shown["image"]["deleted_at"] is not None, "it may be gone already, and nobody reads it any more"
    assert (await client.fetch(path_of(found, "/content"))).code == 410
    assert await assembled.parts.storage.exists(found.image.key)
    failing.error = None
    assert (await client.fetch(path_of(found), method="DELETE")).code == 204
    assert not await assembled.parts.storage.exists(found.image.key)
    assert failing.calls == 2


@pytest.mark.gen_test
async def test_an_image_in_another_storage(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    found = await stored(assembled)
    parts = assembled.parts
    elsewhere = await store_image(parts.store, parts.storage, "glacier", parts.clock, DATA)
    client = allowed(client, clock, "image_delete", "image_download")
    assert json.loads((await client.fetch(path_of(elsewhere))).body)["storage"] == "glacier"
    for method, rest in [("GET", "/content"), ("DELETE", "")]:
        response = await client.fetch(path_of(elsewhere, rest), method=method)
        assert (response.code, code_of(response.body)) == (503, "image_elsewhere")
        assert "glacier" in json.loads(response.body)["detail"]
    assert await parts.storage.exists(elsewhere.image.key)
    assert (await client.fetch(path_of(found, "/content"))).code == 200


@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("DELETE", ""), ("GET", "/content")])
@pytest.mark.gen_test
async def test_an_unavailable_database(
    client: Client, assembled: Assembled, clock: SettableClock, method: str, rest: str
) -> None:
    found = await stored(assembled)
    await assembled.parts.store.close()
    response = await allowed(client, clock, admin=True).fetch(path_of(found, rest), method=method)
    assert (response.code, code_of(response.body)) == (503, "documents_unavailable")


@pytest.mark.gen_test
async def test_what_is_allowed(client: Client, assembled: Assembled) -> None:
    found = await stored(assembled)
    for rest, methods in [("", "GET, HEAD, DELETE"), ("/content", "GET, HEAD")]:
        response = await client.fetch(path_of(found, rest), method="POST", body="")
        assert (response.code, response.headers["Allow"]) == (405, methods)


@pytest.mark.gen_test
async def test_only_a_done_import_has_an_image(client: Client, assembled: Assembled) -> None:
    found = await stored(assembled)
    undone = replace(found.document, id="an-id", status=Status.FAILED, image_id="an-image")
    await assembled.parts.store.add(undone)
    assert (await client.fetch("/api/v1/images/an-image")).code == 404
