"""An outage of the storage in the middle of many imports: they wait, and nothing is lost, partial or stored twice."""

import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from lading.plugins.testing.clouds.processes import S3Endpoint
from lading.plugins.testing.images import jpeg, noise_jpeg
from lading.plugins.testing.origin import Origin, answer, origin_in_thread
from tests.chaos.harm.rig import LONG
from tests.support.servers.cloud_proxy import cloud_proxy, resetting
from tests.support.servers.clouds import S3Place, cloud_service
from tests.support.servers.processes import lading, wait_until
from tests.support.servers.service import environment

IMPORTS = 500 if LONG else 60
OUTAGE_SECONDS = 60 if LONG else 2
HITS = 300
"""Requests that have to be broken at the least, whatever the time."""
LARGE = noise_jpeg(7_000)
"""Sent in parts."""
QUICK = {
    "LADING_WORKER__RETRY_BASE": "0.1",
    "LADING_WORKER__RETRY_MAX": "0.5",
    "LADING_WORKER__ATTEMPTS": "3",
    "LADING_STORAGE_S3__READ_TIMEOUT": "5",
}


@pytest.mark.timeout(600 if LONG else 120)
def test_every_import_waits_for_the_storage(tmp_path: Path, s3_endpoint: S3Endpoint) -> None:
    bodies = {f"/{number}": jpeg(40, 30, seed=number) for number in range(IMPORTS)}
    bodies["/large"] = LARGE
    routes = {path: answer(body) for path, body in bodies.items()}
    with (
        cloud_proxy(s3_endpoint.url) as proxy,
        closing(S3Place(s3_endpoint, proxy.url)) as place,
        origin_in_thread(Origin(routes)) as origin,
    ):
        with cloud_service(tmp_path, **place.environ, **QUICK) as client:

            def post(path: str) -> str:
                return client.accepted(urlencode({"album_id": "imported_album", "url": origin.url(path)}))

            paths = list(bodies)
            ids = [post(path) for path in paths[: IMPORTS // 10]]
            wait_until(lambda: client.document(ids[0])["status"] == "done")
            cut, since = proxy.harm(lambda _: True, resetting), time.monotonic()
            ids += [post(path) for path in paths[IMPORTS // 10 :]]
            wait_until(lambda: cut.hits > HITS and time.monotonic() - since > OUTAGE_SECONDS, 120)
            proxy.heal()
            documents = [client.final(import_id, timeout=120) for import_id in ids]
        assert Counter(document["status"] for document in documents) == {"done": len(bodies)}
        stored = [place.found(name).body for name in place.names()]
        assert Counter(stored) == Counter(bodies.values())
        assert not place.unfinished()
        environ = environment(tmp_path, **place.environ)
        audit = lading("storage", "audit", "--config", "service.conf", cwd=tmp_path, environ=environ)
        assert (audit.status, f"{len(bodies)} objects" in audit.stdout) == (0, True), audit
