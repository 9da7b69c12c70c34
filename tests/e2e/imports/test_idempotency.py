"""Hundreds of POSTs at once with one ``Idempotency-Key``, to three processes: one import."""

import asyncio
import json
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from tests.conftest import LONG
from tests.support.servers.processes import ServiceProcess
from tests.support.servers.service import CONF, environment, token

REQUESTS = 1000 if LONG else 300
BODY = "album_id=imported_album&url=http://127.0.0.1:9/a.jpg"


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.one_in(3))])
def overrides(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "mongo":
        environ: dict[str, str] = request.getfixturevalue("mongo_environ")
        return environ
    return {}


@pytest.mark.gen_test(timeout=120)
async def test_hundreds_at_once_make_one_import(tmp_path: Path, overrides: dict[str, str]) -> None:
    conf = tmp_path / "service.conf"
    conf.write_text(CONF, encoding="utf-8")
    more = {"LADING_SERVICE__PROCESSES": "3", "LADING_WORKER__ENABLED": "false", "LADING_SERVICE__LOG_FORMAT": "json"}
    environ = environment(tmp_path, **more, **overrides)
    with ServiceProcess(("serve", "--config", str(conf)), environ, tmp_path) as process:
        address = await asyncio.to_thread(lambda: process.wait_for("listening")["address"])
        await asyncio.to_thread(process.wait_for, "a child process serves")
        client = AsyncHTTPClient(force_instance=True, max_clients=100)
        headers = {"Authorization": f"Bearer {token()}", "Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
        request = HTTPRequest(f"{address}/api/v1/imports", method="POST", body=BODY, headers=headers)

        async def post() -> str:
            """The id that this client is told in the end."""
            while True:
                response = await client.fetch(request, raise_error=False)
                if response.code == 200:
                    return str(json.loads(response.body)["id"])
                assert (response.code, json.loads(response.body)["code"]) == (409, "idempotency_in_progress")
                await asyncio.sleep(0.05)

        ids = set(await asyncio.gather(*(post() for _ in range(REQUESTS))))
        assert len(ids) == 1
        admin = {"Authorization": f"Bearer {token(admin=True)}"}
        listed = await client.fetch(HTTPRequest(f"{address}/api/v1/imports", headers=admin))
        assert [document["id"] for document in json.loads(listed.body)["imports"]] == list(ids)
        client.close()
        assert await asyncio.to_thread(process.terminate) == 0
