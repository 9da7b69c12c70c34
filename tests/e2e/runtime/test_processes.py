"""``lading serve`` and ``lading worker`` as processes: how they start, share the work, stop, die, and start again."""

import asyncio
import contextlib
import json
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Exchange, Origin, answer, origin_in_thread
from lading.service.runtime.signals.handlers import SAME_REQUEST
from tests.support.servers.processes import HttpClient, ServiceProcess, lading, session_members, wait_until
from tests.support.servers.service import CONF, environment, token

LEASE = 3
CONTENT = jpeg(40, 30)
DATA_URL = "data:image/gif;base64,R0lGODlhAQABAPAAAAAAAAAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw=="
BY_DATA_URL = f"album_id=imported_album&url={quote(DATA_URL, safe='')}"


class Deployment:
    """Documents and images in one folder, and the processes that share them; all of them end with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "service.conf").write_text(CONF, encoding="utf-8")
        self._stack = ExitStack()

    def start(self, command: str, **overrides: str) -> ServiceProcess:
        """Start ``serve`` or ``worker``, and wait until it does its work."""
        options = {
            "LADING_SERVICE__PORT": "0",
            "LADING_SERVICE__LOG_FORMAT": "json",
            "LADING_WORKER__LEASE": str(LEASE),
            "LADING_WORKER__PER_ISSUER": "64",
            "LADING_WORKER__PER_HOST": "64",
            "LADING_WORKER__POLL_INTERVAL": "0.1",
        }
        environ = environment(self.folder, **options | overrides)
        process = ServiceProcess((command, "--config", str(self.folder / "service.conf")), environ, self.folder)
        self._stack.enter_context(process)
        process.wait_for("listening" if command == "serve" else "working")
        return process

    def close(self) -> None:
        self._stack.close()

    def statuses(self) -> Counter[str]:
        """How many imports there are of each status, as the database has it."""
        with closing(sqlite3.connect(self.folder / "lading.sqlite3")) as database:
            return Counter(dict(database.execute("SELECT status, count(*) FROM imports GROUP BY status")))

    def attempts(self) -> Counter[int]:
        """How many imports there are of each number of attempts."""
        with closing(sqlite3.connect(self.folder / "lading.sqlite3")) as database:
            return Counter(dict(database.execute("SELECT attempts, count(*) FROM imports GROUP BY attempts")))

    def stored(self) -> list[bytes]:
        """The content of every file in the storage's folder."""
        return [path.read_bytes() for path in (self.folder / "images").rglob("*") if path.is_file()]


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path)
    yield deployment
    deployment.close()


@contextmanager
def origin_with_a_gate(free: int = 0) -> Iterator[tuple[Origin, threading.Event]]:
    """An origin that answers ``free`` requests at once, and the others when its gate has been opened."""
    gate = threading.Event()

    async def behave(exchange: Exchange) -> bool:
        if len(origin.requests) > free:
            while not gate.is_set():
                await asyncio.sleep(0.02)
        return await answer(CONTENT)(exchange)

    origin = Origin(otherwise=behave, lifetime=300)
    with origin_in_thread(origin):
        try:
            yield origin, gate
        finally:
            gate.set()


def client_of(service: ServiceProcess) -> HttpClient:
    return HttpClient(service.wait_for("listening")["address"], token())


def post(client: HttpClient, origin: Origin, count: int) -> list[str]:
    form = f"album_id=imported_album&url={quote(origin.url('/a.jpg'), safe='')}"
    return [client.accepted(form) for _ in range(count)]


def imports_logged(process: ServiceProcess) -> int:
    return sum(line.get("event") == "import" for line in process.lines)


# --- starting ---------------------------------------------------------------------------------------------------------


