"""Streams of events, many at once: they cost no more looks at the store, and who does not read delays nobody."""

import asyncio
import contextlib
import json
import socket
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lading.service.documents import StoreUnavailable
from lading.service.imports.events.polling import UNREAD
from tests.e2e.imports.test_events import Stream, listening, post
from tests.support.servers.service import Client, running_service, token

QUIET = {"LADING_WORKER__ENABLED": "false"}
URL = "http://127.0.0.1:9/a.jpg"


class Counted:
    """How often something of the store was called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        self.calls = 0
        self.failing = False
        whole = getattr(owner, name)

        async def counted(*arguments: Any) -> Any:
            self.calls += 1
            if self.failing:
                raise StoreUnavailable("as the test wants it")
            return await whole(*arguments)

        monkeypatch.setattr(owner, name, counted)


def tasks() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "feed of events"]


async def batch(client: Client, params: dict[str, Any], count: int) -> set[str]:
    """Ids of so many imports that were made at once."""
    response = await client.fetch(
        "/api/v1/imports/batch",
        method="POST",
        body="\n".join([json.dumps(params)] * count),
        headers={"Content-Type": "application/x-ndjson"},
    )
    found = {json.loads(line)["id"] for line in response.body.splitlines()[:count]}
    assert len(found) == count
    return found


async def no_feeds() -> None:
    """Wait until nobody listens; the test's own timeout bounds it."""
    while tasks():
        await asyncio.sleep(0.01)


async def stream_of(stack: AsyncExitStack, client: Client, path: str, last_id: str = "") -> Stream:
    return await stack.enter_async_context(listening(client, path, last_id))


@pytest.mark.gen_test(timeout=60)
async def test_two_hundred_listeners_look_as_often_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        running_service(tmp_path, None, LADING_EVENTS__PER_ISSUER="300", **QUIET) as service,
        AsyncExitStack() as stack,
    ):
        searches = Counted(monkeypatch, service.parts.store.search, "changed_since")
        client = Client(service.url, token(admin=True))
        streams = [await stream_of(stack, client, "/api/v1/events") for _ in range(200)]
        assert len(tasks()) == 1
        before = searches.calls
        for _ in range(5):
            import_id = await post(client, URL)
            told = await asyncio.gather(*(stream.next() for stream in streams))
            assert {event["data"]["id"] for event in told} == {import_id}
            assert len({json.dumps(event) for event in told}) == 1
        # One for each change, and one each second: however slow the machine is, the test's timeout bounds them.
        assert 5 <= searches.calls - before < 200, "fewer than one for each listener"
        await stack.aclose()
        await no_feeds()


@pytest.mark.gen_test(timeout=60)
async def test_one_import_is_looked_at_once_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_service(tmp_path, None, **QUIET) as service, AsyncExitStack() as stack:
        client = Client(service.url, token(admin=True))
        import_id = await post(client, URL)
        path = f"/api/v1/imports/{import_id}/events"
        streams = [await stream_of(stack, client, path) for _ in range(50)]
        assert {(await stream.next())["data"]["status"] for stream in streams} == {"queued"}
        gets = Counted(monkeypatch, service.parts.store, "get")
        assert (await client.fetch(f"/api/v1/imports/{import_id}/cancel", method="POST")).code == 200
        for stream in streams:
            assert [event["data"]["status"] async for event in stream.events()] == ["cancelled"]
        assert gets.calls < 20
        await no_feeds()
        again = await stream_of(stack, client, path)
        assert [event["data"]["status"] async for event in again.events()] == ["cancelled"]


@pytest.mark.gen_test(timeout=60)
async def test_a_client_that_does_not_read_is_left_and_delays_nobody(tmp_path: Path) -> None:
    async with (
        running_service(tmp_path, None, LADING_IMAGES__STALL_TIMEOUT="1", **QUIET) as service,
        AsyncExitStack() as stack,
    ):
        client = Client(service.url, token(admin=True))
        deaf = socket.create_connection(("127.0.0.1", int(service.url.rpartition(":")[2])))
        stack.callback(deaf.close)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\n\r\n".encode())
        good = await stream_of(stack, client, "/api/v1/events")
        load = {"album_id": "imported_album", "url": URL, "metadata": {"text": "x" * 15_000}}
        while service_streams() == 2:
            posted = await batch(client, load, 100)
            while posted:
                posted.discard((await good.next())["data"]["id"])
        deaf.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            while deaf.recv(65536):
                pass
        assert service_streams() == 1


def service_streams() -> int:
    """How many requests for events are under way."""
    return sum(task.get_name() == "events" for task in asyncio.all_tasks())


@pytest.mark.gen_test(timeout=60)
async def test_who_falls_behind_is_told_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lading.service.imports.events.polling.UNREAD", 3)
    assert UNREAD > 3
    async with running_service(tmp_path, None, **QUIET) as service, AsyncExitStack() as stack:
        client = Client(service.url, token(admin=True))
        stream = await stream_of(stack, client, "/api/v1/events")
        wanted = await batch(client, {"album_id": "imported_album", "url": URL}, 50)
        while wanted:
            wanted.discard((await stream.next())["data"]["id"])


@pytest.mark.gen_test(timeout=60)
async def test_an_outage_ends_no_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_service(tmp_path, None, **QUIET) as service, AsyncExitStack() as stack:
        client = Client(service.url, token(admin=True))
        searches = Counted(monkeypatch, service.parts.store.search, "changed_since")
        searches.failing = True
        response = await client.fetch("/api/v1/events")
        assert (response.code, json.loads(response.body)["code"]) == (503, "documents_unavailable")
        searches.failing = False
        stream = await stream_of(stack, client, "/api/v1/events")
        before = searches.calls
        searches.failing = True
        import_id = await post(client, URL)
        while searches.calls < before + 2:
            await asyncio.sleep(0.01)
        searches.failing = False
        assert (await stream.next())["data"]["id"] == import_id


@pytest.mark.gen_test(timeout=30)
async def test_an_idle_stream_says_that_it_is_there_and_ends_with_its_token(tmp_path: Path) -> None:
    async with (
        running_service(tmp_path, None, LADING_EVENTS__HEARTBEAT="0.1", LADING_AUTH__LEEWAY="0", **QUIET) as service,
        AsyncExitStack() as stack,
    ):
        client = Client(service.url, token(admin=True, expires=timedelta(seconds=2)))
        stream = await stream_of(stack, client, "/api/v1/events")
        received = await stream.rest()
        assert b": still here\n\n" in received
        assert received.endswith(b"0\r\n\r\n")
        await no_feeds()
        endless = await stream_of(stack, Client(service.url, token(admin=True)), "/api/v1/events")
        assert endless.status == 200


@pytest.mark.gen_test(timeout=30)
async def test_a_client_goes_on_in_another_process(tmp_path: Path) -> None:
    async with running_service(tmp_path, None, **QUIET) as here, running_service(tmp_path, None, **QUIET) as there:
        client = Client(here.url, token(admin=True))
        elsewhere = Client(there.url, client.token)
        async with listening(client, "/api/v1/events") as stream:
            first = await post(elsewhere, URL)
            event = await stream.next()
            assert event["data"]["id"] == first
        second = await post(client, URL)
        async with listening(elsewhere, "/api/v1/events", event["id"]) as stream:
            assert (await stream.next())["data"]["id"] == second
            third = await post(client, URL)
            assert (await stream.next())["data"]["id"] == third, "and nothing is told twice"
