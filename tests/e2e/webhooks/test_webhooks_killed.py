"""kill -9 and several processes: every fact arrives, under one id."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer
from tests.support.servers.processes import ServiceProcess
from tests.support.servers.service import CONF, Client, environment, token
from tests.support.webhooks import Manager, ids, posts, received

IMPORTS = 30


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.one_in(3))])
def overrides(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "mongo":
        environ: dict[str, str] = request.getfixturevalue("mongo_environ")
        return environ
    return {}


@contextmanager
def service(directory: Path, overrides: dict[str, str]) -> Iterator[tuple[ServiceProcess, str]]:
    conf = directory / "service.conf"
    conf.write_text(CONF, encoding="utf-8")
    more = {
        "LADING_SERVICE__LOG_FORMAT": "json",
        "LADING_WEBHOOKS__RETRY_BASE": "0.2",
        "LADING_WEBHOOKS__TIMEOUT": "1",
        "LADING_WEBHOOKS__ENDPOINT_CACHE": "0",
        "LADING_WORKER__POLL_INTERVAL": "0.1",
        "LADING_WORKER__LEASE": "3",
    }
    environ = environment(directory, **more, **overrides)
    with ServiceProcess(("serve", "--config", str(conf)), environ, directory) as process:
        yield process, process.wait_for("listening")["address"]


async def post_all(url: str, origin: Origin, count: int) -> set[str]:
    client = Client(url, token())
    params = {"album_id": "imported_album", "url": origin.url("/a.jpg")}
    responses = await asyncio.gather(*(client.post_json(params) for _ in range(count)))
    assert {response.code for response in responses} == {200}
    return {json.loads(response.body)["id"] for response in responses}


def told(requests: Any) -> set[str]:
    return {json.loads(request.body)["data"]["id"] for request in requests}


@pytest.mark.gen_test(timeout=90)
async def test_a_killed_service_forgets_no_fact(tmp_path: Path, overrides: dict[str, str]) -> None:
    async with Origin({"/a.jpg": answer(jpeg(40, 30)), "/hook": answer(b"")}) as origin:
        with service(tmp_path, overrides) as (process, url):
            await Manager(Client(url, token(admin=True))).create(origin.url("/hook"))
            expected = await post_all(url, origin, IMPORTS)
            await received(origin, 3)
            process.kill()
        with service(tmp_path, overrides) as (_, url):
            while told(posts(origin)) != expected:
                await asyncio.sleep(0.05)
            requests = posts(origin)
            assert len(set(ids(requests))) == IMPORTS, "each fact has one id, however often it is told"


@pytest.mark.gen_test(timeout=90)
async def test_several_processes_tell_each_fact_under_one_id(tmp_path: Path, overrides: dict[str, str]) -> None:
    async with Origin({"/a.jpg": answer(jpeg(40, 30)), "/hook": answer(b"")}) as origin:
        with service(tmp_path, overrides) as (_, here), service(tmp_path, overrides) as (_, there):
            await Manager(Client(here, token(admin=True))).create(origin.url("/hook"))
            expected = await post_all(here, origin, IMPORTS) | await post_all(there, origin, IMPORTS)
            while told(posts(origin)) != expected:
                await asyncio.sleep(0.05)
            assert len(set(ids(posts(origin)))) == 2 * IMPORTS
