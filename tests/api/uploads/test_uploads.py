"""Uploads that can be resumed: the tus protocol 1.0, request by request, on every document store."""

import asyncio
import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httpclient import HTTPResponse

from lading.plugins.errors import StorageUnavailable
from lading.plugins.testing.images import jpeg
from lading.service.api.params import ParamLimits
from lading.service.api.params.upload_metadata import parse_upload_metadata
from lading.service.errors.params import ParamsError
from lading.service.models import Status
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.servers.service import OTHER_ISSUER, Client, token

DATA = jpeg(200, 150)
HALF = len(DATA) // 2
PATCH = {"Content-Type": "application/offset+octet-stream"}


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


METADATA = f"album_id {b64('imported_album')},filename {b64('mine.jpg')},metadata {b64(json.dumps({'a': 'b'}))}"

pytestmark = pytest.mark.usefixtures("uploads_prepared")


@pytest.fixture
def api_changes() -> dict[str, Any]:
    return {"common.limits.upload_stall_timeout": 60.0}  # none of these uploads is to end by it


async def tus(client: Client, method: str, path: str = "", body: bytes | None = None, **headers: str) -> HTTPResponse:
    named = {name.replace("_", "-"): value for name, value in {"Tus_Resumable": "1.0.0", **headers}.items()}
    return await client.fetch(f"/api/v1/uploads{path}", method=method, headers=named, body=body)


async def begun(client: Client, length: int = len(DATA), metadata: str = METADATA) -> str:
    """The path of a new upload, below that of all."""
    response = await tus(client, "POST", "", b"", Upload_Length=str(length), Upload_Metadata=metadata)
    assert (response.code, response.body) == (201, b""), response.body
    assert response.headers["Tus-Resumable"] == "1.0.0"
    assert response.headers["Upload-Offset"] == "0"
    assert "Upload-Expires" in response.headers
    location: str = response.headers["Location"]
    return location.removeprefix("/api/v1/uploads")


async def patch(client: Client, path: str, offset: int, body: bytes, **headers: str) -> HTTPResponse:
    return await tus(client, "PATCH", path, body, Upload_Offset=str(offset), **{**PATCH, **headers})


async def patch_when_free(client: Client, path: str, offset: int, body: bytes) -> HTTPResponse:
    """The answer to a PATCH as soon as no other request has the upload: its bytes show before it lets go of them."""
    while (response := await patch(client, path, offset, body)).code == 423:
        await asyncio.sleep(0.01)
    return response


def code_of(response: HTTPResponse) -> tuple[int, str]:
    return response.code, json.loads(response.body)["code"]


async def offset_of(client: Client, path: str) -> tuple[int, str | None]:
    response = await tus(client, "HEAD", path)
    return response.code, response.headers.get("Upload-Offset")


def stored(directory: Path) -> list[bytes]:
    return [path.read_bytes() for path in (directory / "images").rglob("*") if path.is_file()]


@pytest.mark.gen_test
async def test_an_upload_comes_in_pieces(client: Client, tmp_path: Path, folder: Path) -> None:
    path = await begun(client)
    assert await offset_of(client, path) == (200, "0")
    response = await patch(client, path, 0, DATA[:HALF])
    assert (response.code, response.headers["Upload-Offset"]) == (204, str(HALF))
    head = await tus(client, "HEAD", path)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == (str(HALF), str(len(DATA)))
    assert head.headers["Cache-Control"] == "no-cache, no-store"
    document = await client.document(path[1:])
    assert (document["status"], document["params"]["metadata"]) == ("waiting", {"a": "b"})
    response = await patch(client, path, HALF, DATA[HALF:])
    assert (response.code, response.headers["Upload-Offset"]) == (204, str(len(DATA)))
    document = await client.document(response.headers["X-Import-Id"])
    assert (document["status"], document["import_type"]) == ("done", "upload")
    assert stored(tmp_path) == [DATA]
    assert list(folder.glob("*.part")) == []
    assert await offset_of(client, path) == (200, str(len(DATA)))


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_what_the_service_can_do_is_said_to_anyone(client: Client) -> None:
    response = await replace(client, token="none").fetch("/api/v1/uploads", method="OPTIONS")
    assert response.code == 204
    assert response.headers["Tus-Version"] == "1.0.0"
    assert response.headers["Tus-Extension"] == "creation,creation-with-upload,termination,checksum,expiration"
    assert response.headers["Tus-Max-Size"] == "33554432"
    assert "sha1" in response.headers["Tus-Checksum-Algorithm"].split(",")


