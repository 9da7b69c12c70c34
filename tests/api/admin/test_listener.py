"""The admin listener of a service: off unless set, liveness, readiness in detail, and errors."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from tests.support.servers.service import running_service


async def ask(url: str, method: str = "GET") -> HTTPResponse:
    return await AsyncHTTPClient().fetch(url, method=method, raise_error=False, allow_nonstandard_methods=True)


async def parts_of(url: str) -> tuple[int, str, dict[str, Any]]:
    """Status of the answer, status in the body, and the parts."""
    response = await ask(f"{url}/readyz")
    body = json.loads(response.body)
    assert body.keys() == {"status", "parts", "worker"}
    assert body["worker"].keys() == {"id", "state", "drained_at", "imports"}
    return response.code, body["status"], body["parts"]


@pytest.mark.gen_test
async def test_without_a_port_there_is_no_listener(tmp_path: Path) -> None:
    async with running_service(tmp_path) as service:
        assert service.admin_url is None


@pytest.mark.gen_test
async def test_the_listener_answers_apart_from_the_api(tmp_path: Path) -> None:
    mirror = {
        "LADING_STORAGE__MIRROR": "copies",
        "LADING_STORAGE_COPIES__PLUGIN": "local",
        "LADING_STORAGE_COPIES__PATH": str(tmp_path / "copies"),
    }
    overrides = {"LADING_ADMIN__PORT": "0", "LADING_UPLOADS__DIRECTORY": str(tmp_path / "uploads"), **mirror}
    async with running_service(tmp_path, None, **overrides) as service:
        url = service.admin_url
        assert url is not None
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        assert url != service.url

        for method in ("GET", "HEAD"):
            response = await ask(f"{url}/healthz", method)
            assert (response.code, response.headers["Cache-Control"]) == (200, "no-store")
            assert "Server" not in response.headers
        assert json.loads((await ask(f"{url}/healthz")).body) == {"status": "ok"}

        code, status, parts = await parts_of(url)
        assert (code, status) == (200, "ready")
        assert {name: (part["status"], part["required"]) for name, part in parts.items()} == {
            "documents": ("ok", True),
            "storage": ("ok", True),
            "spool": ("ok", True),
            "uploads": ("ok", True),
            "storage.copies": ("ok", False),
        }
        assert all(part["milliseconds"] >= 0 and "reason" not in part for part in parts.values())

        missing = await ask(f"{url}/api/v1/imports")
        assert (missing.code, missing.headers["Content-Type"]) == (404, "application/problem+json")
        assert json.loads(missing.body)["code"] == "not_found"
        refused = await ask(f"{url}/readyz", "DELETE")
        assert (refused.code, refused.headers["Allow"]) == (405, "GET, HEAD")
        assert json.loads(refused.body)["code"] == "method_not_allowed"
        assert (await ask(f"{service.url}/metrics")).code == 404, "the API has nothing of the listener"

        # A part that nobody waits for fails: the service is ready, and says which part fails, and why.
        shutil.rmtree(tmp_path / "copies")
        (tmp_path / "copies").write_bytes(b"no folder")
        while (found := await parts_of(url))[2]["storage.copies"]["status"] == "ok":
            pass
        assert found[:2] == (200, "ready")
        assert "storage_unavailable" in found[2]["storage.copies"]["reason"]

        # A service that is about to stop is not ready, whatever works.
        service.readiness.stop()
        assert (await parts_of(url))[:2] == (503, "stopping")
        assert json.loads((await ask(f"{service.url}/readyz")).body)["code"] == "service_stopping"
        service.readiness._is_stopping = False

        # A part that the work needs.
        await service.parts.store.close()
        while (found := await parts_of(url))[0] == 200:
            pass
        assert found[1] == "not_ready"
        assert found[2]["documents"].keys() == {"status", "required", "milliseconds", "reason"}
        assert found[2]["documents"]["reason"]
        assert (await ask(f"{url}/healthz")).code == 200


@pytest.mark.gen_test
async def test_a_spool_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    spools = tmp_path / "spools"
    spools.mkdir()
    overrides = {"LADING_ADMIN__PORT": "0", "LADING_WORKER__SPOOL_DIRECTORY": str(spools)}
    async with running_service(tmp_path, None, **overrides) as service:
        assert service.admin_url is not None
        assert (await parts_of(service.admin_url))[0] == 200
        spools.rmdir()
        while (found := await parts_of(service.admin_url))[0] == 200:
            pass
        assert (found[1], found[2]["spool"]["status"]) == ("not_ready", "failing")
        assert (await ask(f"{service.url}/readyz")).code == 503, "the API's own probe is of the same mind"
