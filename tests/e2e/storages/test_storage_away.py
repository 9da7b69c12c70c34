"""The drill of ``docs/how-to/operate/storage-drill.md``: the storage goes away under load, and comes back."""

import json
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import pytest

from lading.plugins.testing.clouds.processes import S3Endpoint
from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer, origin_in_thread
from tests.e2e.runtime.test_metrics import scrape, total
from tests.support.servers.cloud_proxy import CloudProxy, cloud_proxy, resetting
from tests.support.servers.clouds import S3Place
from tests.support.servers.processes import HttpClient, ServiceProcess, lading, wait_until
from tests.support.servers.programs.prometheus import prometheus
from tests.support.servers.service import CONF, environment, token

RULES = Path(__file__).parents[3] / "deploy" / "prometheus" / "alerts.yml"
BODY = jpeg(40, 30, seed=1)
CALLS = "lading_plugin_calls_total"
COMPONENTS = ("storage", "the storage of images")
"""As readiness and the worker name it in the log."""
OPTIONS = {
    "LADING_SERVICE__PORT": "0",
    "LADING_SERVICE__LOG_FORMAT": "json",
    "LADING_ADMIN__PORT": "0",
}


@contextmanager
def without_folder(folder: Path) -> Iterator[None]:
    """The folder of the images is not there within the block, as if its disk were not mounted."""
    aside = folder.with_name("elsewhere")
    folder.rename(aside)
    try:
        yield
    finally:
        aside.rename(folder)


@contextmanager
def without_server(proxy: CloudProxy) -> Iterator[None]:
    """Every connection to the server breaks within the block."""
    proxy.harm(lambda _: True, resetting)
    try:
        yield
    finally:
        proxy.heal()


@dataclass
class Drill:
    """A service under load, and what its operator looks at.

    Attributes:
        posted: the ids of all imports.
    """

    service: ServiceProcess
    environ: dict[str, str]
    folder: Path
    origin: Origin
    posted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = HttpClient(self.service.wait_for("listening")["address"], token())
        self.admin = self.service.wait_for("admin listening")["address"]

    def post(self, count: int) -> None:
        form = urlencode({"album_id": "imported_album", "url": self.origin.url("/a.jpg")})
        self.posted += [self.client.accepted(form) for _ in range(count)]

    def readyz(self) -> tuple[int, dict[str, Any]]:
        """Status and body of the admin listener's answer."""
        try:
            with urllib.request.urlopen(f"{self.admin}/readyz", timeout=30) as response:
                return response.status, json.load(response)
        except HTTPError as error:
            with error:
                return error.code, json.load(error)

    def failing_calls(self) -> float:
        """What ``LadingStorageFails`` looks at."""
        outcomes = ("storage_unavailable", "storage_full", "storage_denied", "storage_error")
        samples = scrape(self.admin)[1]
        return sum(total(samples, CALLS, kind="storage", outcome=outcome) for outcome in outcomes)

    def until_done(self) -> None:
        for import_id in self.posted:
            assert self.client.final(import_id)["status"] == "done"

    def logged(self, event: str, component: str) -> list[dict[str, Any]]:
        return [line for line in self.service.logged(event) if line["component"] == component]

    def queue(self) -> str:
        done = lading("queue", "--config", "service.conf", cwd=self.folder, environ=self.environ)
        assert (done.status, done.stderr) == (0, "")
        return done.stdout


@contextmanager
def drill(folder: Path, **environ: str) -> Iterator[Drill]:
    (folder / "service.conf").write_text(CONF, encoding="utf-8")
    environ = environment(folder, **OPTIONS, **environ)
    with origin_in_thread(Origin(otherwise=answer(BODY))) as origin:
        with ServiceProcess(("serve", "--config", "service.conf"), environ, folder) as service:
            yield Drill(service, environ, folder, origin)
            assert service.terminate() == 0


