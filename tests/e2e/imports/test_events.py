"""Server-sent events: what happens to imports, as it happens, in whichever process."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Behaviour, Exchange, Origin, answer
from tests.support.servers.service import OTHER_ISSUER, Client, running_service, token

DATA = jpeg(64, 48)
HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(DATA)}\r\n\r\n".encode()


class Stream:
    """A client of server-sent events, as a browser's EventSource reads them."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self.status = 0
        self.head = b""
        self._blocks = self._read()

    async def begin(self) -> None:
        self.head = await self._reader.readuntil(b"\r\n\r\n")
        self.status = int(self.head.split()[1])

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """Each event, until the stream ends."""
        async for fields in self._blocks:
            if "data" in fields:
                yield {**fields, "data": json.loads(fields["data"])}

    async def cursor(self) -> str:
        """The next place that the stream tells, with an event or without; events before it are passed by."""
        async for fields in self._blocks:
            if "id" in fields:
                return fields["id"]
        raise AssertionError("the stream has ended")

    async def rest(self) -> bytes:
        """All that comes until the answer ends, as it comes."""
        received = b""
        while not received.endswith(b"\r\n0\r\n\r\n"):
            chunk = await self._reader.read(65536)
            assert chunk, received
            received += chunk
        return received

    async def next(self) -> dict[str, Any]:
        async for event in self.events():
            return event
        raise AssertionError("the stream has ended")

    async def _read(self) -> AsyncIterator[dict[str, str]]:
        """The fields of each block, also of those that are no event."""
        buffer = b""
        while True:
            size = int(await self._reader.readline() or b"0", 16)
            buffer += await self._reader.readexactly(size)
            await self._reader.readline()
            if not size:
                return
            while b"\n\n" in buffer:
                block, _, buffer = buffer.partition(b"\n\n")
                yield dict(line.split(": ", 1) for line in block.decode().splitlines() if not line.startswith(":"))


@asynccontextmanager
async def listening(client: Client, path: str, last_id: str = "") -> AsyncIterator[Stream]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(client.base.rpartition(":")[2]))
    lines = [f"GET {path} HTTP/1.1", "Host: x", "Accept: text/event-stream", f"Authorization: Bearer {client.token}"]
    lines += [f"Last-Event-ID: {last_id}"] if last_id else []
    writer.write("\r\n".join([*lines, "", ""]).encode())
    stream = Stream(reader)
    try:
        await stream.begin()
        yield stream
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()  # or the loop might end before its transport has


