"""A service before real S3 servers: killed amid uploads in parts, stalled for long, robbed of answers: all is done."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from lading.plugins.testing.clouds.processes import S3Endpoint
from lading.plugins.testing.images import jpeg, noise_jpeg
from lading.plugins.testing.origin import Origin, answer, origin_in_thread
from tests.clouds.test_s3_faults import S3Faults
from tests.support.servers.cloud_proxy import CloudProxy, cloud_proxy, losing_the_answer, stalling
from tests.support.servers.clouds import S3Place
from tests.support.servers.processes import HttpClient, ServiceProcess, lading, wait_until
from tests.support.servers.s3.ceph import ceph
from tests.support.servers.s3.gateways import juicefs, rclone
from tests.support.servers.s3.real import RealEndpoint
from tests.support.servers.s3.seaweed import SeaweedEndpoint, seaweed
from tests.support.servers.service import CONF, environment, token

UPLOADS = 5
STALL_SECONDS = 20
LARGE = noise_jpeg(7_000)
"""Sent in two parts."""
SMALL = {f"/small/{number}": jpeg(40, 30, seed=number) for number in range(UPLOADS)}
QUICK = {
    "LADING_SERVICE__PORT": "0",
    "LADING_SERVICE__LOG_FORMAT": "json",
    "LADING_STORAGE_S3__READ_TIMEOUT": "5",
    "LADING_WORKER__LEASE": "3",
    "LADING_WORKER__PER_ISSUER": "64",
    "LADING_WORKER__PER_HOST": "64",
    "LADING_WORKER__POLL_INTERVAL": "0.1",
    "LADING_WORKER__RETRY_BASE": "0.1",
    "LADING_WORKER__RETRY_MAX": "0.5",
}
SERVERS: dict[str, Callable[[Path], AbstractContextManager[RealEndpoint]]] = {
    "seaweed": seaweed,
    "juicefs": juicefs,
    "rclone": rclone,
    "ceph": ceph,
}
Server = tuple[S3Endpoint, dict[str, str]]
"""Where it is, and the options that it needs."""

pytestmark = [pytest.mark.long_form, pytest.mark.timeout(300)]


@pytest.fixture(params=["moto", *SERVERS])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    if request.param == "moto":
        yield request.getfixturevalue("s3_endpoint"), {}
        return
    (tmp_path / "server").mkdir()
    with SERVERS[request.param](tmp_path / "server") as endpoint:
        yield endpoint, {} if request.param == "seaweed" else {"LADING_STORAGE_S3__CREATE_ONLY": "false"}


@pytest.fixture
def seaweed_server(tmp_path: Path) -> Iterator[SeaweedEndpoint]:
    (tmp_path / "server").mkdir()
    with seaweed(tmp_path / "server") as endpoint:
        yield endpoint


class Bench:
    """A bucket behind a proxy, and the services that use it one after another."""

    def __init__(
        self, folder: Path, proxy: CloudProxy, place: S3Place, origin: Origin, options: dict[str, str]
    ) -> None:
        (folder / "service.conf").write_text(CONF, encoding="utf-8")
        self.folder, self.proxy, self.place, self.origin = folder, proxy, place, origin
        self.environ = environment(folder, **QUICK, **place.environ, **options)
        self.posted: dict[str, bytes] = {}

    @contextmanager
    def service(self) -> Iterator[tuple[HttpClient, ServiceProcess]]:
        with ServiceProcess(("serve", "--config", "service.conf"), self.environ, self.folder) as process:
            yield HttpClient(process.wait_for("listening")["address"], token()), process

    def post(self, client: HttpClient, *paths: str) -> None:
        for path in paths:
            form = urlencode({"album_id": "imported_album", "url": self.origin.url(path)})
            self.posted[client.accepted(form)] = SMALL.get(path, LARGE)

    def assert_whole(self, client: HttpClient, attempts: int = 1) -> None:
        """Every import is done after so many attempts, and the bucket has its bytes, and nothing else."""
        documents = [client.final(import_id, timeout=120) for import_id in self.posted]
        assert Counter((one["status"], one["attempts"]) for one in documents) == {("done", attempts): len(documents)}
        assert Counter(self.place.found(name).body for name in self.place.names()) == Counter(self.posted.values())

    def audited(self, *options: str) -> str:
        """What the audit prints, whose exit status says that nothing is wrong."""
        command = ("storage", "audit", "--config", "service.conf", "--grace", "1s", *options)
        done = lading(*command, cwd=self.folder, environ=self.environ)
        assert done.status == 0, done
        return done.stdout

    def assert_clean_after_the_grace(self) -> None:
        time.sleep(1.1)
        self.audited("--delete-orphans")
        assert self.place.unfinished() == []
        told, count = self.audited(), len(self.posted)
        assert told == f"s3: {count} objects, {count} images by the documents; nothing wrong\n"


@contextmanager
def bench(folder: Path, endpoint: S3Endpoint, options: dict[str, str]) -> Iterator[Bench]:
    routes = {path: answer(body) for path, body in SMALL.items()} | {"/large": answer(LARGE)}
    with (
        cloud_proxy(endpoint.url) as proxy,
        closing(S3Place(endpoint, proxy.url)) as place,
        origin_in_thread(Origin(routes)) as origin,
    ):
        yield Bench(folder, proxy, place, origin, options)


class TestSeaweedFaults(S3Faults):
    """Every fault of the suite, with a server that was made by others than the storage."""

    read_timeout = 5.0

    @pytest.fixture(scope="class")
    @classmethod
    def s3_endpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedEndpoint]:
        with seaweed(tmp_path_factory.mktemp("faults")) as endpoint:
            yield endpoint


def test_kill_9_amid_five_uploads_in_parts(tmp_path: Path, server: Server) -> None:
    with bench(tmp_path, *server) as given:
        second_parts = given.proxy.harm(S3Faults.kinds["part"], stalling, times=None)
        with given.service() as (client, process):
            given.post(client, *["/large"] * UPLOADS)
            # Each has begun, and sends: none has been completed.
            wait_until(lambda: second_parts.hits >= UPLOADS, 60)
            process.kill()
        assert given.place.names() == []
        assert len(given.place.unfinished()) >= UPLOADS
        given.proxy.heal()
        with given.service() as (client, process):
            given.assert_whole(client, attempts=2)
            assert process.terminate() == 0
        given.assert_clean_after_the_grace()


def test_seaweed_stalls_for_long(tmp_path: Path, seaweed_server: SeaweedEndpoint) -> None:
    with bench(tmp_path, seaweed_server, {}) as given, given.service() as (client, process):
        given.post(client, *SMALL, "/large")
        wait_until(lambda: client.document(next(iter(given.posted)))["status"] == "done")
        os.kill(seaweed_server.process.pid, signal.SIGSTOP)
        try:
            given.post(client, *SMALL, *["/large"] * UPLOADS)
            time.sleep(STALL_SECONDS)
            assert client.get("/readyz")[0] == 503
        finally:
            os.kill(seaweed_server.process.pid, signal.SIGCONT)
        given.assert_whole(client)
        assert process.terminate() == 0
        given.assert_clean_after_the_grace()


@pytest.mark.parametrize("kind", ["put", "begin", "part", "finish"])
def test_answers_of_seaweed_are_lost(tmp_path: Path, seaweed_server: SeaweedEndpoint, kind: str) -> None:
    with bench(tmp_path, seaweed_server, {}) as given, given.service() as (client, process):
        lost = given.proxy.harm(S3Faults.kinds[kind], losing_the_answer, times=2 * UPLOADS)
        given.post(client, *SMALL, *["/large"] * UPLOADS)
        given.assert_whole(client)
        assert lost.hits == 2 * UPLOADS
        assert process.terminate() == 0
        given.assert_clean_after_the_grace()