def test_a_stranger_starts_in_an_empty_folder_and_is_told_what_to_do(tmp_path: Path) -> None:
    environ = {"LADING_AUTH__ISSUER_CACHE": "0.3"}
    with ServiceProcess(("serve", "--port", "0"), environ, tmp_path) as service:
        base = service.wait_for("listening")["address"]
        hint = service.wait_for("no issuer exists, so nobody can sign a token")
        assert hint["remedy"] == "lading issuer create --organization NAME"
        assert HttpClient(base).get("/healthz") == (200, {"status": "ok"})
        assert HttpClient(base).get("/readyz") == (200, {"status": "ready"})
        assert HttpClient(base).post(BY_DATA_URL)[0] == 401

        # What the hint says, while the service runs.
        created = lading(*hint["remedy"].split()[1:], "--id", "mine", cwd=tmp_path)
        secret = created.stdout.split()[-1]
        signed = lading("token", "--issuer", "mine", "--album", "imported_album", cwd=tmp_path).stdout.strip()
        client = HttpClient(base, signed)
        import_id = client.accepted(BY_DATA_URL)
        assert client.final(import_id)["status"] == "done"

        assert lading("issuer", "disable", "mine", cwd=tmp_path).status == 0
        wait_until(lambda: client.post(BY_DATA_URL)[0] == 401, timeout=5)
        assert lading("issuer", "enable", "mine", cwd=tmp_path).status == 0
        wait_until(lambda: client.get(f"/api/v1/imports/{import_id}")[0] == 200, timeout=5)
        document = client.document(import_id)
        assert service.terminate() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["lading-data"]
    assert secret not in str(service.lines)
    assert signed.rpartition(".")[2] not in str(service.lines)

    # Documents and issuers are there again, so there is no hint any more.
    with ServiceProcess(("serve", "--port", "0"), {}, tmp_path) as service:
        again = HttpClient(service.wait_for("listening")["address"], signed)
        assert again.document(import_id) == document
        assert service.terminate() == 0
    assert not any("remedy" in line for line in service.lines)


def test_readyz_tells_what_does_not_work_while_healthz_goes_on(deployment: Deployment) -> None:
    service = deployment.start("serve")
    client = client_of(service)
    images = deployment.folder / "images"
    images.rename(deployment.folder / "away")
    images.touch()
    wait_until(lambda: client.get("/readyz")[0] == 503, timeout=10)
    assert "storage" in client.get("/readyz")[1]["detail"]
    assert client.get("/healthz")[0] == 200
    images.unlink()
    (deployment.folder / "away").rename(images)
    wait_until(lambda: client.get("/readyz")[0] == 200, timeout=10)


def test_a_service_on_a_port_in_use_says_so_and_the_first_one_goes_on(deployment: Deployment) -> None:
    service = deployment.start("serve")
    client = client_of(service)
    port = client.base.rpartition(":")[2]
    second = lading("serve", "--config", "service.conf", "--port", port, cwd=deployment.folder)
    assert (second.status, second.stdout) == (1, "")
    (line,) = (json.loads(text) for text in second.stderr.splitlines())
    assert line["event"] == "the process ends with an error"
    assert line["reason"] == f"cannot listen on 127.0.0.1 port {port}: Address already in use"
    assert client.final(client.accepted(BY_DATA_URL))["status"] == "done"


# --- stopping ---------------------------------------------------------------------------------------------------------


