"""Uploads whose first bytes come with the request that makes them (tus 1.0, creation-with-upload)."""

import asyncio
import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from lading.service.limits.rates import Policy
from tests.api.conftest import Assembled
from tests.api.uploads.test_uploads import (
    DATA,
    HALF,
    METADATA,
    PATCH,
    code_of,
    offset_of,
    patch,
    patch_when_free,
    stored,
    tus,
)
from tests.support.clock import SettableClock
from tests.support.servers.service import Client, token
from tests.unit.limits.one_process import rates_of_one_process

pytestmark = pytest.mark.usefixtures("uploads_prepared")


@pytest.fixture
def requests() -> int:
    """How many an issuer may send."""
    return 1000


@pytest.fixture
def api_changes(requests: int) -> dict[str, Any]:
    rates = rates_of_one_process(Policy("issuer", requests, 60))
    return {"common.limits.upload_stall_timeout": 60.0, "common.rates": rates}


async def create(client: Client, body: bytes, length: int = len(DATA), **headers: str) -> HTTPResponse:
    sent = {"Upload_Length": str(length), "Upload_Metadata": METADATA, **PATCH, **headers}
    return await tus(client, "POST", "", body, **sent)


def checksum(data: bytes) -> str:
    return f"sha1 {base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()}"


async def imports(client: Client, clock: SettableClock) -> list[dict[str, Any]]:
    lister = Client(client.base, token(clock, abilities=("image_upload", "see")))
    response = await lister.fetch("/api/v1/imports?album_id=imported_album")
    found: list[dict[str, Any]] = json.loads(response.body)["imports"]
    return found


@pytest.mark.parametrize("checked", [False, True], ids=["as it comes", "with a checksum"])
@pytest.mark.gen_test
async def test_the_first_bytes_come_at_once(client: Client, tmp_path: Path, checked: bool) -> None:
    headers = {"Upload_Checksum": checksum(DATA[:HALF])} if checked else {}
    response = await create(client, DATA[:HALF], len(DATA), **headers)
    assert (response.code, response.body) == (201, b"")
    assert response.headers["Upload-Offset"] == str(HALF)
    assert "Upload-Expires" in response.headers
    path = response.headers["Location"].removeprefix("/api/v1/uploads")
    assert await offset_of(client, path) == (200, str(HALF))
    assert (await patch(client, path, HALF, DATA[HALF:])).code == 204
    assert stored(tmp_path) == [DATA]


@pytest.mark.gen_test
async def test_all_bytes_come_at_once(client: Client, tmp_path: Path, folder: Path) -> None:
    response = await create(client, DATA)
    assert (response.code, response.headers["Upload-Offset"]) == (201, str(len(DATA)))
    assert (await client.document(response.headers["X-Import-Id"]))["status"] == "done"
    assert "Upload-Expires" not in response.headers
    assert (stored(tmp_path), list(folder.glob("*.part"))) == ([DATA], [])
    refused = await create(client, b"no image!!", 10)
    assert code_of(refused) == (422, "not_an_image")
    assert (await client.document(refused.headers["X-Import-Id"]))["status"] == "failed"


@pytest.mark.gen_test
async def test_damaged_bytes_are_not_kept_but_the_upload_is(client: Client, tmp_path: Path) -> None:
    response = await create(client, DATA[:HALF], Upload_Checksum=checksum(b"other"))
    assert code_of(response) == (460, "upload_checksum_mismatch")
    path = response.headers["Location"].removeprefix("/api/v1/uploads")
    assert await offset_of(client, path) == (200, "0")
    assert (await patch(client, path, 0, DATA)).code == 204
    assert stored(tmp_path) == [DATA]


