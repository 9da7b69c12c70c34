"""Imports into a bucket, through the service's own process."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from lading.plugins.testing.clouds.processes import GcsEndpoint, S3Endpoint
from lading.plugins.testing.images import jpeg, noise_jpeg
from lading.plugins.testing.origin import Origin, answer, origin_in_thread
from tests.clouds.test_s3_faults import with_metadata_named
from tests.support.servers.cloud_proxy import cloud_proxy
from tests.support.servers.clouds import GcsPlace, S3Place, cloud_service
from tests.support.servers.processes import lading
from tests.support.servers.service import CONF, environment

SMALL = jpeg(640, 480)
LARGE = noise_jpeg(7_000)
"""Larger than one piece of either cloud."""


@pytest.fixture(params=["s3", "gcs"])
def place(request: pytest.FixtureRequest) -> Iterator[S3Place | GcsPlace]:
    endpoint: S3Endpoint | GcsEndpoint = request.getfixturevalue(f"{request.param}_endpoint")
    with closing(S3Place(endpoint) if isinstance(endpoint, S3Endpoint) else GcsPlace(endpoint)) as place:
        yield place


@pytest.mark.sampled(2)
@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["one request", "in pieces"])
def test_an_import_into_a_bucket(tmp_path: Path, place: S3Place | GcsPlace, body: bytes) -> None:
    prefix = {f"LADING_STORAGE_{place.backend.upper()}__PREFIX": "images/"}
    with (
        origin_in_thread(Origin({"/100/100/": answer(body)})) as origin,
        cloud_service(tmp_path, **place.environ, **prefix) as client,
    ):
        form = {
            "album_id": "imported_album",
            "filename": "image123_asdasd.JpG",
            "metadata[attachmentId]": "00P24000003vSXsEAM",
            "url": origin.url("/100/100/"),
        }
        document = client.final(client.accepted(urlencode(form)))
    assert document["status"] == "done", document
    assert document["image"]["storage"] == place.backend
    import_id = document["id"]
    name = f"images/{import_id[:2]}/{import_id}"
    assert place.names() == [name]
    found = place.found(name)
    assert found.body == body
    assert found.content_type == "image/jpeg"
    assert found.content_disposition == 'inline; filename="image123_asdasd.JpG"'
    assert found.metadata["import-id"] == import_id
    assert found.metadata["sha256"] == document["image"]["sha256"]
    assert not place.unfinished()


@pytest.mark.parametrize("keeps", [True, False])
def test_check_says_whether_a_server_keeps_metadata(tmp_path: Path, s3_endpoint: S3Endpoint, *, keeps: bool) -> None:
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    with cloud_proxy(s3_endpoint.url) as proxy, closing(S3Place(s3_endpoint, proxy.url)) as place:
        if not keeps:
            proxy.harm(lambda request: request.method == "HEAD", with_metadata_named(""))
        environ = environment(tmp_path, **place.environ)
        checked = lading("check", "--config", "service.conf", cwd=tmp_path, environ=environ)
    assert checked.status == 0, checked
    assert ("keeps no metadata of objects" in checked.stderr) is not keeps
