"""``/api/v1/images/{id}/content``: headers, conditions and ranges, on every document store."""

import hashlib
import json

import pytest

from tests.api.conftest import Assembled
from tests.api.images.test_images import DATA, allowed, stored
from tests.support.clock import SettableClock
from tests.support.images import code_of, path_of
from tests.support.servers.service import Client

BEGINNING = "Fri, 02 Jan 2026 03:04:05 GMT"
"""When the clock stands still."""


@pytest.fixture
def client(client: Client, clock: SettableClock) -> Client:
    return allowed(client, clock, "image_download", "image_delete")


@pytest.mark.gen_test
async def test_the_bytes_and_their_headers(client: Client, assembled: Assembled) -> None:
    found = await stored(assembled, params={"filename": "Straße.png"})
    response = await client.fetch(path_of(found, "/content"))
    assert (response.code, response.body) == (200, DATA)
    headers = dict(response.headers)
    for name in ("Date", "X-Request-Id", "X-Runtime", "Connection"):
        assert headers.pop(name)
    assert headers == {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=3600, immutable",
        "Content-Disposition": "inline; filename=\"Stra_e.png\"; filename*=UTF-8''Stra%C3%9Fe.png",
        "Content-Length": "5000",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Type": "image/png",
        "Etag": f'"{hashlib.sha256(DATA).hexdigest()}"',
        "Last-Modified": BEGINNING,
        "Referrer-Policy": "origin-when-cross-origin, strict-origin-when-cross-origin",
        "Vary": "Authorization",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


@pytest.mark.gen_test
async def test_head_is_get_without_the_bytes(client: Client, assembled: Assembled) -> None:
    found = await stored(assembled)
    got, head = [await client.fetch(path_of(found, "/content"), method=method) for method in ("GET", "HEAD")]
    assert (head.code, head.body) == (200, b"")
    changing = ("X-Request-Id", "X-Runtime", "Date")
    assert {name: value for name, value in head.headers.get_all() if name not in changing} == {
        name: value for name, value in got.headers.get_all() if name not in changing
    }
    ranged = await client.fetch(path_of(found, "/content"), method="HEAD", headers={"Range": "bytes=0-9"})
    assert (ranged.code, ranged.headers["Content-Length"]) == (200, "5000"), "a range is asked for with GET alone"


@pytest.mark.gen_test
async def test_not_modified(client: Client, assembled: Assembled) -> None:
    found = await stored(assembled)
    for method in ("GET", "HEAD"):
        response = await client.fetch(
            path_of(found, "/content"), method=method, headers={"If-None-Match": f'"x", W/{found.etag}'}
        )
        assert (response.code, response.body) == (304, b"")
        headers = dict(response.headers)
        assert headers["Etag"] == found.etag
        assert headers["Cache-Control"] == "private, max-age=3600, immutable"
        assert not headers.keys() & {"Content-Type", "Content-Length", "Content-Disposition", "X-Token", "Pragma"}


@pytest.mark.gen_test
async def test_errors_are_not_to_be_kept(client: Client, assembled: Assembled) -> None:
    found = await stored(assembled)
    for headers, status, code in [
        ({"If-Match": '"other"'}, 412, "precondition_failed"),
        ({"Range": "bytes=5000-"}, 416, "range_not_satisfiable"),
        ({"Authorization": "none"}, 401, "unauthorized"),
    ]:
        response = await client.fetch(path_of(found, "/content"), headers=headers)
        assert (response.code, code_of(response.body)) == (status, code)
        assert response.headers["Content-Type"] == "application/problem+json; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-cache, no-store"
        assert response.headers["Pragma"] == "no-cache"
        assert not response.headers.keys() & {"Etag", "Last-Modified", "Accept-Ranges", "Content-Disposition"}
        if status == 416:
            assert response.headers["Content-Range"] == "bytes */5000"
            assert "5000" in json.loads(response.body)["detail"]


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_a_range_and_several(client: Client, assembled: Assembled) -> None:
    found = await stored(assembled)
    one = await client.fetch(path_of(found, "/content"), headers={"Range": "bytes=10-19"})
    assert (one.code, one.body, one.headers["Content-Range"]) == (206, DATA[10:20], "bytes 10-19/5000")
    assert one.headers["Etag"] == found.etag
    assert one.headers["Content-Disposition"] == "inline"
    two = await client.fetch(path_of(found, "/content"), headers={"Range": "bytes=-5,0-0"})
    assert two.code == 206
    media_type, _, boundary = two.headers["Content-Type"].partition("; boundary=")
    assert media_type == "multipart/byteranges"
    frame = f"\r\n--{boundary}\r\nContent-Type: image/png\r\nContent-Range: bytes "
    assert two.body == (
        (frame + "4995-4999/5000\r\n\r\n").encode()
        + DATA[-5:]
        + (frame + "0-0/5000\r\n\r\n").encode()
        + DATA[:1]
        + f"\r\n--{boundary}--\r\n".encode()
    )
    assert two.headers["Content-Length"] == str(len(two.body))
    again = await client.fetch(path_of(found, "/content"), headers={"Range": "bytes=-5,0-0"})
    assert again.headers["Content-Type"] != two.headers["Content-Type"], "boundaries are new each time"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ('a"b\\c/d.png', 'inline; filename="a_b_c_d.png"'),
        ("a\r\nSet-Cookie: x=1.png", 'inline; filename="a__Set-Cookie: x=1.png"'),
        ("\u202egnp.exe", "inline; filename=\"_gnp.exe\""),
        ("日本.png", "inline; filename=\"__.png\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.png"),
        ("..", "inline"),
    ],
)  # fmt: skip
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_a_stranger_s_name_injects_nothing(
    client: Client, assembled: Assembled, name: str, expected: str
) -> None:
    found = await stored(assembled, params={"filename": name})
    response = await client.fetch(path_of(found, "/content"))
    assert response.headers["Content-Disposition"] == expected
    assert "Set-Cookie" not in response.headers


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_the_name_fits_what_processors_have_made(client: Client, assembled: Assembled) -> None:
    came = await stored(assembled, params={"filename": "IMG_1.HEIC"})
    made = await stored(assembled, params={"filename": "IMG_1.HEIC"}, source_sha256="0" * 64)
    for found, expected in ((came, "IMG_1.HEIC"), (made, "IMG_1.png")):
        response = await client.fetch(path_of(found, "/content"))
        assert response.headers["Content-Disposition"] == f'inline; filename="{expected}"'
        assert json.loads((await client.fetch(path_of(found))).body)["filename"] == expected
        assert (await client.document(found.document.id))["params"]["filename"] == "IMG_1.HEIC", "as it was sent"


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_what_is_no_image_is_saved_rather_than_shown(client: Client, assembled: Assembled) -> None:
    found = await stored(assembled, content_type="application/pdf", filename="a.pdf")
    response = await client.fetch(path_of(found, "/content"))
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers["Content-Disposition"] == 'attachment; filename="a.pdf"'


@pytest.mark.gen_test
async def test_an_object_that_is_gone_or_changed(client: Client, assembled: Assembled) -> None:
    found = await stored(assembled)
    await assembled.parts.storage.delete(found.image.key)
    other = await stored(assembled, byte_size=4999)
    for lost in (found, other):
        response = await client.fetch(path_of(lost, "/content"))
        assert (response.code, code_of(response.body)) == (500, "image_lost")
        assert response.headers["Cache-Control"] == "no-cache, no-store"
        assert "Etag" not in response.headers


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_the_fixed_headers_of_other_answers_are_untouched(client: Client, assembled: Assembled) -> None:
    found = await stored(assembled)
    await client.fetch(path_of(found, "/content"))
    response = await client.fetch(path_of(found))
    assert response.headers["X-token"] == client.token
    assert response.headers["P3P"]
    assert "Content-Security-Policy" not in response.headers
