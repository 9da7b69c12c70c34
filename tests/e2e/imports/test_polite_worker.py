"""A worker and a real origin that asks to be left alone, or is not there."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from lading.plugins.testing import images
from lading.plugins.testing.origin import Exchange, Origin, answer
from tests.support.servers.service import Client, final, running_service, token

QUICK = {
    "LADING_WORKER__RETRY_BASE": "0.1",
    "LADING_WORKER__POLL_INTERVAL": "0.05",
    "LADING_WORKER__PER_ISSUER": "32",
}


async def accepted(client: Client, url: str) -> str:
    response = await client.post_json({"album_id": "imported_album", "url": url})
    assert response.code == 200, response.body
    found: str = json.loads(response.body)["id"]
    return found


@pytest.mark.gen_test(timeout=60)
async def test_an_origin_that_asks_to_wait_is_left_alone_by_every_import(tmp_path: Path) -> None:
    good, busy = answer(images.jpeg(8, 8)), answer(b"", 503, {"Retry-After": "2"})
    times: list[float] = []

    async def overloaded(exchange: Exchange) -> bool:
        now = asyncio.get_running_loop().time()
        times.append(now)
        return await (busy if now - times[0] < 1 else good)(exchange)

    async with Origin(otherwise=overloaded) as origin:
        async with running_service(tmp_path, None, **QUICK) as service:
            client = Client(service.url, token())
            imports = [await accepted(client, origin.url(f"/{number}")) for number in range(20)]
            found = [await final(client, one) for one in imports]
    assert {one["status"] for one in found} == {"done"}
    answered = [time for time in times if time - times[0] < 2]
    assert len(answered) <= 4, "none but those that ran together were sent before the two seconds were over"
    assert sum(one["attempts"] == 1 for one in found) == 20 - len(answered)


@pytest.mark.gen_test(timeout=60)
async def test_a_port_that_nobody_serves_delays_no_other_of_the_host_and_fails_in_the_end(tmp_path: Path) -> None:
    with socket.socket() as unserved:
        unserved.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unserved.getsockname()[1]}/a.jpg"
        async with Origin({"/a.jpg": answer(images.jpeg(8, 8))}) as origin:
            async with running_service(tmp_path, None, **QUICK, LADING_WORKER__HOST_PATIENCE="2") as service:
                client = Client(service.url, token())
                lost = [await accepted(client, dead) for _ in range(12)]
                well = [await accepted(client, origin.url("/a.jpg")) for _ in range(12)]
                done = [await final(client, one) for one in well]
                failed = [await final(client, one) for one in lost]
    assert {(one["status"], one["attempts"]) for one in done} == {("done", 1)}
    assert {one["error"]["code"] for one in failed} <= {"connect_failed", "host_unavailable"}
    assert sum(one["attempts"] for one in failed) < 12 * 5, "most waited rather than trying in vain"
