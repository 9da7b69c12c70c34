"""Files, by both clients: resumable uploads, and what interrupts them."""

import io
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.client import ImportFailed, LadingError, NotFound, PermissionDenied, Upload, ValidationFailed
from tests.client.both import Api
from tests.client.conftest import ALBUM, Place
from tests.support.servers.cutting_proxy import DROPPED, CuttingProxy, Harm, refused
from tests.support.servers.service import token


@pytest.fixture
def pipe(photo: bytes) -> io.BufferedReader:
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(photo)

    threading.Thread(target=write).start()
    return os.fdopen(reading, "rb")


def test_bytes_paths_files_and_pipes(api: Api, photo: bytes, pipe: io.BufferedReader, tmp_path: Path) -> None:
    path = tmp_path / "beach.jpg"
    path.write_bytes(photo)
    behind = io.BytesIO(b"12345" + photo)
    behind.seek(5)
    with pipe:
        for file in (photo, path, str(path), behind, pipe):
            given = {"metadata": {"n": [1, "ü"]}, "expect": {"min_width": 10}, "tags": ["a", "b,c"]}
            done = api.call("import_file", file, album_id=ALBUM, **given)
            assert (done.status, done.import_type, done.image.byte_size) == ("done", "upload", len(photo))
            assert done.params["metadata"] == {"n": [1, "ü"]}
            assert done.params["expect"] == {"min_width": "10"}
            assert done.params["tags"] == ["a", "b,c"]
            assert done.params.get("filename") == ("beach.jpg" if file in (path, str(path)) else None)
    with pytest.raises(ValueError, match="empty"):
        api.call("import_file", b"", album_id=ALBUM)
    with pytest.raises(FileNotFoundError):
        api.call("import_file", tmp_path / "none.jpg")
    with pytest.raises(PermissionDenied):
        api.call("import_file", photo, album_id="another_album")


def test_progress_is_told_and_ends_with_the_whole(api: Api, photo: bytes) -> None:
    told: list[Upload] = []
    done = api.call("import_file", photo, album_id=ALBUM, on_progress=told.append, piece_size=20_000)
    offsets = [upload.offset for upload in told]
    assert offsets == sorted(offsets)
    assert {0, 20_000, 40_000, len(photo)} <= set(offsets)
    assert {(upload.import_id, upload.length) for upload in told} == {(done.id, len(photo))}


def test_an_upload_that_is_interrupted_twice_goes_on_by_itself(harmed: Api, proxy: CuttingProxy, photo: bytes) -> None:
    proxy.harm("PATCH", Harm(), Harm(request_bytes=5000), DROPPED)
    proxy.harm("HEAD", DROPPED)
    done = harmed.call("import_file", photo, album_id=ALBUM, piece_size=15_000)
    assert proxy.is_done
    assert done.is_done
    assert harmed.call("read_image", done.image_id) == photo
    # Four pieces, and the one that was cut; the piece whose answer was lost is not sent again.
    assert sum(line.startswith("PATCH") for line in proxy.requests) == 5


def test_the_last_answer_may_be_lost(harmed: Api, proxy: CuttingProxy, photo: bytes) -> None:
    proxy.harm("PATCH", DROPPED, DROPPED)
    assert harmed.call("import_file", photo, album_id=ALBUM).is_done
    with pytest.raises(ImportFailed) as failed:
        harmed.call("import_file", b"no image", album_id=ALBUM)
    assert failed.value.code == "not_an_image"
    assert proxy.is_done


def test_an_upload_whose_creation_is_lost_is_begun_again(harmed: Api, proxy: CuttingProxy, photo: bytes) -> None:
    mark = {"begun": str(random.random())}
    proxy.harm("POST /api/v1/uploads", DROPPED)
    assert harmed.call("import_file", photo, album_id=ALBUM, metadata=mark).is_done
    assert len(harmed.many("iter_imports", metadata=mark)) == 1, "the second request found the upload of the first"
    proxy.harm("POST /api/v1/uploads", refused("507 Insufficient Storage", Retry_After="0"))
    proxy.harm("PATCH", refused("423 Locked", Retry_After="0"), refused("460 Checksum Mismatch"))
    assert harmed.call("import_file", photo, album_id=ALBUM).is_done
    assert proxy.is_done