@pytest.mark.sampled(3)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_no_child_process_outlives_a_service(deployment: Deployment, number: signal.Signals) -> None:
    service = deployment.start("serve")
    client = client_of(service)
    assert client.final(client.accepted(BY_DATA_URL))["status"] == "done"
    assert service.children != set(), "nothing was decoded in a child process"
    service.process.send_signal(number)  # and another one at once, as timeout(1) does
    status = service.terminate(number=number)
    stopped = any(line.get("event") == "stopping" for line in service.lines)
    if number == signal.SIGKILL:
        assert (status, stopped) == (-number, False)
        wait_until(lambda: session_members(service.process.pid) == set(), timeout=5)  # the kernel sees to it
    else:
        assert (status, stopped) == (0, True)
        assert session_members(service.process.pid) == set()
    assert deployment.statuses() == {"done": 1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_worker_stops_at_a_signal_and_hands_back_what_it_runs(deployment: Deployment, number: signal.Signals) -> None:
    with origin_with_a_gate() as (origin, _):
        service = deployment.start("serve", LADING_WORKER__ENABLED="false")
        worker = deployment.start("worker", LADING_SERVICE__SHUTDOWN_TIMEOUT="0.2")
        post(client_of(service), origin, 1)
        wait_until(lambda: len(origin.requests) == 1)
        assert worker.terminate(number=number) == 0
        assert deployment.statuses() == {"queued": 1}
        assert deployment.attempts() == {0: 1}


def test_signals_that_come_together_are_one_and_a_later_one_ends_the_process_at_once(deployment: Deployment) -> None:
    with origin_with_a_gate() as (origin, gate):
        service = deployment.start("serve", LADING_SERVICE__SHUTDOWN_TIMEOUT="600")
        (import_id,) = post(client_of(service), origin, 1)
        wait_until(lambda: len(origin.requests) == 1)
        first = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        service.wait_for("stopping")
        service.process.send_signal(signal.SIGINT)
        came_together = time.monotonic() - first < SAME_REQUEST

        def ended() -> bool:
            service.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                service.process.wait(0.1)
            return service.process.poll() is not None

        wait_until(ended, timeout=20)
        # On a machine that was too busy to send them together, SIGINT counts by itself.
        assert service.process.returncode in {-signal.SIGTERM} | (set() if came_together else {-signal.SIGINT})
        wait_until(lambda: session_members(service.process.pid) == set(), timeout=5)

        # Nothing is lost by that: the lease runs out, and the import is run again.
        gate.set()
        again = client_of(deployment.start("serve"))
        assert again.final(import_id, LEASE + 20)["status"] == "done"
    assert deployment.stored() == [CONTENT]


def test_a_service_under_load_stops_within_its_time_and_finishes_after_the_restart(deployment: Deployment) -> None:
    with origin_with_a_gate(free=10) as (origin, gate):
        service = deployment.start("serve", LADING_SERVICE__SHUTDOWN_TIMEOUT="1")
        import_ids = post(client_of(service), origin, 50)
        wait_until(lambda: len(origin.requests) == 50 and deployment.statuses()["done"] == 10)
        assert deployment.statuses() == {"done": 10, "running": 40}
        started = time.monotonic()
        assert service.terminate() == 0
        assert time.monotonic() - started < 1 + 8
        assert deployment.statuses() == {"done": 10, "queued": 40}
        assert session_members(service.process.pid) == set()

        gate.set()
        client = client_of(deployment.start("serve"))
        assert Counter(client.final(import_id)["status"] for import_id in import_ids) == {"done": 50}
    # Handing back counts as no attempt, and nothing was stored twice.
    assert deployment.attempts() == {1: 50}
    assert deployment.stored() == [CONTENT] * 50


# --- several processes ------------------------------------------------------------------------------------------------


def test_a_service_and_a_worker_share_one_file_and_the_worker_does_the_work(deployment: Deployment) -> None:
    with origin_with_a_gate(free=100) as (origin, _):
        service = deployment.start("serve", LADING_WORKER__ENABLED="false")
        client = client_of(service)
        import_ids = post(client, origin, 50)
        assert deployment.statuses() == {"queued": 50}
        worker = deployment.start("worker", LADING_ADMIN__PORT="0")
        admin = HttpClient(worker.wait_for("admin listening")["address"])
        assert (admin.get("/healthz"), admin.get("/readyz")[1]["status"]) == ((200, {"status": "ok"}), "ready")
        import_ids += post(client, origin, 50)
        assert Counter(client.final(import_id)["status"] for import_id in import_ids) == {"done": 100}
        assert worker.terminate() == 0
        assert service.terminate() == 0
    assert imports_logged(worker) == 100
    assert imports_logged(service) == 0
    assert session_members(worker.process.pid) == set()
    assert deployment.stored() == [CONTENT] * 100


def test_what_a_killed_worker_ran_is_finished_by_another_when_its_lease_has_ended(deployment: Deployment) -> None:
    with origin_with_a_gate() as (origin, gate):
        service = deployment.start("serve", LADING_WORKER__ENABLED="false")
        client = client_of(service)
        killed = deployment.start("worker")
        import_ids = post(client, origin, 5)
        wait_until(lambda: len(origin.requests) == 5)
        other = deployment.start("worker")
        killed.kill()
        gate.set()
        started = time.monotonic()
        assert Counter(client.final(import_id)["status"] for import_id in import_ids) == {"done": 5}
        assert time.monotonic() - started < LEASE + 10
        wait_until(lambda: session_members(killed.process.pid) == set(), timeout=5)
        assert other.terminate() == 0
    assert imports_logged(other) == 5
    assert deployment.attempts() == {2: 5}
    assert deployment.stored() == [CONTENT] * 5
