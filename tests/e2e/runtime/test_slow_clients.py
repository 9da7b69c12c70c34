"""Clients that hold connections open and send nothing, or too slowly, beside ordinary ones."""

import asyncio
from pathlib import Path

import pytest

from tests.support.servers.service import Client, running_service, token

HEAD = b"POST /api/v1/imports HTTP/1.1\r\nHost: x\r\n"
BODY = "album_id=imported_album&url=http://127.0.0.1:9/a.png"


async def _drip(port: int, beginning: bytes, again: bytes) -> bytes:
    """Send, and then a little again and again, until the service ends the connection; what it said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(beginning)
        ended = asyncio.create_task(reader.read())
        while not ended.done():
            await asyncio.wait({ended}, timeout=0.2)
            if again:
                writer.write(again)
        return await ended
    except ConnectionError:
        return b"reset"
    finally:
        writer.close()


@pytest.mark.gen_test(timeout=100)
async def test_ordinary_requests_are_served_beside_them_and_they_are_ended(tmp_path: Path) -> None:
    quick = {
        "LADING_SERVICE__IDLE_TIMEOUT": "2",
        "LADING_SERVICE__BODY_TIMEOUT": "2",
        "LADING_WORKER__ENABLED": "false",
    }
    async with running_service(tmp_path, None, **quick) as service:
        port = int(service.url.rpartition(":")[2])
        client = Client(service.url, token())
        slow = [
            *(_drip(port, b"", b"") for _ in range(100)),
            *(_drip(port, HEAD, b"A: b\r\n") for _ in range(50)),
            *(_drip(port, HEAD + b"Content-Length: 10000\r\n\r\n", b"a") for _ in range(50)),
        ]
        ends = asyncio.gather(*slow)
        served = 0
        while not ends.done():
            assert (await client.post(BODY)).code == 200
            served += 1
        answers = await ends
        assert served
        assert (await client.post(BODY)).code == 200
    assert set(answers[:150]) <= {b"", b"reset"}, "what has sent no request is given no answer"
    bodies = [answer for answer in answers[150:] if answer != b"reset"]
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in bodies)
