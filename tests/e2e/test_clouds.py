"""Imports into a bucket, through the service's own process."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from plugins.testing.clouds import GcsEndpoint, S3Endpoint
from plugins.testing.images import jpeg, noise_jpeg
from plugins.testing.origin import Origin, answer, origin_in_thread
from tests.support.cloud_proxy import cloud_proxy, resetting
from tests.support.clouds import GcsPlace, S3Place
from tests.support.processes import HttpClient, ServiceProcess, wait_until
from tests.support.service import CONF, environment, token

SMALL = jpeg(640, 480)
SESSION_TOKEN = "a-session-token-that-no-log-may-have"
LARGE = noise_jpeg(7_000)
"""Larger than one piece of either cloud."""


@pytest.fixture(params=["s3", "gcs"])
def place(request: pytest.FixtureRequest) -> Iterator[S3Place | GcsPlace]:
    endpoint: S3Endpoint | GcsEndpoint = request.getfixturevalue(f"{request.param}_endpoint")
    with closing(S3Place(endpoint) if isinstance(endpoint, S3Endpoint) else GcsPlace(endpoint)) as place:
        yield place


@contextmanager
def service(folder: Path, **overrides: str) -> Iterator[HttpClient]:
    """``lading serve`` in a process of its own, and a client of it."""
    conf = folder / "service.conf"
    conf.write_text(CONF, encoding="utf-8")
    environ = environment(
        folder,
        LADING_SERVICE__PORT="0",
        LADING_SERVICE__LOG_FORMAT="json",
        LADING_SERVICE__LOG_LEVEL="debug",
        AWS_SESSION_TOKEN=SESSION_TOKEN,
        LADING_WORKER__PER_ISSUER="64",
        LADING_WORKER__PER_HOST="64",
        LADING_WORKER__POLL_INTERVAL="0.1",
        **overrides,
    )
    with ServiceProcess(("serve", "--config", str(conf)), environ, folder) as process:
        yield HttpClient(process.wait_for("listening")["address"], token())
        assert process.terminate() == 0
        assert SESSION_TOKEN not in str(process.lines)


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["one request", "in pieces"])
def test_an_import_into_a_bucket(tmp_path: Path, place: S3Place | GcsPlace, body: bytes) -> None:
    prefix = {f"LADING_STORAGE_{place.backend.upper()}__PREFIX": "images/"}
    with (
        origin_in_thread(Origin({"/100/100/": answer(body)})) as origin,
        service(tmp_path, **place.environ, **prefix) as client,
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
    name = f"images/{import_id[:2]}/{import_id[2:4]}/{import_id}"
    assert place.names() == [name]
    found = place.found(name)
    assert found.body == body
    assert found.content_type == "image/jpeg"
    assert found.content_disposition == 'inline; filename="image123_asdasd.JpG"'
    assert found.metadata["import-id"] == import_id
    assert found.metadata["sha256"] == document["image"]["sha256"]
    assert not place.unfinished()


def test_an_outage_in_the_middle_of_many_imports(tmp_path: Path, s3_endpoint: S3Endpoint) -> None:
    bodies = {f"/{number}": jpeg(40, 30, seed=number) for number in range(60)}
    bodies["/large"] = LARGE
    quick = {
        "LADING_WORKER__RETRY_BASE": "0.1",
        "LADING_WORKER__RETRY_MAX": "0.5",
        "LADING_WORKER__ATTEMPTS": "3",
        "LADING_STORAGE_S3__READ_TIMEOUT": "5",
    }
    routes = {path: answer(body) for path, body in bodies.items()}
    with (
        cloud_proxy(s3_endpoint.url) as proxy,
        closing(S3Place(s3_endpoint, proxy.url)) as place,
        origin_in_thread(Origin(routes)) as origin,
        service(tmp_path, **place.environ, **quick) as client,
    ):
        cut = proxy.harm(lambda _: True, resetting)
        ids = [client.accepted(urlencode({"album_id": "imported_album", "url": origin.url(path)})) for path in bodies]
        wait_until(lambda: cut.hits > 300)
        proxy.heal()
        documents = [client.final(import_id, timeout=60) for import_id in ids]
        assert Counter(document["status"] for document in documents) == {"done": len(bodies)}
        stored = [place.found(name).body for name in place.names()]
        assert Counter(stored) == Counter(bodies.values())
        assert not place.unfinished()
