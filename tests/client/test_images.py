"""Images, by both clients: whole, in part, cut off, and gone."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.client import LadingError, NotFound, PermissionDenied, ValidationFailed
from tests.client.both import Api
from tests.client.conftest import ALBUM, Place
from tests.support.servers.cutting_proxy import CuttingProxy, Harm, refused
from tests.support.servers.service import token


@pytest.fixture
def image_id(api: Api, place: Place) -> str:
    return str(api.call("import_url", place.photo, album_id=ALBUM, wait=60).image_id)


def test_the_whole_and_parts_of_it(api: Api, image_id: str, photo: bytes, tmp_path: Path) -> None:
    assert api.call("read_image", image_id) == photo
    assert api.call("read_image", image_id, start=49_000) == photo[49_000:]
    assert api.call("read_image", image_id, start=5, stop=9) == photo[5:9]
    assert api.call("read_image", image_id, stop=10**9) == photo
    assert b"".join(api.many("iter_content", image_id, start=1)) == photo[1:]
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"what was there before")
    told: list[tuple[int, int]] = []
    assert api.call("download", image_id, path, on_progress=lambda *now: told.append(now)) == len(photo)
    assert path.read_bytes() == photo
    assert told[-1] == (len(photo), len(photo))
    assert list(tmp_path.iterdir()) == [path]
    buffer = io.BytesIO()
    api.call("download", image_id, buffer)
    assert buffer.getvalue() == photo
    assert api.call("download", image_id, buffer, start=10, stop=30) == 20
    assert buffer.getvalue() == photo + photo[10:30]
    with pytest.raises(ValidationFailed) as behind:
        api.call("read_image", image_id, start=len(photo))
    assert behind.value.code == "range_not_satisfiable"
    with pytest.raises(ValueError, match="offsets"):
        api.call("read_image", image_id, start=5, stop=5)


def test_a_truncated_download_goes_on(
    harmed: Api, proxy: CuttingProxy, image_id: str, photo: bytes, tmp_path: Path
) -> None:
    busy = refused("503 Service Unavailable", Retry_After="0")
    proxy.harm("GET", Harm(answer_bytes=20_000), busy, Harm(answer_bytes=9000))
    path = tmp_path / "photo.jpg"
    harmed.call("download", image_id, path)
    assert path.read_bytes() == photo
    assert proxy.is_done
    ranges = [line for head in proxy.heads for line in head.splitlines() if line.lower().startswith("range:")]
    assert len(ranges) == 3
    assert "bytes=0-" not in " ".join(ranges)
    proxy.harm("GET", Harm(answer_bytes=9000))
    assert harmed.call("read_image", image_id, start=100, stop=40_000) == photo[100:40_000]


def test_a_download_that_fails_leaves_nothing(harmed: Api, proxy: CuttingProxy, image_id: str, tmp_path: Path) -> None:
    proxy.harm("GET", Harm(answer_bytes=20_000), *[Harm(answer_bytes=0)] * 5)
    with pytest.raises(LadingError):
        harmed.call("download", image_id, tmp_path / "photo.jpg")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotFound):
        harmed.call("download", "00000000-0000-4000-8000-000000000000", tmp_path / "photo.jpg")
    with pytest.raises(FileNotFoundError):
        harmed.call("download", image_id, tmp_path / "none" / "photo.jpg")
    assert list(tmp_path.iterdir()) == []


def test_thumbnails(api: Api, image_id: str) -> None:
    webp = api.call("thumbnail", image_id, size="small")
    assert (webp.content_type, webp.content[8:12]) == ("image/webp", b"WEBP")
    jpeg = api.call("thumbnail", image_id, accept="image/jpeg")
    assert (jpeg.content_type, jpeg.content[:2]) == ("image/jpeg", b"\xff\xd8")
    assert webp.etag != jpeg.etag
    with pytest.raises(ValidationFailed):
        api.call("thumbnail", image_id, size="huge")


def test_who_may_see_and_delete(api: Api, connect: Callable[..., Api], place: Place, image_id: str) -> None:
    with pytest.raises(PermissionDenied):
        connect(place.url, token(abilities=("image_upload",))).call("read_image", image_id)
    document = api.call("get_image", image_id)
    assert (document.id, document.format, document.album_id) == (image_id, "JPEG", ALBUM)
    assert api.call("delete_image", image_id) is True
    assert api.call("delete_image", image_id) is True
    with pytest.raises(NotFound) as gone:
        api.call("read_image", image_id)
    assert gone.value.code == "image_deleted"
    assert image_id not in {image.id for image in api.first(50, "iter_images")}
    assert api.call("get_import", document.import_id).image.deleted_at is not None
