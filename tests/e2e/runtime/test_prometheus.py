"""A real Prometheus scrapes a service of two processes and a worker while imports run."""

import subprocess
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer, origin_in_thread
from lading.service.observe.metrics.families import FAMILIES, Kind
from tests.e2e.runtime.test_metrics import Service, documented, load, service
from tests.support.servers.processes import wait_until
from tests.support.servers.programs import program
from tests.support.servers.programs.prometheus import prometheus

__all__ = ["service"]

PARTS = {Kind.HISTOGRAM: ("_bucket", "_count", "_sum")}


@pytest.mark.timeout(240)
def test_every_series_of_the_reference_is_in_prometheus(service: Service, tmp_path: Path) -> None:
    kinds = {family.name: family.kind for family in FAMILIES}
    wanted = {name + end for name in documented() for end in PARTS.get(kinds.get(name, Kind.GAUGE), ("",))}
    origin = Origin({"/a.jpg": answer(jpeg()), "/none": answer(b"no image" * 100), "/hook": answer(b"")})
    targets = (service.admin, service.worker_admin)
    with origin_in_thread(origin), prometheus(tmp_path, targets) as server:
        wait_until(lambda: server.value("sum(up)") == 2)
        # While it scrapes.
        load(service, origin, 8)
        url = quote(origin.url("/a.jpg"), safe="")
        for _ in range(30):
            service.client.accepted(f"album_id=imported_album&url={url}")
        wait_until(lambda: server.value("sum(lading_imports_total)") == 38)
        wait_until(lambda: wanted <= set(server.ask("label/__name__/values")), timeout=60)

        # It saw what happened, as one service and one worker, each process once.
        assert server.value('sum(lading_imports_total{status="done"})') == 37
        assert server.value('sum(lading_http_requests_total{method="POST",route="/api/v1/imports"})') == 38
        assert server.value("count(process_open_fds)") == 4
        # The service counts the queue every few seconds.
        wait_until(lambda: server.value('max(lading_queue_imports{state="queued"})') == 0)
        assert server.value('sum(lading_attempt_phase_duration_seconds_count{phase="save"})') == 37
        assert server.value("histogram_quantile(0.5, sum by (le) (lading_import_duration_seconds_bucket))") > 0
        # It asks for OpenMetrics, in which the names of families have no suffix.
        told = {name: metric[0] for name, metric in server.ask("metadata").items()}
        for family in FAMILIES:
            metric = told[family.name.removesuffix("_total")]
            assert (metric["type"], bool(metric["help"])) == (family.kind.value, True), family.name
        assert {target["lastError"] for target in server.ask("targets")["activeTargets"]} == {""}
        promtool = program("promtool", "prometheus")
        for target in targets:
            with urllib.request.urlopen(f"{target}/metrics", timeout=30) as response:
                text = response.read()
            checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
            assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
