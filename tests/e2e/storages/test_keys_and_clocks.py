"""A wrong clock, and a key that was changed at the server first, are outages: imports wait, and lose no attempt.

On SeaweedFS, which checks both.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer, origin_in_thread
from tests.chaos.harm.clocks import SettableClock, without_clocks
from tests.support.plugins.scripted import make_import
from tests.support.servers.clouds import S3Place
from tests.support.servers.processes import HttpClient, ServiceProcess, lading, wait_until
from tests.support.servers.s3.seaweed import SeaweedEndpoint, seaweed
from tests.support.servers.service import CONF, environment, token

IMPORTS = 20
BODIES = {f"/{number}": answer(jpeg(40, 30, seed=number)) for number in range(2 * IMPORTS)}
HOUR = 3600
AUDIT = ("storage", "audit", "--config", "service.conf", "--delete-orphans", "--grace", "1s")
QUICK = {
    "LADING_SERVICE__PORT": "0",
    "LADING_SERVICE__LOG_FORMAT": "json",
    "LADING_WORKER__PER_ISSUER": "64",
    "LADING_WORKER__PER_HOST": "64",
    "LADING_WORKER__POLL_INTERVAL": "0.1",
    "LADING_WORKER__RETRY_BASE": "0.1",
    "LADING_WORKER__RETRY_MAX": "0.5",
    "LADING_WORKER__ATTEMPTS": "2",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SeaweedEndpoint]:
    (tmp_path / "server").mkdir()
    with seaweed(tmp_path / "server") as endpoint:
        yield endpoint


def environ_of(place: S3Place, secret: str) -> dict[str, str]:
    """Overrides for a service whose key has this secret."""
    keys = {"LADING_STORAGE_S3__ACCESS_KEY_ID": "testing", "LADING_STORAGE_S3__SECRET_ACCESS_KEY": secret}
    return {**place.environ, **keys}


def takes_keys_of(place: S3Place) -> bool:
    """Whether the server takes the keys of the tests: it reads new ones a moment after its signal."""
    try:
        place.names()
    except ClientError:
        return False
    return True


@contextmanager
def service(folder: Path, place: S3Place, secret: str, **environ: str) -> Iterator[tuple[HttpClient, ServiceProcess]]:
    environ = environment(folder, **QUICK, **environ_of(place, secret), **environ)
    with ServiceProcess(("serve", "--config", "service.conf"), environ, folder) as process:
        yield HttpClient(process.wait_for("listening")["address"], token()), process
        assert process.terminate() == 0


@pytest.mark.timeout(180)
def test_imports_wait_for_the_right_clock_and_the_right_key(tmp_path: Path, server: SeaweedEndpoint) -> None:
    if reason := without_clocks():
        pytest.skip(reason)
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    clock = SettableClock(tmp_path / "clock")
    clock.set(-HOUR)
    with closing(S3Place(server)) as place, origin_in_thread(Origin(BODIES)) as origin:
        left = make_import().storage_key
        place.begin(left)
        urls = (origin.url(path) for path in BODIES)

        def imported(client: HttpClient) -> list[str]:
            forms = (urlencode({"album_id": "imported_album", "url": url}) for url in islice(urls, IMPORTS))
            ids = [client.accepted(form) for form in forms]
            wait_until(lambda: client.document(ids[0])["error"] is not None)
            assert client.document(ids[0])["error"]["code"] == "storage_unavailable"
            assert client.get("/readyz")[0] == 503
            return ids

        def assert_done(client: HttpClient, ids: list[str]) -> None:
            documents = [client.final(import_id, timeout=60) for import_id in ids]
            assert Counter((one["status"], one["attempts"]) for one in documents) == {("done", 1): IMPORTS}

        with service(tmp_path, place, "testing-secret", **clock.environment) as (client, process):
            ids = imported(client)
            assert "this machine's clock is 1 h behind the server" in str(process.lines)
            clock.set(0)
            assert_done(client, ids)
            server.take_keys(testing="rotated")
            wait_until(lambda: not takes_keys_of(place))
            ids = imported(client)
            assert "the secret does not belong to the access key" in str(process.lines)
        with service(tmp_path, place, "rotated") as (client, _):
            assert_done(client, ids)
            audit = lading(*AUDIT, cwd=tmp_path, environ=environment(tmp_path, **environ_of(place, "rotated")))
        server.take_keys(testing="testing-secret")
        wait_until(lambda: takes_keys_of(place))
        assert (audit.status, audit.stderr) == (0, ""), audit
        assert f"s3: unfinished {left}  of 20" in audit.stdout
        assert (
            f"s3: {2 * IMPORTS} objects, {2 * IMPORTS} images by the documents; 1 unfinished; 1 deleted" in audit.stdout
        )
        assert len(place.names()) == 2 * IMPORTS
        assert not place.unfinished()
