"""The disks of spools and of unfinished uploads are full, or read-only, for a while: imports wait, and nothing is lost.

Each disk is a file system of its own; see ``tests.support.disks``.
"""

import asyncio
import base64
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer
from tests.support.disks import full, small_disk
from tests.support.servers.service import Client, final, running_service, token

MEGABYTES = 8
DATA = jpeg(200, 200, 1)
"""Longer than a block of the disk, so that its last part does not fit into the block of its first."""
QUICK = {
    "LADING_WORKER__SPOOL_MEMORY_BYTES": "0",
    "LADING_WORKER__RETRY_BASE": "0.1",
    "LADING_WORKER__RETRY_MAX": "0.1",
    "LADING_WORKER__POLL_INTERVAL": "0.05",
}
TUS = {"Tus-Resumable": "1.0.0"}


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing can be created on the disk of the folder within the block (EROFS)."""
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)


FAULTS = ((full, "disk_full"), (read_only, "disk_unavailable"))


def code_of(response: HTTPResponse) -> tuple[int, str]:
    assert int(response.headers["Retry-After"]) > 0
    return response.code, json.loads(response.body)["code"]


async def ready(client: Client) -> str:
    """What ``/readyz`` says: ``ready``, or the parts that do not work; after its last answer is no longer repeated."""
    await asyncio.sleep(1.1)
    found = json.loads((await client.fetch("/readyz")).body)
    return str(found.get("status") if found.get("status") == "ready" else found["detail"])


async def created(client: Client, params: dict[str, Any]) -> str:
    response = await client.post_json({"album_id": "imported_album", **params})
    assert response.code == 200, response.body
    return str(json.loads(response.body)["id"])


async def failed_once(client: Client, import_id: str) -> dict[str, Any]:
    """The import after an attempt that failed."""
    while (document := await client.document(import_id))["error"] is None:
        await asyncio.sleep(0.02)
    return document


async def sent(client: Client, import_id: str) -> HTTPResponse:
    return await client.fetch(f"/api/v1/imports/{import_id}/content", method="PUT", body=DATA)


async def begun(client: Client) -> str:
    """The path of a new upload."""
    album = base64.b64encode(b"imported_album").decode()
    head = {**TUS, "Upload-Length": str(len(DATA)), "Upload-Metadata": f"album_id {album}"}
    response = await client.fetch("/api/v1/uploads", method="POST", body=b"", headers=head)
    assert response.code == 201, response.body
    return str(response.headers["Location"]).removeprefix(client.base)


async def patch(client: Client, path: str, offset: int, data: bytes) -> HTTPResponse:
    head = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    return await client.fetch(path, method="PATCH", body=data, headers=head)


async def sent_in_a_form(client: Client) -> HTTPResponse:
    part = b"--x\r\nContent-Disposition: form-data; name="
    form = part + b'"album_id"\r\n\r\nimported_album\r\n' + part + b'"file"; filename="a.jpg"\r\n\r\n' + DATA
    return await client.post(form + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")


@pytest.mark.parametrize("place", ["spool_directory", "the system's temporary folder"])
@pytest.mark.gen_test(timeout=60)
async def test_imports_wait_for_the_disk_of_spools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    with small_disk(MEGABYTES) as folder:
        if place == "spool_directory":
            options = {"LADING_WORKER__SPOOL_DIRECTORY": str(folder)}
        else:
            options = {"LADING_STORAGE__BACKEND": "memory"}  # which has no folder of its own
            monkeypatch.setattr(tempfile, "tempdir", str(folder))
        async with (
            Origin(otherwise=answer(DATA)) as origin,
            running_service(tmp_path, None, **QUICK, **options) as service,
        ):
            client = Client(service.url, token())
            for fails, code in FAULTS:
                empty = await created(client, {})
                with fails(folder):
                    fetched = await created(client, {"url": origin.url("/a.jpg")})
                    document = await failed_once(client, fetched)
                    assert (document["status"], document["attempts"]) in (("queued", 0), ("running", 1))
                    assert document["error"]["code"] == code
                    assert document["error"]["retryable"]
                    assert code_of(await sent(client, empty)) == (503, code)
                    assert code_of(await sent_in_a_form(client)) == (503, code)
                    assert await ready(client) == "Not ready: spool."
                document = await final(client, fetched)
                assert (document["status"], document["attempts"]) == ("done", 1)
                assert (await sent(client, empty)).code == 200
                assert (await sent_in_a_form(client)).code == 200
                assert await ready(client) == "ready"
        assert list(folder.iterdir()) == []


@pytest.mark.gen_test(timeout=60)
async def test_uploads_wait_for_their_disk(tmp_path: Path) -> None:
    with small_disk(MEGABYTES) as folder:
        uploads = folder / "uploads"
        async with running_service(tmp_path, LADING_UPLOADS__DIRECTORY=str(uploads)) as service:
            client = Client(service.url, token())
            assert await ready(client) == "ready"
            assert not uploads.exists(), "nothing is created before the first bytes"
            for fails, code in FAULTS:
                path = await begun(client)
                assert (await patch(client, path, 0, DATA[:100])).code == 204
                with fails(folder):
                    assert code_of(await patch(client, path, 100, DATA[100:])) == (503, code)
                    assert await ready(client) == "Not ready: uploads."
                    assert (await client.document(path.rpartition("/")[2]))["status"] == "waiting"
                asked = await client.fetch(path, method="HEAD", headers=TUS)
                offset = int(asked.headers["Upload-Offset"])
                assert (await patch(client, path, offset, DATA[offset:])).code == 204
                assert (await client.document(path.rpartition("/")[2]))["status"] == "done"
                assert await ready(client) == "ready"
        assert list(uploads.glob("*.part")) == []
