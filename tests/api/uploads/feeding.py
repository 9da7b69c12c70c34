"""How tests of uploads send an image's bytes: by PUT, and in a multipart form."""

import json
from pathlib import Path

from tornado.httpclient import HTTPResponse

from lading.plugins.testing.images import jpeg
from lading.service.models import Import
from tests.api.conftest import Assembled
from tests.support.servers.service import Client

DATA = jpeg(64, 48)
FORM = "album_id=imported_album&filename=mine.jpg"
KEYS = ["id", "organization_id", "image_id", "import_type", "album_id", "params", "created_at", "updated_at"]
BOUNDARY = "----a boundary"


async def waiting(client: Client, form: str = FORM) -> str:
    response = await client.post(form)
    assert response.code == 200, response.body
    return str(json.loads(response.body)["id"])


async def put(client: Client, import_id: str, body: bytes = DATA, **headers: str) -> HTTPResponse:
    return await client.fetch(f"/api/v1/imports/{import_id}/content", method="PUT", body=body, headers=headers)


def code_of(response: HTTPResponse) -> tuple[int, str]:
    return response.code, json.loads(response.body)["code"]


def multipart(*parts: tuple[str, str | None, bytes]) -> bytes:
    lines = []
    for name, filename, content in parts:
        file = "" if filename is None else f'; filename="{filename}"'
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        lines.append(head.encode() + content + b"\r\n")
    return b"".join(lines) + f"--{BOUNDARY}--\r\n".encode()


async def post(client: Client, *parts: tuple[str, str | None, bytes], **headers: str) -> HTTPResponse:
    headers["Content-Type"] = f'multipart/form-data; boundary="{BOUNDARY}"'
    return await client.fetch("/api/v1/imports", method="POST", body=multipart(*parts), headers=headers)


ALBUM = ("album_id", None, b"imported_album")


def files(directory: Path) -> list[bytes]:
    return [path.read_bytes() for path in (directory / "images").rglob("*") if path.is_file()]


async def stored(assembled: Assembled, import_id: str) -> Import:
    found = await assembled.parts.store.get(import_id)
    assert found is not None
    return found