@pytest.mark.parametrize(
    ("length", "headers", "expected"),
    [
        (len(DATA) - 1, {}, (413, "request_body_too_large")),
        (33554433, {}, (413, "request_body_too_large")),
        (len(DATA), {"Content_Type": "image/jpeg"}, (415, "upload_content_type")),
        (len(DATA), {"Upload_Checksum": "crc32 AAAA"}, (400, "header_invalid")),
        (len(DATA), {"Upload_Metadata": "album_id b3RoZXI="}, (403, "forbidden")),
        (len(DATA), {"Tus_Resumable": "0.2"}, (412, "tus_version_unsupported")),
    ],
)
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_what_is_wrong_makes_nothing(
    client: Client, clock: SettableClock, length: int, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    if "Content_Type" in headers:
        headers = {"Content-Type": headers["Content_Type"]}
    response = await create(client, DATA, length, **headers)
    assert code_of(response) == expected
    assert "Location" not in response.headers
    assert await imports(client, clock) == []


@pytest.mark.gen_test
async def test_who_was_interrupted_finds_the_upload_and_goes_on(
    client: Client, clock: SettableClock, tmp_path: Path
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(client.base.rpartition(":")[2]))
    head = f"POST /api/v1/uploads HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Length: {len(DATA)}\r\n"
    head += f"Upload-Metadata: {METADATA}\r\nContent-Type: {PATCH['Content-Type']}\r\nContent-Length: {len(DATA)}\r\n"
    writer.write(f"{head}Authorization: Bearer {client.token}\r\n\r\n".encode() + DATA[:HALF])
    while not (found := await imports(client, clock)):
        await asyncio.sleep(0.01)
    (document,) = found
    path = f"/{document['id']}"
    while (await patch(client, path, 0, b"")).code != 423:
        await asyncio.sleep(0.01)
    writer.close()
    while await offset_of(client, path) != (200, str(HALF)):
        await asyncio.sleep(0.01)
    assert (await patch_when_free(client, path, HALF, DATA[HALF:])).code == 204
    assert stored(tmp_path) == [DATA]


@pytest.mark.parametrize("requests", [1])
@pytest.mark.gen_test
async def test_uploads_count_against_the_rate(client: Client, requests: int) -> None:
    assert requests == 1
    assert (await create(client, DATA[:HALF])).code == 201
    assert code_of(await create(client, DATA[:HALF])) == (429, "rate_limited")


@pytest.mark.gen_test
async def test_a_client_that_may_not_patch_posts(client: Client, tmp_path: Path) -> None:
    response = await create(client, b"")
    path = response.headers["Location"].removeprefix("/api/v1/uploads")
    sent = {"Upload_Offset": "0", "X_HTTP_Method_Override": "PATCH", **PATCH}
    assert (await tus(client, "POST", path, DATA, **sent)).code == 204
    assert stored(tmp_path) == [DATA]
    assert (await tus(client, "POST", path, DATA, **PATCH)).code == 405
    assert (await tus(client, "POST", path, DATA, X_HTTP_Method_Override="PUT", **PATCH)).code == 405


@pytest.mark.parametrize("method", ["FINISH", "_release", "method"])
@pytest.mark.gen_test
async def test_no_method_of_a_client_takes_the_place_of_the_handlers_own(
    client: Client, assembled: Assembled, method: str
) -> None:
    response = await client.fetch(
        "/api/v1/uploads", method=method, headers={"X-HTTP-Method-Override": "x"}, body=b"", request_timeout=20
    )
    assert response.code == 405
    await assembled.resources.common.in_flight.drained(5)
    assert not assembled.resources.common.in_flight._requests


# --- again ------------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_the_same_key_makes_one_upload_which_goes_on(
    client: Client, clock: SettableClock, tmp_path: Path
) -> None:
    sent = {"Upload_Length": str(len(DATA)), "Upload_Metadata": METADATA, "Idempotency_Key": "k"}
    first = await tus(client, "POST", "", b"", **sent)
    assert (first.code, first.headers["Upload-Offset"], "Idempotent-Replayed" in first.headers) == (201, "0", False)
    path = first.headers["Location"].removeprefix("/api/v1/uploads")
    assert (await patch(client, path, 0, DATA[:HALF])).code == 204
    again = await tus(client, "POST", "", b"", **sent)
    assert (again.code, again.headers["Location"]) == (201, first.headers["Location"])
    assert (again.headers["Upload-Offset"], again.headers["Idempotent-Replayed"]) == (str(HALF), "true")
    # Bytes that would begin anew are not appended to those that have come.
    refused = await create(client, DATA, Idempotency_Key="k")
    assert code_of(refused) == (409, "upload_offset_mismatch")
    assert code_of(await tus(client, "POST", "", b"", **{**sent, "Upload_Length": "7"})) == (
        422,
        "idempotency_key_reused",
    )
    assert (await patch(client, path, HALF, DATA[HALF:])).code == 204
    done = await tus(client, "POST", "", b"", **sent)
    assert (done.code, done.headers["Upload-Offset"]) == (201, str(len(DATA)))
    assert stored(tmp_path) == [DATA]
    assert len(await imports(client, clock)) == 1


@pytest.mark.gen_test
async def test_a_request_goes_on_where_the_process_of_the_first_one_ended(
    client: Client, assembled: Assembled, tmp_path: Path
) -> None:
    sent = {"Upload_Length": str(len(DATA)), "Upload_Metadata": METADATA, "Idempotency_Key": "k"}
    first = await tus(client, "POST", "", b"", **sent)
    path = first.headers["Location"].removeprefix("/api/v1/uploads")
    await assembled.parts.store.records.delete("upload", path.lstrip("/"))  # the import was added, and this was not
    assert (await tus(client, "POST", "", b"", **sent)).headers["Location"] == first.headers["Location"]
    assert (await patch(client, path, 0, DATA)).code == 204
    assert stored(tmp_path) == [DATA]


@pytest.mark.gen_test
async def test_a_list_has_its_name_once_for_each_element(client: Client) -> None:
    def field(*pairs: tuple[str, str]) -> str:
        return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in pairs)

    album = ("album_id", "imported_album")
    tags = field(album, ("tags[]", "a"), ("tags[]", "b"), ("expect[min_width]", "3"))
    made = await tus(client, "POST", "", b"", Upload_Length="5", Upload_Metadata=tags)
    params = (await client.document(made.headers["X-Import-Id"]))["params"]
    assert (params["tags"], params["expect"]) == (["a", "b"], {"min_width": "3"})
    twice = await tus(client, "POST", "", b"", Upload_Length="5", Upload_Metadata=field(album, album))
    assert code_of(twice) == (400, "upload_metadata_invalid")
