"""Metrics of real processes: a service of two processes and a worker under load, and processes that are killed."""

import os
import re
import signal
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer, origin_in_thread
from lading.service.observe.metrics.families import FAMILIES, ISSUER_IMPORTS, Kind
from tests.chaos.harm.pids import children_of
from tests.support.servers.processes import HttpClient, ServiceProcess, wait_until
from tests.support.servers.service import CONF, ISSUER, environment, token

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def documented() -> set[str]:
    """The names of all families in the reference."""
    return set(re.findall(r"^`(\w+)` \{", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE))


def scrape(admin: str) -> tuple[set[str], Samples]:
    """The names of the families, and every sample."""
    with urllib.request.urlopen(f"{admin}/metrics", timeout=30) as response:
        text = response.read().decode()
    families = [*text_string_to_metric_families(text)]
    assert len({family.name for family in families}) == len(families)
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }
    return {family.name + "_total" * (family.type == "counter") for family in families if family.samples}, samples


def total(samples: Samples, name: str, **labels: str) -> float:
    """The sum of the samples of a name with these labels, whatever others they have."""
    return sum(value for (found, given), value in samples.items() if found == name and labels.items() <= given)


def lowered(before: Samples, after: Samples) -> dict[Any, tuple[float, float | None]]:
    """The counters that went down or vanished. Those of ``process_`` begin again with their process."""
    ends = ("_total", "_bucket", "_count", "_sum")
    counters = {key: value for key, value in before.items() if key[0].endswith(ends) and key[0].startswith("lading_")}
    assert len(counters) > 200
    return {key: (value, after.get(key)) for key, value in counters.items() if after.get(key, -1.0) < value}


class Service:
    """A service of two processes and a worker, with the addresses of their admin listeners."""

    def __init__(self, folder: Path) -> None:
        (folder / "service.conf").write_text(CONF, encoding="utf-8")
        environ = environment(
            folder,
            LADING_SERVICE__LOG_FORMAT="json",
            LADING_SERVICE__PORT="0",
            LADING_ADMIN__PORT="0",
            LADING_ADMIN__ISSUER_SERIES="5",
            LADING_WORKER__LEASE="3",
        )
        conf = ("--config", str(folder / "service.conf"))
        self.supervisor = ServiceProcess(("serve", *conf, "--processes", "2"), environ)
        self.worker = ServiceProcess(("worker", *conf), environ)
        try:
            may = token(abilities=("image_upload", "webhook_manage"))
            self.client = HttpClient(self.supervisor.wait_for("supervising")["address"], may)
            self.admin = self.supervisor.wait_for("admin listening")["address"]
            self.worker_admin = self.worker.wait_for("admin listening")["address"]
            self.until_serving(2)
            # A process tells of its places now and then.
            wait_until(lambda: total(scrape(self.admin)[1], "lading_places_free", place="worker") == 2 * 64)
        except BaseException:
            self.close()
            raise

    def until_serving(self, times: int) -> None:
        """Until processes have begun to serve so many times, dead ones included."""
        wait_until(lambda: sum(one.get("event") == "a child process serves" for one in self.supervisor.lines) >= times)

    def close(self) -> None:
        self.supervisor.kill()
        self.worker.kill()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    started = Service(tmp_path)
    try:
        yield started
    finally:
        started.close()


def load(service: Service, origin: Origin, count: int) -> None:
    """Import images, one of which is none, each with a webhook, and read the documents."""
    client = service.client
    assert client.get("/api/v1/webhooks/secret")[0] == 200
    hook = quote(origin.url("/hook"), safe="")
    posted = []
    for path in [*["/a.jpg"] * (count - 1), "/none"]:
        url = quote(origin.url(path), safe="")
        posted.append(client.accepted(f"album_id=imported_album&url={url}&webhook[url]={hook}"))
    assert {client.final(one)["status"] for one in posted} == {"done", "failed"}


def counted(service: Service, name: str, **labels: str) -> float:
    """The number of the service and of the worker together."""
    return sum(total(scrape(admin)[1], name, **labels) for admin in (service.admin, service.worker_admin))


def until_counted(service: Service, imports: int) -> None:
    """Until every import has been counted, and its webhook."""
    for name, labels in (("lading_imports_total", {}), ("lading_webhook_attempts_total", {"outcome": "delivered"})):
        wait_until(lambda name=name, labels=labels: counted(service, name, **labels) == imports)  # type: ignore[misc]


@pytest.mark.timeout(240)
def test_every_metric_is_there_and_no_counter_goes_down_when_processes_die(service: Service) -> None:
    origin = Origin({"/a.jpg": answer(jpeg()), "/none": answer(b"no image" * 100), "/hook": answer(b"")})
    with origin_in_thread(origin):
        load(service, origin, 8)
        assert service.client.get("/nowhere")[0] == 404

        until_counted(service, 8)
        wait_until(lambda: total(scrape(service.admin)[1], "lading_places_free", place="worker") == 2 * 64)
        names, before = scrape(service.admin)
        worker_names, of_worker = scrape(service.worker_admin)

        assert documented() >= {family.name for family in FAMILIES}
        assert documented() - names - worker_names == set()
        assert {name for name in names | worker_names if name.startswith(("lading_", "process_"))} == documented()

        assert total(before, "lading_http_requests_total", route="/api/v1/imports", method="POST", status="200") == 8
        assert total(before, "lading_http_requests_total", route="other", status="404") == 1
        both: list[tuple[str, dict[str, Any], float]] = [
            ("lading_imports_total", {"status": "done", "code": "none", "fetcher": "url"}, 7),
            ("lading_imports_total", {"status": "failed", "code": "not_an_image"}, 1),
            (ISSUER_IMPORTS.name, {"issuer": ISSUER}, 8),
            ("lading_attempt_phase_duration_seconds_count", {"phase": "save"}, 7),
            ("lading_stored_bytes_total", {"storage": "local"}, 7 * len(jpeg())),
            ("lading_claimed_imports_total", {}, 8),
        ]
        for name, labels, wanted in both:
            found = total(before, name, **labels) + total(of_worker, name, **labels)
            assert found == wanted, (name, labels)
        processes = {dict(labels)["process"] for (name, labels) in before if name == "process_open_fds"}
        assert processes == {"supervisor", "1", "2"}
        assert total(before, "lading_places_free", place="worker") == 2 * 64, "the places of both processes"

        # A process dies: its counters stay, its gauges vanish with it, and its successor goes on counting.
        os.kill(min(children_of(service.supervisor.process.pid)), signal.SIGKILL)
        service.until_serving(3)
        _, after = scrape(service.admin)
        assert lowered(before, after) == {}
        assert total(after, "lading_child_restarts_total") == 1
        wait_until(lambda: total(scrape(service.admin)[1], "lading_places_free", place="worker") == 2 * 64)
        load(service, origin, 4)
        until_counted(service, 12)
        _, last = scrape(service.admin)
        assert lowered(after, last) == {}
        assert total(last, "lading_http_requests_total", route="/api/v1/imports", method="POST", status="200") == 12

        # Both die: nobody answers for a moment, and nothing is forgotten.
        for pid in children_of(service.supervisor.process.pid):
            os.kill(pid, signal.SIGKILL)
        service.until_serving(5)
        _, reborn = scrape(service.admin)
        assert lowered(last, reborn) == {}
        assert total(reborn, "lading_child_restarts_total") == 3
        assert all(family.kind is not Kind.GAUGE or family.name in scrape(service.admin)[0] for family in FAMILIES)
    assert service.supervisor.terminate() == 0
    assert service.worker.terminate() == 0