@pytest.mark.gen_test
async def test_a_client_that_is_interrupted_goes_on(client: Client, tmp_path: Path) -> None:
    path = await begun(client)
    port = int(client.base.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"PATCH /api/v1/uploads{path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
    head += f"Content-Type: application/offset+octet-stream\r\nContent-Length: {len(DATA)}\r\n"
    writer.write(f"{head}Authorization: Bearer {client.token}\r\nExpect: 100-continue\r\n\r\n".encode())
    assert b" 100 " in await reader.readline(), "the upload is this request's before its bytes are asked for"
    writer.write(DATA[:HALF])
    assert code_of(await patch(client, path, 0, DATA)) == (423, "upload_locked")
    writer.close()
    while await offset_of(client, path) != (200, str(HALF)):
        await asyncio.sleep(0.01)
    assert (await patch_when_free(client, path, HALF, DATA[HALF:])).code == 204
    assert stored(tmp_path) == [DATA]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_bytes_that_were_damaged_are_not_kept(client: Client, tmp_path: Path, algorithm: str) -> None:
    path = await begun(client)

    def checksum(data: bytes) -> str:
        return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"

    wrong = await patch(client, path, 0, DATA[:HALF], Upload_Checksum=checksum(b"other"))
    assert code_of(wrong) == (460, "upload_checksum_mismatch")
    assert await offset_of(client, path) == (200, "0")
    assert (await patch(client, path, 0, DATA[:HALF], Upload_Checksum=checksum(DATA[:HALF]))).code == 204
    assert (await patch(client, path, HALF, DATA[HALF:], Upload_Checksum=checksum(DATA[HALF:]))).code == 204
    assert stored(tmp_path) == [DATA]


@pytest.mark.gen_test
async def test_an_upload_is_terminated(client: Client, folder: Path) -> None:
    path = await begun(client)
    await patch(client, path, 0, DATA[:HALF])
    assert (await tus(client, "DELETE", path)).code == 204
    assert list(folder.glob("*.part")) == []
    assert (await client.document(path[1:]))["status"] == "cancelled"
    for method in ("PATCH", "DELETE"):
        response = await tus(client, method, path, DATA if method == "PATCH" else None, Upload_Offset="0", **PATCH)
        assert code_of(response) == (410, "upload_gone")
    assert await offset_of(client, path) == (410, None)


@pytest.mark.gen_test
async def test_what_is_no_image_fails_with_the_last_byte(client: Client, tmp_path: Path, folder: Path) -> None:
    path = await begun(client, 10)
    assert (await patch(client, path, 0, b"no im")).code == 204
    assert code_of(await patch(client, path, 5, b"age!!")) == (422, "not_an_image")
    assert (await client.document(path[1:]))["error"]["code"] == "not_an_image"
    assert await offset_of(client, path) == (410, None)
    assert (stored(tmp_path), list(folder.glob("*.part"))) == ([], [])


@pytest.mark.gen_test
async def test_storage_that_was_away_is_tried_again_when_the_client_asks(
    client: Client, assembled: Assembled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = await begun(client)
    with monkeypatch.context() as patched:

        async def fails(*_: object) -> None:
            raise StorageUnavailable("down")

        patched.setattr(assembled.parts.storage.backend, "save_file", fails)
        assert code_of(await patch(client, path, 0, DATA)) == (503, "storage_unavailable")
        assert await offset_of(client, path) == (503, None)
    assert await offset_of(client, path) == (200, str(len(DATA)))
    assert stored(tmp_path) == [DATA]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Tus-Resumable": "0.2.2"}, (412, "tus_version_unsupported")),
        ({"Upload-Offset": "1"}, (409, "upload_offset_mismatch")),
        ({"Upload-Offset": "-1"}, (400, "header_invalid")),
        ({"Upload-Offset": ""}, (400, "header_invalid")),
        ({"Content-Type": "text/plain"}, (415, "upload_content_type")),
        ({"Upload-Checksum": "crc32 AAAA"}, (400, "header_invalid")),
        ({"Upload-Checksum": "sha1 !"}, (400, "header_invalid")),
    ],
)
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_a_patch_that_is_wrong(client: Client, headers: dict[str, str], expected: tuple[int, str]) -> None:
    path = await begun(client)
    sent = {"Upload_Offset": "0", **PATCH, **{name.replace("-", "_"): value for name, value in headers.items()}}
    sent = {("Content-Type" if name == "Content_Type" else name): value for name, value in sent.items()}
    response = await tus(client, "PATCH", path, DATA, **sent)
    assert code_of(response) == expected
    assert response.headers["Tus-Resumable"] == "1.0.0"
    assert await offset_of(client, path) == (200, "0")


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_more_than_was_announced_is_refused(client: Client) -> None:
    path = await begun(client, HALF)
    assert code_of(await patch(client, path, 0, DATA)) == (413, "request_body_too_large")


