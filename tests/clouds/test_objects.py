"""What objects in buckets look like, how they are listed and signed, and where credentials come from."""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from lading.backends.cloud.storage import CloudStorage
from lading.backends.gcs.options import GcsStorageOptions
from lading.backends.gcs.storage import GcsStorage
from lading.backends.s3.options import S3StorageOptions
from lading.backends.s3.storage import S3Storage
from lading.plugins.errors import StorageError, StorageUnavailable
from lading.plugins.testing.bodies import MIB, Body
from lading.plugins.testing.cancellation import attempt
from lading.plugins.testing.clouds.processes import PAGE, GcsEndpoint, S3Endpoint
from lading.plugins.testing.judging import bounded_memory
from tests.support.servers.clouds import GcsPlace, S3Place

SMALL, LARGE = Body(1000), Body(6 * MIB)


@pytest.fixture(params=["s3", "gcs"])
def place(request: pytest.FixtureRequest) -> Iterator[S3Place | GcsPlace]:
    endpoint: S3Endpoint | GcsEndpoint = request.getfixturevalue(f"{request.param}_endpoint")
    with closing(S3Place(endpoint) if isinstance(endpoint, S3Endpoint) else GcsPlace(endpoint)) as place:
        yield place


@asynccontextmanager
async def opened(place: S3Place | GcsPlace, **options: Any) -> AsyncIterator[CloudStorage]:
    storage = place.storage(**options)
    try:
        await storage.ping()
        yield storage
    finally:
        await storage.close()


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("body", [SMALL, LARGE])
async def test_what_belongs_to_an_object(place: S3Place | GcsPlace, body: Body) -> None:
    metadata = replace(
        body.metadata, filename="bild-ü\r\nX: y.png", content_type="image/png\r\nX-Evil: 1", import_id="ü"
    )
    async with opened(place, prefix="images/", key_template="{key}/original") as storage:
        await storage.save("ab/cd", body.chunks(), metadata)
        found = await asyncio.to_thread(place.found, "images/ab/cd/original")
    assert found.body == body.whole()
    assert found.content_type.lower() == "image/png%0d%0ax-evil: 1"
    assert found.content_disposition == (
        "inline; filename=\"bild-___X: y.png\"; filename*=UTF-8''bild-%C3%BC__X%3A%20y.png"
    )
    assert found.metadata["sha256"] == body.sha256
    assert found.metadata["import-id"] in ("ü", "%C3%BC")
    assert len(found.metadata["lading-save"]) == 32


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("body", [SMALL, LARGE])
async def test_storage_class_and_encryption_of_s3(s3_endpoint: S3Endpoint, body: Body) -> None:
    with closing(S3Place(s3_endpoint)) as place:
        options = {
            "storage_class": "STANDARD_IA",
            "encryption": "aws:kms",
            "kms_key_id": "my-key",
            "acl": "public-read",
        }
        async with opened(place, **options) as storage:
            await storage.save("a", body.chunks(), body.metadata)
        found = await asyncio.to_thread(place.found, "a")
        assert found.other["StorageClass"] == "STANDARD_IA"
        assert found.other["ServerSideEncryption"] == "aws:kms"
        assert "my-key" in found.other["SSEKMSKeyId"]
        url = f"{s3_endpoint.url}/{place.bucket}/a"  # which anybody may read
        with await asyncio.to_thread(urllib.request.urlopen, url) as response:
            assert response.read() == body.whole()


@pytest.mark.gen_test(timeout=60)
async def test_storage_class_of_google(gcs_endpoint: GcsEndpoint) -> None:
    with closing(GcsPlace(gcs_endpoint)) as place:
        async with opened(place, storage_class="NEARLINE") as storage:
            for key, body in (("a", SMALL), ("b", LARGE)):
                await storage.save(key, body.chunks(), body.metadata)
        for key in ("a", "b"):
            assert (await asyncio.to_thread(place.found, key)).other["storageClass"] == "NEARLINE"


@pytest.mark.gen_test(timeout=60)
async def test_listing(place: S3Place | GcsPlace) -> None:
    keys = {f"ab/{number}": 10 + number for number in range(20)} | {"a": 1, "abc": 2, "b/ab": 3}
    async with opened(place) as other:  # whose objects are not ours
        await other.save("elsewhere", SMALL.chunks(), SMALL.metadata)
        await other.save("images/b/ab", SMALL.chunks(), SMALL.metadata)
    async with opened(place, prefix="images/", key_template="{key}.bin") as storage:
        assert [listed async for listed in storage.list_objects()] == []
        for key, size in keys.items():
            await storage.save(key, Body(size).chunks(), Body(size).metadata)
        listed = {found.key: found async for found in storage.list_objects()}
        assert {key: found.byte_size for key, found in listed.items()} == keys
        assert all(abs(found.last_modified - datetime.now(UTC)) < timedelta(hours=1) for found in listed.values())
        for prefix in ("a", "ab", "ab/", "ab/1", "b/", "z"):
            expected = {key for key in keys if key.startswith(prefix)}
            assert {found.key async for found in storage.list_objects(prefix)} == expected
        async for _ in storage.list_objects():
            break  # it may be left


@pytest.mark.gen_test(timeout=60)
async def test_a_listing_of_several_pages(place: S3Place | GcsPlace) -> None:
    keys = sorted(str(number) for number in range(2 * PAGE + 5))
    async with opened(place) as storage:
        body = Body(1)
        await asyncio.gather(*(storage.save(key, body.chunks(), body.metadata) for key in keys))
        assert [found.key async for found in storage.list_objects()] == keys