class Stopped(Exception):
    """Who uploads goes away."""


def test_another_client_goes_on_with_an_upload(
    api: Api, connect: Callable[..., Api], place: Place, photo: bytes, tmp_path: Path
) -> None:
    kept: list[Upload] = []

    def keep(upload: Upload) -> None:
        kept.append(upload)
        if upload.offset >= 30_000:
            raise Stopped

    with pytest.raises(Stopped):
        api.call("import_file", photo, album_id=ALBUM, on_progress=keep, piece_size=10_000)
    begun = kept[-1]
    with pytest.raises(ValueError, match="the upload is of 49093 bytes, and the file has 10"):
        api.call("import_file", b"0123456789", resume=begun)
    told: list[Upload] = []
    other = connect(place.url, token(abilities=("image_upload",)))
    # Of the URL only the id counts: another host would get the token.
    done = other.call("import_file", photo, resume=f"http://evil.example/x/{begun.import_id}", on_progress=told.append)
    assert done.is_done
    assert done.id == begun.import_id
    assert told[0].offset >= 20_000
    assert other.call("import_file", photo, resume=begun) == done, "it has ended long ago"
    with pytest.raises(NotFound):
        other.call("cancel_upload", begun)
    with pytest.raises(NotFound):
        other.call("import_file", photo, resume="00000000-0000-4000-8000-000000000000")


def test_the_same_key_goes_on_with_the_same_upload(api: Api, photo: bytes) -> None:
    given = {"album_id": ALBUM, "idempotency_key": f"file-{random.random()}", "piece_size": 20_000}
    begun: list[Upload] = []
    with pytest.raises(Stopped):
        api.call("import_file", photo, on_progress=stop_after(20_000, begun), **given)
    told: list[Upload] = []
    done = api.call("import_file", photo, on_progress=told.append, **given)
    assert done.id == begun[0].import_id
    assert told[0].offset in (20_000, 40_000), "the client left while the second piece was under way"
    assert api.call("import_file", photo, **given) == done
    with pytest.raises(ValidationFailed) as reused:
        api.call("import_file", photo[:-1], **given)
    assert reused.value.code == "idempotency_key_reused"


def test_a_cancelled_upload_is_told(api: Api, photo: bytes) -> None:
    kept: list[Upload] = []

    def keep(upload: Upload) -> None:
        kept.append(upload)
        raise Stopped

    with pytest.raises(Stopped):
        api.call("import_file", photo, album_id=ALBUM, on_progress=keep)
    api.call("cancel_upload", kept[0].url)
    with pytest.raises(ImportFailed) as cancelled:
        api.call("import_file", photo, resume=kept[0])
    assert cancelled.value.code == "cancelled"


def test_a_file_that_changes_meanwhile_is_noticed(api: Api, photo: bytes, tmp_path: Path) -> None:
    path = tmp_path / "changing.jpg"
    # Behind the end of the image, where no decoder looks.
    path.write_bytes(photo + b"a" * 60_000)

    def change(upload: Upload) -> None:
        if upload.offset == upload.length:
            path.write_bytes(photo + b"b" * 60_000)

    with pytest.raises(Stopped):
        api.call("import_file", path, album_id=ALBUM, on_progress=stop_after(50_000), piece_size=50_000)
    assert api.call("import_file", path, album_id=ALBUM, on_progress=change, piece_size=50_000).is_done
    begun: list[Upload] = []
    path.write_bytes(photo + b"a" * 60_000)
    with pytest.raises(Stopped):
        api.call("import_file", path, album_id=ALBUM, on_progress=stop_after(50_000, begun), piece_size=60_000)
    path.write_bytes(photo[:-2] + b"ab" + b"b" * 60_000)
    with pytest.raises(LadingError) as other:
        api.call("import_file", path, resume=begun[-1])
    assert other.value.code == "checksum_mismatch"


def stop_after(offset: int, begun: list[Upload] | None = None) -> Callable[[Upload], None]:
    def stop(upload: Upload) -> None:
        if begun is not None:
            begun.append(upload)
        if upload.offset == upload.length or upload.offset > offset:
            raise Stopped

    return stop


def test_a_refused_upload_says_why(api: Api) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        api.call("import_file", b"x", album_id=ALBUM, dedupe="everywhere")
    assert refusal.value.code == "parameter_invalid"
