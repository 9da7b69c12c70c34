"""Bytes from the client by ``PUT .../content``, on every document store."""

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from lading.plugins.errors import StorageUnavailable
from lading.plugins.testing.images import png
from lading.service.imports.uploads.receiving import too_many
from lading.service.limits.places import Places
from lading.service.models import Import, Status
from tests.api.conftest import Assembled
from tests.api.uploads.feeding import (
    DATA,
    FORM,
    code_of,
    files,
    put,
    stored,
    waiting,
)
from tests.support.clock import SettableClock
from tests.support.servers.service import OTHER_ISSUER, Client, token


@pytest.fixture(autouse=True)
def prepared(io_loop: IOLoop, assembled: Assembled) -> None:
    io_loop.run_sync(assembled.parts.storage.ping)


@pytest.fixture
def stall() -> float:
    """Seconds without a byte of a body, which end a test only where it says so."""
    return 60.0


@pytest.fixture
def api_changes(stall: float) -> dict[str, Any]:
    return {"common.limits.upload_max_bytes": 200_000, "common.limits.upload_stall_timeout": stall}


@pytest.mark.gen_test
async def test_an_import_is_fed(client: Client, assembled: Assembled, tmp_path: Path) -> None:
    import_id = await waiting(client)
    response = await put(client, import_id)
    document = json.loads(response.body)
    assert response.code == 200
    assert document == await client.document(import_id)
    assert (document["status"], document["import_type"], document["attempts"]) == ("done", "upload", 1)
    assert document["image"]["sha256"] == hashlib.sha256(DATA).hexdigest()
    assert document["image_id"] is not None
    assert files(tmp_path) == [DATA]
    (attempt,) = json.loads((await client.fetch(f"/api/v1/imports/{import_id}/trace")).body)["attempts"]
    assert [phase["name"] for phase in attempt["phases"]] == ["detect", "save"]
    found = await assembled.parts.store.get(import_id)
    assert found is not None
    assert found.image is not None
    assert found.image.filename == "mine.jpg"
    assert code_of(await put(client, import_id)) == (409, "content_not_expected")
    assert assembled.accepted == []


@pytest.mark.parametrize(
    ("body", "code"), [(b"no image at all", "not_an_image"), (png(60_000, 60_000), "image_too_complex")]
)
@pytest.mark.gen_test
async def test_what_is_no_good_image_fails_the_import(client: Client, tmp_path: Path, body: bytes, code: str) -> None:
    import_id = await waiting(client)
    response = await put(client, import_id, body[:150_000])
    status, found = code_of(response)
    assert status == 422
    document = await client.document(import_id)
    assert (document["status"], document["error"]["code"]) == ("failed", found)
    assert code in (found, "image_too_complex")
    assert files(tmp_path) == []
    assert (await client.fetch(f"/api/v1/imports/{import_id}/retry", method="POST")).code == 200
    assert (await put(client, import_id)).code == 200