def assert_told(drilled: Drill, queued: int) -> None:
    """What an operator sees while the storage is away."""
    code, state = drilled.readyz()
    failing = {name: part["reason"] for name, part in state["parts"].items() if part["status"] != "ok"}
    assert (code, list(failing)) == (503, ["storage"])
    assert "storage_unavailable" in failing["storage"]
    # Balancers get no reason, for clients may ask too.
    code, told = drilled.client.get("/readyz")
    assert (code, told["code"], told["detail"]) == (503, "not_ready", "Not ready: storage.")
    # An import may be under way: those that wait are queued between two attempts.
    table = drilled.queue()
    counts = {
        state: int(count) for state, count in re.findall(r"^(queued|running|failed) +(\d+) ", table, re.MULTILINE)
    }
    assert (counts["queued"] + counts["running"], counts["failed"]) == (queued, 0), table
    assert " storage_unavailable " in table
    for component in COMPONENTS:
        (line,) = drilled.logged("a component is down", component)
        assert (line["level"], "storage_unavailable" in line["reason"]) == ("warning", True)


def assert_all_done(drilled: Drill) -> None:
    """What an operator sees afterwards: everything is done, and no attempt was used up."""
    documents = [drilled.client.final(import_id, timeout=60) for import_id in drilled.posted]
    assert Counter((one["status"], one["attempts"]) for one in documents) == {("done", 1): len(documents)}
    wait_until(lambda: drilled.readyz()[0] == 200)
    for component in COMPONENTS:
        wait_until(lambda component=component: len(drilled.logged("a component recovered", component)) == 1)  # type: ignore[misc]
    assert re.findall(r"^(queued|running|failed) +0 ", drilled.queue(), re.MULTILINE) == ["queued", "running", "failed"]


def test_a_disk_that_is_away_for_a_moment(tmp_path: Path) -> None:
    with drill(tmp_path) as drilled:
        drilled.post(2)
        drilled.until_done()
        with without_folder(tmp_path / "images"):
            drilled.post(6)
            wait_until(lambda: drilled.failing_calls() > 0)
            # The alert looks at the rate, so it has to grow.
            first = drilled.failing_calls()
            wait_until(lambda: drilled.failing_calls() > first)
            wait_until(lambda: drilled.readyz()[0] == 503)
            wait_until(lambda: drilled.client.get("/readyz")[0] == 503)
            assert_told(drilled, 6)
            drilled.post(2)
        assert_all_done(drilled)


@pytest.mark.long_form
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["local", "s3"])
def test_two_minutes_without_storage_wake_somebody_up(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    with ExitStack() as stack:
        environ: dict[str, str] = {}
        away: AbstractContextManager[object] = without_folder(tmp_path / "images")
        if kind == "s3":
            endpoint: S3Endpoint = request.getfixturevalue("s3_endpoint")
            proxy = stack.enter_context(cloud_proxy(endpoint.url))
            environ = stack.enter_context(closing(S3Place(endpoint, proxy.url))).environ
            away = without_server(proxy)
        drilled = stack.enter_context(drill(tmp_path, **environ))
        server = stack.enter_context(prometheus(tmp_path, [drilled.admin], RULES))

        def firing() -> set[str]:
            alerts = server.ask("alerts")["alerts"]
            return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

        drilled.post(20)
        drilled.until_done()
        wait_until(lambda: server.value("sum(lading_imports_total)") == 20)
        assert firing() == set()
        with away:
            since = time.monotonic()
            # Under load, of a request each second.
            while not firing():
                assert time.monotonic() - since < 240
                drilled.post(1)
                time.sleep(1)
            assert time.monotonic() - since > 120
            assert firing() == {"LadingStorageFails"}
            assert_told(drilled, len(drilled.posted) - 20)
        assert_all_done(drilled)
        wait_until(lambda: server.value('sum(lading_imports_total{status="done"})') == len(drilled.posted))
        # It looks back five minutes, and then says that all is well.
        wait_until(lambda: not firing(), 330)
