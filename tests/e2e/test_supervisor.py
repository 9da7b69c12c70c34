"""``lading serve --processes``: one port, several processes, and a parent that keeps them alive and ends with them."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from plugins.testing.images import jpeg
from plugins.testing.origin import Origin, answer
from tests.chaos.rig import children_of
from tests.support.processes import ServiceProcess
from tests.support.service import CONF, Client, environment, final, token

PROCESSES = 2


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
        with start(tmp_path) as service:
            client = Client(service.wait_for("supervising")["address"], token())
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
            assert service.terminate() == 0
            await until_gone(second)


@pytest.mark.gen_test(timeout=60)
async def test_kill_9_of_the_parent_ends_the_children_too(tmp_path: Path) -> None:
    with start(tmp_path) as service:
        service.wait_for("supervising")
        children = await until_listening(service, PROCESSES)
        service.kill()
        await until_gone(children)


@pytest.mark.gen_test(timeout=60)
async def test_a_child_that_always_dies_is_not_started_in_a_frenzy(tmp_path: Path) -> None:
    (tmp_path / "lading.sqlite3").write_bytes(b"this is no database" * 100)
    with start(tmp_path) as service:
        service.wait_for("supervising")
        began = time.monotonic()
        while sum(line.get("event") == "a child died and is started again" for line in service.lines) < 2 * PROCESSES:
            await asyncio.sleep(0.05)
        pauses = [line["pause"] for line in service.lines if "pause" in line]
        assert max(pauses) > min(pauses)
        assert time.monotonic() - began >= min(pauses)
        assert service.terminate() == 0
