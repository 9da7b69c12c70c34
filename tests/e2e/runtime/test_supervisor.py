"""``lading serve --processes``: one port, several processes, and a parent that keeps them alive and ends with them."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer
from lading.service.api.app import bind
from lading.service.runtime.supervision import standby
from lading.service.runtime.supervision.standby import answering
from lading.service.runtime.supervision.supervisor import LONGEST_PAUSE
from tests.chaos.harm.pids import children_of
from tests.support.servers.processes import ServiceProcess
from tests.support.servers.service import CONF, Client, environment, final, token

PROCESSES = 2
STOOD_BY = "no child process serves; the supervisor answers requests with 503"


def start(directory: Path, **overrides: str) -> ServiceProcess:
    (directory / "service.conf").write_text(CONF, encoding="utf-8")
    environ = environment(directory, LADING_SERVICE__LOG_FORMAT="json", LADING_WORKER__LEASE="3", **overrides)
    arguments = ("serve", "--config", str(directory / "service.conf"), "--processes", str(PROCESSES))
    return ServiceProcess(arguments, environ)


def listening(service: ServiceProcess) -> set[int]:
    """Pids of the children that have come up, dead ones included."""
    return {line["pid"] for line in list(service.lines) if line.get("event") == "listening"}


async def until_listening(service: ServiceProcess, count: int) -> set[int]:
    while len(listening(service)) < count:
        await asyncio.sleep(0.05)
    return listening(service)


async def until_gone(pids: set[int]) -> None:
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        await asyncio.sleep(0.05)


@pytest.mark.gen_test(timeout=60)
async def test_children_share_the_work_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    data = jpeg()
    async with Origin({"/a.jpg": answer(data)}) as origin:
        with start(tmp_path, LADING_ADMIN__PORT="0") as service:
            client = Client(service.wait_for("supervising")["address"], token())
            admin = service.wait_for("admin listening")["address"]
            first = await until_listening(service, PROCESSES)
            assert first == set(children_of(service.process.pid))
            posted = []
            for number in range(40):
                if number == 20:
                    os.kill(min(first), signal.SIGKILL)
                try:
                    response = await client.post_json({"album_id": "imported_album", "url": origin.url("/a.jpg")})
                except OSError:  # its connection was the killed child's
                    continue
                posted.append(json.loads(response.body)["id"])
            second = await until_listening(service, PROCESSES + 1)
            documents = [await final(client, import_id) for import_id in posted]
            assert {document["status"] for document in documents} == {"done"}
            assert {line["address"] for line in service.logged("admin listening")} == {admin}, "one for all of them"
            response = await AsyncHTTPClient().fetch(f"{admin}/readyz")
            assert json.loads(response.body)["status"] == "ready"
            assert service.terminate() == 0
            await until_gone(second)


@pytest.mark.gen_test(timeout=60)
async def test_kill_9_of_the_parent_ends_the_children_too(tmp_path: Path) -> None:
    with start(tmp_path) as service:
        service.wait_for("supervising")
        children = await until_listening(service, PROCESSES)
        service.kill()
        await until_gone(children)


async def keep_from_starting(service: ServiceProcess, folder: Path) -> None:
    """Kill the children; no child comes up any more, since somebody has spoiled the configuration."""
    children = await until_listening(service, PROCESSES)
    (folder / "service.conf").write_text("nonsense", encoding="utf-8")
    for child in children:
        os.kill(child, signal.SIGKILL)


async def asked(address: str, method: str = "GET", body: bytes | None = None) -> HTTPResponse:
    """The answer to a request that may take two seconds, for a busy machine five more."""
    request = HTTPRequest(f"{address}/api/v1/imports", method, body=body, request_timeout=7, connect_timeout=7)
    return await AsyncHTTPClient().fetch(request, raise_error=False)


@pytest.mark.long_form
@pytest.mark.gen_test(timeout=240)
async def test_while_children_die_again_and_again_requests_are_answered_and_then_served(tmp_path: Path) -> None:
    with start(tmp_path) as service:
        address = service.wait_for("supervising")["address"]
        await until_listening(service, PROCESSES)
        stood_by = len(service.logged(STOOD_BY))  # while the children started, on a busy machine
        await keep_from_starting(service, tmp_path)
        began = time.monotonic()
        while len(service.logged("a child process dies at every start")) < PROCESSES:
            await asyncio.sleep(0.05)
        assert time.monotonic() - began >= 1.0 + LONGEST_PAUSE, "they are not started in a frenzy"
        for method, body in (("GET", None), ("POST", b"url=" + b"a" * 200_000), ("HEAD", None)):
            response = await asked(address, method, body)
            assert (response.code, response.headers["Retry-After"]) == (503, "2")
            assert response.headers["Content-Type"] == "application/problem+json; charset=utf-8"
            assert response.headers["X-Frame-Options"] == "DENY"
            if method != "HEAD":
                problem = json.loads(response.body)
                assert (problem["status"], problem["code"]) == (503, "service_restarting")
                assert problem["request_id"] == response.headers["X-Request-Id"]
        (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
        restored = time.monotonic()
        while (await asked(address)).code != 401:  # a child's answer: there is no token
            await asyncio.sleep(0.05)
        took = time.monotonic() - restored
        assert len(service.logged(STOOD_BY)) == stood_by + 1
        assert len(service.logged("a child process dies at every start")) == PROCESSES
        assert len(service.logged("a child process died; the supervisor starts it again")) == PROCESSES
        assert {line["pause"] for line in service.lines if "pause" in line} == {1.0, LONGEST_PAUSE}
        assert took < LONGEST_PAUSE + 25, "on an idle machine it is 3 s"
        await until_listening(service, 2 * PROCESSES)
        assert {(await asked(address)).code for _ in range(20)} == {401}, "the parent answers no more"
        assert service.terminate() == 0


@pytest.mark.gen_test(timeout=60)
async def test_connections_that_send_nothing_do_not_keep_others_from_an_answer(tmp_path: Path) -> None:
    listening = bind("127.0.0.1", 0)
    host, port = listening[0].getsockname()
    try:
        async with answering(listening):
            idle = [await asyncio.open_connection(host, port) for _ in range(standby.CONNECTIONS)]
            reader, writer = await asyncio.open_connection(host, port)
            assert await reader.read() == b"", "one too many is closed"
            writer.close()
            for _, one in idle:
                one.close()
            response = await asked(f"http://{host}:{port}")
            while response.code != 503:
                response = await asked(f"http://{host}:{port}")
    finally:
        for listener in listening:
            listener.close()
