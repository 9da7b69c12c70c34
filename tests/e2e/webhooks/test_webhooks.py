"""Webhooks between real processes: a receiver that is down meanwhile, a worker alone, and the example receiver."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, Request, answer, origin_in_thread
from tests.support.servers.processes import HttpClient, ServiceProcess, wait_until
from tests.support.servers.service import CONF, environment, token
from tests.support.webhooks import ids, posts, verified

ROOT = Path(__file__).parents[3]


class Deployment:
    """Processes that share documents and images in one folder or database; all of them end with the test."""

    def __init__(self, folder: Path, stack: ExitStack, **overrides: str) -> None:
        self.folder = folder
        self.overrides = overrides
        self._stack = stack
        (folder / "service.conf").write_text(CONF, encoding="utf-8")

    def start(self, command: str = "serve", **overrides: str) -> ServiceProcess:
        environ = environment(
            self.folder,
            LADING_SERVICE__PORT="0",
            LADING_SERVICE__LOG_FORMAT="json",
            LADING_WORKER__LEASE="3",
            LADING_WORKER__POLL_INTERVAL="0.1",
            LADING_WEBHOOKS__RETRY_BASE="0.2",
            LADING_WEBHOOKS__TIMEOUT="1",
            **{**self.overrides, **overrides},
        )
        process = ServiceProcess((command, "--config", str(self.folder / "service.conf")), environ, self.folder)
        self._stack.enter_context(process)
        process.wait_for("listening" if command == "serve" else "working")
        return process


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def base(service: ServiceProcess) -> str:
    return str(service.wait_for("listening")["address"])


def call(service: ServiceProcess, method: str, path: str, params: Any = None) -> dict[str, Any]:
    """A request of an administrator; the answer's JSON."""
    address = urlsplit(base(service))
    connection = HTTPConnection(address.hostname or "", address.port, timeout=10)
    try:
        headers = {"Authorization": f"Bearer {token(admin=True)}", "Content-Type": "application/json"}
        connection.request(method, f"/api/v1/webhooks{path}", json.dumps(params or {}), headers)
        response = connection.getresponse()
        body: dict[str, Any] = json.loads(response.read())
        assert response.status < 300, body
        return body
    finally:
        connection.close()


def post(service: ServiceProcess, origin: Origin, count: int) -> list[str]:
    form = f"album_id=imported_album&url={quote(origin.url('/a.jpg'), safe='')}"
    client = HttpClient(base(service), token())
    return [client.accepted(form) for _ in range(count)]


def events(requests: Sequence[Request], secret: str) -> Counter[tuple[str, str]]:
    """How often each event came: by import and ``webhook-id``."""
    return Counter((verified(one, secret)["data"]["id"], one.headers["webhook-id"]) for one in requests)


@contextmanager
def receiver(port: int = 0) -> Iterator[Origin]:
    routes = {"/a.jpg": answer(jpeg(40, 30)), "/hook": answer(b"")}
    with origin_in_thread(Origin(routes, port=port)) as origin:
        yield origin


def test_after_kill_9_each_event_arrives_with_one_id(tmp_path: Path, stack: ExitStack) -> None:
    deployment = Deployment(tmp_path, stack)
    with receiver() as origin:
        with receiver() as gone:
            port = gone.port
        service = deployment.start()
        endpoint = call(service, "POST", "", {"url": f"http://127.0.0.1:{port}/hook"})
        imports = post(service, origin, 10)
        client = HttpClient(base(service), token())
        # Nobody hears of it yet: the outboxes are worked off or not, and no delivery is made.
        wait_until(lambda: any(client.document(one)["status"] == "done" for one in imports))
        service.kill()
        service = deployment.start()
        with receiver(port) as up:
            wait_until(lambda: len(set(ids(posts(up)))) == len(imports))
            page = call(service, "GET", f"/{endpoint['id']}/deliveries")["deliveries"]
            wait_until(
                lambda: all(
                    one["status"] == "delivered"
                    for one in call(service, "GET", f"/{endpoint['id']}/deliveries")["deliveries"]
                )
            )
            heard = events(posts(up), endpoint["secret"])
        assert {import_id for import_id, _ in heard} == set(imports)
        assert len(heard) == len(imports)
        assert {one["event_id"] for one in page} == {event_id for _, event_id in heard}


def test_what_a_worker_finishes_is_told_as_well(tmp_path: Path, stack: ExitStack) -> None:
    deployment = Deployment(tmp_path, stack)
    with receiver() as origin:
        service = deployment.start(LADING_WORKER__ENABLED="false", LADING_WEBHOOKS__CONCURRENCY="1")
        endpoint = call(service, "POST", "", {"url": origin.url("/hook")})
        worker = deployment.start("worker")
        imports = post(service, origin, 5)
        wait_until(lambda: len(posts(origin)) == 5)
        heard = events(posts(origin), endpoint["secret"])
        assert {import_id for import_id, _ in heard} == set(imports)
        assert worker.terminate() == 0
        secrets = (endpoint["secret"], endpoint["secret"].removeprefix("whsec_"))
        assert not any(secret in str(process.lines) for process in (service, worker) for secret in secrets)


def test_the_example_receiver_receives(tmp_path: Path, stack: ExitStack) -> None:
    deployment = Deployment(tmp_path, stack)
    with receiver() as origin:
        service = deployment.start()
        # Its secret comes with its endpoint, and its port with its secret.
        endpoint = call(service, "POST", "", {"url": "http://127.0.0.1:1/", "events": ["import.done"]})
        command = [sys.executable, str(ROOT / "examples" / "webhook_receiver.py"), "--port", "0"]
        environ = {**os.environ, "WEBHOOK_SECRET": endpoint["secret"]}
        process = stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)
        )
        stack.callback(process.kill)
        assert process.stderr is not None
        assert process.stdout is not None
        url = process.stderr.readline().split()[-1]
        call(service, "PATCH", f"/{endpoint['id']}", {"url": f"{url}/hook"})
        (import_id,) = post(service, origin, 1)
        event = json.loads(process.stdout.readline())
        assert (event["type"], event["data"]["id"]) == ("import.done", import_id)
        path = f"/{endpoint['id']}/deliveries"
        wait_until(lambda: call(service, "GET", path)["deliveries"][0]["status"] == "delivered")
        assert forged(url) == 401


def forged(url: str) -> int:
    """What the receiver answers to a request that nobody signed."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        headers = {"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
        connection.request("POST", "/hook", b"{}", headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_example_receiver_says_what_it_needs() -> None:
    environ = {name: value for name, value in os.environ.items() if name != "WEBHOOK_SECRET"}
    command = [sys.executable, str(ROOT / "examples" / "webhook_receiver.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=30, check=False)
    assert (done.returncode, "WEBHOOK_SECRET is not set" in done.stderr) == (1, True)