def gated(gate: asyncio.Event) -> Behaviour:
    """Half of an image, and the rest when the gate opens."""

    async def behave(exchange: Exchange) -> bool:
        await exchange.send(HEAD + DATA[: len(DATA) // 2])
        await gate.wait()
        await exchange.send(DATA[len(DATA) // 2 :])
        return True

    return behave


async def post(client: Client, url: str, album: str = "imported_album") -> str:
    response = await client.post_json({"album_id": album, "url": url})
    assert response.code == 200, response.body
    return str(json.loads(response.body)["id"])


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "in another worker"])
@pytest.mark.gen_test(timeout=30)
async def test_one_import_is_followed_to_its_end(tmp_path: Path, elsewhere: bool) -> None:
    gate = asyncio.Event()
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(Origin({"/a.jpg": gated(gate)}))
        overrides = {"LADING_WORKER__ENABLED": "false"} if elsewhere else {}
        service = await stack.enter_async_context(running_service(tmp_path, None, **overrides))
        if elsewhere:
            await stack.enter_async_context(running_service(tmp_path, LADING_WORKER__POLL_INTERVAL="0.1"))
        client = Client(service.url, token())
        import_id = await post(client, origin.url("/a.jpg"))
        async with listening(client, f"/api/v1/imports/{import_id}/events") as stream:
            assert stream.status == 200
            assert b"text/event-stream" in stream.head
            states, progress = [], []
            async for event in stream.events():
                if event["event"] == "progress":
                    progress.append(event["data"])
                    gate.set()
                else:
                    states.append((event["id"], event["data"]))
            assert progress[0]["total"] == len(DATA)
            assert 0 < progress[0]["received"] <= len(DATA)
            assert [data["status"] for _, data in states[-2:]] == ["running", "done"]
            assert states[-1][1] == await client.document(import_id)
        async with listening(client, f"/api/v1/imports/{import_id}/events", states[-2][0]) as stream:
            assert [event["data"]["status"] async for event in stream.events()] == ["done"]
        async with listening(client, f"/api/v1/imports/{import_id}/events", states[-1][0]) as stream:
            assert stream.status == 204, "an EventSource does not come again"


@pytest.mark.gen_test(timeout=30)
async def test_albums_are_followed_and_an_interrupted_client_misses_nothing(tmp_path: Path) -> None:
    async with (
        Origin({"/a.jpg": answer(DATA)}) as origin,
        running_service(tmp_path, LADING_WORKER__ENABLED="false") as here,
        running_service(tmp_path, LADING_WORKER__POLL_INTERVAL="0.1") as there,
    ):
        poster = Client(there.url, token(admin=True))
        client = Client(here.url, token(abilities=("see",)))
        async with listening(client, "/api/v1/events?album_id=imported_album") as stream:
            other = await post(poster, origin.url("/a.jpg"), "another")
            first = await post(poster, origin.url("/a.jpg"))
            event = await stream.next()
            while event["data"]["status"] != "done":
                assert event["data"]["id"] == first
                event = await stream.next()
        missed = {await post(poster, origin.url("/a.jpg")) for _ in range(5)}
        ended: set[str] = set()
        async with listening(client, "/api/v1/events", event["id"]) as stream:
            while ended != missed:
                event = await stream.next()
                assert event["data"]["id"] != other
                if event["data"]["status"] == "done" and event["data"]["id"] != first:
                    ended.add(event["data"]["id"])


@pytest.mark.gen_test(timeout=30)
async def test_a_stream_that_told_nothing_yet_is_gone_on_with(tmp_path: Path) -> None:
    async with running_service(tmp_path, LADING_WORKER__ENABLED="false") as service:
        client = Client(service.url, token(admin=True))
        async with listening(client, "/api/v1/events") as stream:
            cursor = await stream.cursor()
        import_id = await post(client, "http://127.0.0.1:9/a.jpg")
        async with listening(client, "/api/v1/events", cursor) as stream:
            assert (await stream.next())["data"]["id"] == import_id


@pytest.mark.gen_test(timeout=30)
async def test_who_may(tmp_path: Path) -> None:
    async with running_service(tmp_path, LADING_WORKER__ENABLED="false") as service:
        client = Client(service.url, token())
        import_id = await post(client, "http://127.0.0.1:9/a.jpg")
        stranger = Client(service.url, token(issuer=OTHER_ISSUER, admin=True))
        assert (await stranger.fetch(f"/api/v1/imports/{import_id}/events")).code == 404
        assert (await client.fetch("/api/v1/events")).code == 403
        assert (await client.fetch("/api/v1/events?album_id=imported_album")).code == 403
        assert (await Client(service.url, "none").fetch("/api/v1/events")).code == 401
        assert (await client.fetch("/api/v1/events", method="POST")).code == 405


@pytest.mark.gen_test(timeout=30)
async def test_streams_are_bounded_in_number_and_time(tmp_path: Path) -> None:
    limits = {"LADING_EVENTS__PER_ISSUER": "1", "LADING_EVENTS__MAX_DURATION": "1"}
    async with running_service(tmp_path, None, LADING_WORKER__ENABLED="false", **limits) as service:
        client = Client(service.url, token(admin=True))
        async with listening(client, "/api/v1/events") as stream:
            response = await client.fetch("/api/v1/events")
            assert (response.code, json.loads(response.body)["code"]) == (503, "too_many_streams")
            assert "Retry-After" in response.headers
            assert [event async for event in stream.events()] == []
        async with listening(client, "/api/v1/events") as stream:
            assert stream.status == 200


@pytest.mark.gen_test(timeout=30)
async def test_a_stream_ends_with_its_client_and_with_the_service(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with running_service(tmp_path, LADING_WORKER__ENABLED="false", LADING_EVENTS__PER_ISSUER="1") as service:
            client = Client(service.url, token(admin=True))
            async with listening(client, "/api/v1/events") as stream:
                assert stream.status == 200
            while True:
                stream = await stack.enter_async_context(listening(client, "/api/v1/events"))
                if stream.status == 200:
                    break
        assert [event async for event in stream.events()] == []
