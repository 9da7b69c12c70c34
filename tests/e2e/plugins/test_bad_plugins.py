"""A real service with a plugin of a stranger's that does what no plugin may."""

import json
import signal
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from lading.plugins.testing import images
from tests.support.plugins.distributions import Site
from tests.support.servers.processes import HttpClient, ServiceProcess
from tests.support.servers.service import CONF, environment, token

BAD = """
    import asyncio
    import time
    from contextlib import asynccontextmanager

    from lading.plugins.contracts import Fetched, Fetcher

    class Probe(Fetcher):
        contract_version = 1
        kind = "bad"
        schemes = frozenset({"bad"})

        def check(self, source):
            if "slow-check" in source.url:
                time.sleep(600)

        @asynccontextmanager
        async def open(self, source):
            await getattr(self, source.url.removeprefix("bad://"))()
            yield Fetched(self.body())

        async def body(self):
            yield b"no image"

        async def close(self): ...

        async def pauses(self):
            time.sleep(0.4)

        async def sleeps(self):
            time.sleep(600)

        async def computes(self):
            while True:
                pass

        async def hangs(self):
            await asyncio.Event().wait()

        async def ignores(self):
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass

        async def claims(self):
            from lading.plugins.errors import StorageUnavailable
            raise StorageUnavailable
"""
OUTCOMES = {
    "pauses": "not_an_image",
    "sleeps": "plugin_blocked",
    "computes": "plugin_blocked",
    "hangs": "deadline_exceeded",
    "ignores": "deadline_exceeded",
    "claims": "plugin_fault",
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    site = tmp_path / "site"
    site.mkdir()
    Site(site).install(BAD, group="lading.fetchers", name="bad")
    conf = tmp_path / "service.conf"
    conf.write_text(CONF)
    environ = environment(
        tmp_path,
        PYTHONPATH=str(site),
        LADING_FETCH__PLUGINS="http, data, bad",
        LADING_FETCH__DEADLINE="4",
        LADING_WORKER__ATTEMPTS="1",
        LADING_WORKER__BLOCKING_LIMIT="2",
        LADING_WORKER__POLL_INTERVAL="0.1",
        LADING_SERVICE__LOG_FORMAT="json",
    )
    with ServiceProcess(("serve", "--config", str(conf)), environ, tmp_path) as process:
        yield process


@pytest.mark.timeout(180)
def test_each_import_ends_with_its_code_and_the_service_goes_on(service: ServiceProcess) -> None:
    client = HttpClient(str(service.wait_for("listening")["address"]), token())
    ids = {what: client.accepted(f"album_id=imported_album&url=bad://{what}") for what in OUTCOMES}
    assert {what: client.final(ids[what], 90)["error"]["code"] for what in OUTCOMES} == OUTCOMES
    reports = [line for line in service.lines if line.get("event") == "a plugin blocks the event loop"]
    assert {report["plugin"] for report in reports} == {"bad"}
    assert any("pauses" in frame or "sleeps" in frame or "computes" in frame for frame in reports[0]["frames"])

    good = client.accepted(f"album_id=imported_album&url={_data_url()}")
    assert client.final(good)["status"] == "done"
    assert service.terminate(number=signal.SIGTERM) == 0


def test_a_check_that_blocks_is_cut_off_and_answered(service: ServiceProcess) -> None:
    client = HttpClient(str(service.wait_for("listening")["address"]), token())
    status, problem = client.post("album_id=imported_album&url=bad://slow-check")
    assert (status, problem["code"]) == (500, "internal_error"), json.dumps(problem)
    assert client.final(client.accepted(f"album_id=imported_album&url={_data_url()}"))["status"] == "done"


def _data_url() -> str:
    return quote("data:image/jpeg;base64," + b64encode(images.jpeg()).decode(), safe="")