@pytest.mark.gen_test(timeout=60)
async def test_a_signed_url_of_s3(s3_endpoint: S3Endpoint) -> None:
    with closing(S3Place(s3_endpoint)) as place:
        async with opened(place, prefix="images/") as storage:
            await storage.save("a", SMALL.chunks(), SMALL.metadata)
            url = await storage.signed_url(
                "a", expires=timedelta(minutes=5), content_type="image/png", content_disposition='inline; filename="b"'
            )
        with await asyncio.to_thread(urllib.request.urlopen, url) as response:
            assert response.read() == SMALL.whole()
            assert response.headers["Content-Type"] == "image/png"
            assert response.headers["Content-Disposition"] == 'inline; filename="b"'
        assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["300"]


@pytest.mark.gen_test(timeout=60)
async def test_a_signed_url_of_google(gcs_endpoint: GcsEndpoint, tmp_path: Path) -> None:
    with closing(GcsPlace(gcs_endpoint)) as place:
        options = place.options().model_copy(update={"anonymous": False, "credentials_file": str(key_file(tmp_path))})
        storage = GcsStorage(options)
        try:
            url = await storage.signed_url("a/b", expires=timedelta(days=7), content_type="image/png")
        finally:
            await storage.close()
        address = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        assert f"{address.scheme}://{address.netloc}" == gcs_endpoint.url
        assert address.path == f"/{place.bucket}/a/b"
        assert query["X-Goog-Expires"] == "604800"
        assert query["response-content-type"] == "image/png"
        assert len(query["X-Goog-Signature"]) == 512


@pytest.mark.gen_test(timeout=60)
async def test_credentials_that_cannot_sign(gcs_endpoint: GcsEndpoint) -> None:
    with closing(GcsPlace(gcs_endpoint)) as place:
        async with opened(place) as storage:
            error = await attempt(storage.signed_url("a", expires=timedelta(minutes=1)))
    assert type(error) is StorageError
    assert "service account" in error.internal


@pytest.mark.gen_test(timeout=60)
async def test_credentials_of_a_profile(
    s3_endpoint: S3Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").write_text("[lading]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    with closing(S3Place(s3_endpoint)) as place:
        async with opened(place, profile="lading", access_key_id="", secret_access_key=SecretStr("")) as storage:
            await storage.save("a", SMALL.chunks(), SMALL.metadata)
        assert place.names() == ["a"]


@pytest.mark.gen_test(timeout=60)
async def test_no_credentials(s3_endpoint: S3Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.setenv(name, str(tmp_path / "missing"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    unset = {"endpoint": s3_endpoint.url, "region": "us-east-1", "addressing": "path"}
    for storage in (
        S3Storage(S3StorageOptions(bucket="bucket", **unset)),
        GcsStorage(GcsStorageOptions(bucket="bucket")),
    ):
        try:
            error = await attempt(storage.ping())
        finally:
            await storage.close()
        assert type(error) is StorageUnavailable
        assert "no credentials" in error.internal
        assert error.internal not in error.detail


@pytest.mark.gen_test(timeout=60)
async def test_a_bucket_that_is_not_there(place: S3Place | GcsPlace) -> None:
    storage = place.storage(bucket="there-is-no-such-bucket")
    try:
        error = await attempt(storage.ping())
    finally:
        await storage.close()
    assert type(error) is StorageError
    assert "create the bucket" in error.internal


def key_file(folder: Path) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    path = folder / "key.json"
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "client_email": "lading@testing.example",
                "token_uri": "http://127.0.0.1:9/",
                "private_key": pem,
            }
        )
    )
    return path


@pytest.mark.gen_test(timeout=60)
async def test_memory_holds_no_piece_of_a_file(place: S3Place | GcsPlace, tmp_path: Path) -> None:
    if isinstance(place, GcsPlace):
        pytest.skip("the library wants each piece, of 2 MiB, as a whole")
    body, path = Body(30 * MIB), tmp_path / "body"
    with path.open("wb") as file:
        file.writelines(body.pieces())
    async with opened(place) as storage:
        await storage.save_file("warm", path, body.metadata)
        with bounded_memory("eight files of 30 MiB", 8 * MIB):
            await asyncio.gather(*(storage.save_file(f"file-{number}", path, body.metadata) for number in range(8)))
        found = await asyncio.to_thread(place.found, "file-7")
    assert found.body == body.whole()


@pytest.mark.gen_test(timeout=60)
async def test_unfinished_uploads_of_s3_are_listed_and_ended(s3_endpoint: S3Endpoint) -> None:
    with closing(S3Place(s3_endpoint)) as place:
        for name in ("images/ab/cd", "images/ab/cd", "images/ab/ef", "other/ab/cd", "images/not a key"):
            await asyncio.to_thread(place.begin, name)
        async with opened(place, prefix="images/") as storage:
            assert isinstance(storage, S3Storage)
            found = [save async for save in storage.list_unfinished()]
            assert sorted(save.key for save in found) == ["ab/cd", "ab/cd", "ab/ef"]
            assert all(save.begun_at.tzinfo is not None for save in found)
            for save in (*found, *found):  # an upload that has ended is no error
                await storage.end_unfinished(save)
            assert not [save async for save in storage.list_unfinished()]
        assert sorted(place.unfinished()) == ["images/not a key", "other/ab/cd"]
