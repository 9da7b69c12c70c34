"""What was imported is read back as easily as it was put in, whatever keeps it."""

import json
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.testing import images
from lading.plugins.testing.origin import Origin, answer
from tests.e2e.imports.test_outcomes import imported
from tests.support.servers.service import Client, running_service, token


@pytest.mark.parametrize("backend", ["local", "memory"])
@pytest.mark.gen_test(timeout=60)
async def test_imported_read_and_deleted(tmp_path: Path, backend: str) -> None:
    data = images.jpeg(640, 480)
    disposition = 'attachment; filename="sea.jpg"'
    async with Origin({"/a": answer(data, headers={"Content-Disposition": disposition})}) as origin:
        async with running_service(tmp_path, LADING_STORAGE__BACKEND=backend) as service:
            client = Client(service.url, token(abilities=("image_upload", "image_download", "image_delete")))
            document = await imported(client, origin.url("/a"))
            path = f"/api/v1/images/{document['image_id']}"
            shown: dict[str, Any] = json.loads((await client.fetch(path)).body)
            assert (shown["import_id"], shown["filename"], shown["storage"]) == (document["id"], "sea.jpg", backend)
            content = await client.fetch(f"{path}/content")
            assert (content.code, content.body) == (200, data)
            assert content.headers["Content-Type"] == "image/jpeg"
            assert content.headers["Content-Disposition"] == 'inline; filename="sea.jpg"'
            assert content.headers["Etag"] == f'"{shown["sha256"]}"'
            part = await client.fetch(f"{path}/content", headers={"Range": "bytes=-100"})
            assert (part.code, part.body) == (206, data[-100:])
            assert (await client.fetch(path, method="DELETE")).code == 204
            assert (await client.fetch(f"{path}/content")).code == 410
            after = await client.document(document["id"])
            assert after["status"] == "done"
            assert after["image"]["deleted_at"] is not None
    assert [file for file in (tmp_path / "images").rglob("*") if file.is_file()] == []