@pytest.mark.parametrize(
    ("length", "metadata", "expected"),
    [
        ("", METADATA, (400, "header_invalid")),
        ("x", METADATA, (400, "header_invalid")),
        ("0", METADATA, (422, "content_missing")),
        ("33554433", METADATA, (413, "request_body_too_large")),
        ("5", "album_id", (403, "forbidden")),
        ("5", "album_id !", (400, "upload_metadata_invalid")),
        ("5", f"{METADATA},album_id {b64('x')}", (400, "upload_metadata_invalid")),
        ("5", f"{METADATA},url {b64('http://origin.example/a.jpg')}", (422, "parameter_invalid")),
        ("5", f"album_id {b64('imported_album')},metadata {b64('[')}", (400, "json_invalid")),
        ("5", f"album_id {b64('other')}", (403, "forbidden")),
    ],
)
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_a_beginning_that_is_wrong(client: Client, length: str, metadata: str, expected: tuple[int, str]) -> None:
    response = await tus(client, "POST", "", b"", Upload_Length=length, Upload_Metadata=metadata)
    assert code_of(response) == expected


@pytest.mark.gen_test
async def test_who_may(client: Client, clock: SettableClock) -> None:
    path = await begun(client)
    for credentials, status in (
        (token(clock, abilities=("see",)), 403),
        (token(clock, issuer=OTHER_ISSUER, admin=True), 404),
        ("none", 401),
    ):
        other = replace(client, token=credentials)
        for method in ("HEAD", "PATCH", "DELETE"):
            body = DATA if method == "PATCH" else None
            response = await tus(other, method, path, body, Upload_Offset="0", **PATCH)
            assert response.code == status, (method, response.body)
    response = await client.post("album_id=imported_album&url=http://origin.example/a.jpg")
    import_id = json.loads(response.body)["id"]
    assert (await tus(client, "HEAD", f"/{import_id}")).code == 404
    for odd in ("/api/v1/uploads/..%2F..%2Fetc", "/api/v1/uploads/" + "x" * 500):
        assert (await client.fetch(odd, method="HEAD", headers={"Tus-Resumable": "1.0.0"})).code == 404


@pytest.mark.gen_test
async def test_files_of_uploads_that_are_over_are_removed(
    client: Client, assembled: Assembled, folder: Path, clock: SettableClock
) -> None:
    alive, over = [await begun(client) for _ in range(2)]
    for path in (alive, over):
        await patch(client, path, 0, DATA[:HALF])
    document = await assembled.parts.store.get(over[1:])
    assert document is not None
    assert await assembled.parts.store.update(document.cancelled(clock.now()))
    (folder / "other.part").write_bytes(b"x")
    (folder / ("0" * 36 + ".part")).write_bytes(b"x")
    assert await assembled.resources.uploads.uploads.sweep() == 2
    assert sorted(path.name for path in folder.glob("*.part")) == sorted([f"{alive[1:]}.part", "other.part"])
    found = await assembled.parts.store.get(alive[1:])
    assert found is not None
    assert found.status is Status.WAITING


@given(st.text(max_size=200))
def test_any_metadata_is_read_or_refused(value: str) -> None:
    try:
        params = parse_upload_metadata(value, ParamLimits())
    except ParamsError as error:
        assert error.status.value == 400  # noqa: PT017
    else:
        assert isinstance(params, dict)


@given(st.dictionaries(st.text(st.characters(codec="ascii", exclude_characters=" ,[]"), min_size=1), st.text()))
def test_metadata_comes_back(params: dict[str, str]) -> None:
    params = {name: value for name, value in params.items() if name.strip() and name not in ("metadata", "metadatas")}
    field = ",".join(f"{name} {b64(value)}" for name, value in params.items())
    assert parse_upload_metadata(field, ParamLimits()) == params