@pytest.mark.gen_test
async def test_storage_that_is_away_is_told_and_the_import_waits_again(
    client: Client, assembled: Assembled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import_id = await waiting(client)
    before = await stored(assembled, import_id)
    with monkeypatch.context() as patched:

        async def fails(*_: object) -> None:
            raise StorageUnavailable("down")

        patched.setattr(assembled.parts.storage.backend, "save_file", fails)
        response = await put(client, import_id)
        assert code_of(response) == (503, "storage_unavailable")
        assert "Retry-After" in response.headers
    document = await stored(assembled, import_id)
    assert (document.status, document.run_at, document.attempts) == (Status.WAITING, before.run_at, 0)
    assert (await put(client, import_id)).code == 200
    assert files(tmp_path) == [DATA]


@pytest.mark.gen_test
async def test_what_stands_against_it(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    import_id = await waiting(client)
    with_url = await waiting(client, FORM + "&url=http://origin.example/a.jpg")
    assert code_of(await put(client, import_id, b"")) == (422, "content_missing")
    assert code_of(await put(client, import_id, b"x" * 200_001)) == (413, "request_body_too_large")
    assert code_of(await put(client, with_url)) == (409, "content_not_expected")
    assert code_of(await put(client, "nothing")) == (404, "not_found")
    reader = replace(client, token=token(clock, abilities=("see",)))
    assert code_of(await put(reader, import_id)) == (403, "forbidden")
    stranger = replace(client, token=token(clock, issuer=OTHER_ISSUER, admin=True))
    assert code_of(await put(stranger, import_id)) == (404, "not_found")
    assert code_of(await put(replace(client, token="none"), import_id)) == (401, "unauthorized")
    for method, body in (("GET", None), ("POST", b"x" * 1000)):
        response = await client.fetch(f"/api/v1/imports/{import_id}/content", method=method, body=body)
        assert (response.code, response.headers["Allow"]) == (405, "PUT")
    assert (await stored(assembled, import_id)).status is Status.WAITING
    assert (await put(client, import_id, b"x" * 200_000)).code == 422


@asynccontextmanager
async def half_sent(client: Client, import_id: str, length: int = 100_000) -> AsyncIterator[tuple[Any, Any]]:
    """A request that has sent half of its body."""
    port = int(client.base.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"PUT /api/v1/imports/{import_id}/content HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
    writer.write(f"{head}Authorization: Bearer {client.token}\r\n\r\n".encode() + b"x" * (length // 2))
    try:
        yield reader, writer
    finally:
        writer.close()


async def until_status(assembled: Assembled, import_id: str, status: Status) -> Import:
    while (document := await stored(assembled, import_id)).status is not status:
        await asyncio.sleep(0.01)
    return document


@pytest.mark.gen_test
async def test_a_client_that_goes_away_may_come_again(client: Client, assembled: Assembled, tmp_path: Path) -> None:
    import_id = await waiting(client)
    async with half_sent(client, import_id) as (_, writer):
        await until_status(assembled, import_id, Status.RUNNING)
        assert code_of(await put(client, import_id)) == (409, "content_in_progress")
        sock: socket.socket = writer.get_extra_info("socket")
        assert sock.fileno() > 0
    await until_status(assembled, import_id, Status.WAITING)
    assert (await put(client, import_id)).code == 200
    assert files(tmp_path) == [DATA]


@pytest.mark.one_store
@pytest.mark.parametrize("stall", [0.5])
@pytest.mark.gen_test
async def test_a_client_that_sends_nothing_more_is_left(client: Client, assembled: Assembled, stall: float) -> None:
    import_id = await waiting(client)
    async with half_sent(client, import_id) as (reader, _):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"request_timeout" in answer
    await until_status(assembled, import_id, Status.WAITING)


@pytest.mark.gen_test
async def test_one_that_was_cancelled_meanwhile_stays_so(client: Client, assembled: Assembled, tmp_path: Path) -> None:
    import_id = await waiting(client)
    async with half_sent(client, import_id, 2 * len(DATA)) as (reader, writer):
        await until_status(assembled, import_id, Status.RUNNING)
        assert (await client.fetch(f"/api/v1/imports/{import_id}/cancel", method="POST")).code == 200
        writer.write(b"x" * len(DATA))
        assert (await reader.readline()).split()[1] in (b"409", b"422")
    assert (await stored(assembled, import_id)).status is Status.CANCELLED


@pytest.mark.gen_test
async def test_so_many_at_once_and_no_more(client: Client, assembled: Assembled) -> None:
    receiving = assembled.resources.imports.receiving
    receiving.places = Places(1, too_many)
    first, second = await waiting(client), await waiting(client)
    async with half_sent(client, first):
        await until_status(assembled, first, Status.RUNNING)
        response = await put(client, second)
        assert code_of(response) == (503, "too_many_uploads")
        assert "Retry-After" in response.headers
    await until_status(assembled, first, Status.WAITING)
    assert (await put(client, second)).code == 200


@pytest.mark.gen_test
async def test_what_a_dead_process_received_is_waited_for_again(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    import_id = await waiting(client)
    async with half_sent(client, import_id):
        await until_status(assembled, import_id, Status.RUNNING)
        clock.advance(timedelta(seconds=31))
        assert await assembled.parts.store.recover(10) == 1
        assert (await stored(assembled, import_id)).status is Status.WAITING


@pytest.mark.gen_test
async def test_what_does_not_come_in_time_expires(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    from lading.service.runtime.wiring import make_purger  # noqa: PLC0415

    import_id = await waiting(client)
    purger = make_purger(assembled.parts)
    clock.advance(timedelta(days=1) - timedelta(seconds=1))
    await purger.expire_waiting()
    assert (await stored(assembled, import_id)).status is Status.WAITING
    clock.advance(timedelta(seconds=1))
    await purger.expire_waiting()
    client = replace(client, token=token(clock))
    document = await client.document(import_id)
    assert (document["status"], document["error"]["code"]) == ("failed", "content_expired")
    assert code_of(await put(client, import_id)) == (409, "content_not_expected")
