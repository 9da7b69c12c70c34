"""File names and albums that a stranger chose are data: they come back as sent, and reach no path and no header."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from lading.plugins.testing import images
from lading.plugins.testing.origin import Origin, answer
from tests.support.servers.service import Client, final, running_service, token

NAMES = [
    "../../../../etc/passwd",
    "..\\..\\windows\\system32",
    "/etc/passwd",
    "C:\\a.png",
    "a\r\nSet-Cookie: x=y\r\n\r\n<html>",
    'a"; filename="b.html',
    "a\\",
    "%2e%2e%2f%0d%0aX: y",
    "\u202egnp.exe",
    "\u2066a\u2069\u200b\ufeff",
    "a\u2028b\u2029c\u0085d",
    "\x1b[2J\x07",
    "CON",
    ".",
    "..",
    "~root",
    "-rf",
    "$(id)`id`|id;id",
    "' OR '1'='1",
    '{"$ne": null}',
    "<script>alert(1)</script>.svg",
    "é" * 127,
    "\U0001f40c" * 60,
    "e\u0301" * 80,
    "\ufdd0\U0010ffff",
]


@pytest.mark.gen_test(timeout=100)
async def test_hostile_names_are_data(tmp_path: Path) -> None:
    async with Origin({"/a.png": answer(images.jpeg(8, 8))}) as origin:
        async with running_service(tmp_path) as service:
            for name in NAMES:
                client = Client(service.url, token(album=name, abilities=("image_upload", "image_download")))
                response = await client.post_json({"album_id": name, "filename": name, "url": origin.url("/a.png")})
                assert response.code == 200, (name, response.body)
                accepted = json.loads(response.body)
                assert (accepted["album_id"], accepted["params"]["filename"]) == (name, name)
                assert "Set-Cookie" not in response.headers
                found = await final(client, accepted["id"])
                assert found["status"] == "done", (name, found["error"])
                await _assert_harmless(client, found, name)
            for body in ({"album_id": "a\0b"}, {"filename": "a\0b.png"}):
                client = Client(service.url, token(admin=True))
                response = await client.post_json({"url": origin.url("/a.png"), **body})
                assert (response.code, json.loads(response.body)["code"]) == (422, "parameter_invalid")
    folder = tmp_path / "images"
    stored = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert len(stored) == len(NAMES)
    assert all(len(path.parts) == 2 and path.parts[1].startswith(path.parts[0]) for path in stored)
    assert not [path for path in tmp_path.parent.iterdir() if path.name in ("etc", "passwd", "a.png")]


async def _assert_harmless(client: Client, document: dict[str, str], name: str) -> None:
    """The answers about the image: the name in the body is as sent, in a header it is printable ASCII, and no path."""
    shown = await client.fetch(f"/api/v1/images/{document['image_id']}")
    assert (shown.code, json.loads(shown.body)["filename"]) == (200, name)
    content = await client.fetch(f"/api/v1/images/{document['image_id']}/content")
    assert (content.code, content.headers["Content-Type"]) == (200, "image/jpeg")
    disposition = content.headers["Content-Disposition"]
    assert disposition.isascii(), name
    assert disposition.isprintable(), name
    assert disposition.count('"') in (0, 2), name
    _, _, plain = disposition.partition('filename="')
    assert not set('/\\"%') & set(plain.partition('"')[0]), name
    _, _, extended = disposition.partition("filename*=")
    for unwanted in ("/", "\\", "\0", "\r", "\n", "\u202e", "\u2066"):
        assert quote(unwanted, safe="") not in extended, name
    assert "Set-Cookie" not in content.headers
