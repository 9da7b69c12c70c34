"""Sending images: slow readers, readers that go or stop, failing storage, many at once, deletions meanwhile."""

import asyncio
import logging
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog

import lading.service.runtime.serving
from lading.plugins.contracts import StoredObject
from lading.plugins.errors import StorageUnavailable
from lading.plugins.host.turns import Turns
from lading.service.images.operations import StoredImage
from tests.api.conftest import Assembled
from tests.api.images.downloads import MIB, Watched, nothing_is_left, reading
from tests.support.clock import SettableClock
from tests.support.images import ask, code_of, noise, path_of, read_head, request_of, stored_in
from tests.support.plugins.scripted import until
from tests.support.servers.service import Client, running_service, token

DATA = noise(24 * MIB)
"""More than the kernel holds for one connection."""
SMALL = DATA[:100_000]


@pytest.fixture
def overrides() -> dict[str, str]:
    return {"LADING_DOCUMENTS__BACKEND": "memory"}


@pytest.fixture(autouse=True)
def requests_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lading.service.api.app")


@pytest.fixture
def api_changes() -> dict[str, Any]:
    return {"images.max_age": 0}


@pytest.fixture
def watched(client: Client, assembled: Assembled) -> Watched:
    return Watched(assembled)


@pytest.fixture
def headers(clock: SettableClock) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(clock, abilities=('image_download', 'image_delete'))}"}


async def stored(assembled: Assembled, data: bytes = DATA) -> StoredImage:
    return await stored_in(assembled.parts, data)


# --- readers ----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_a_large_image_arrives_whole(
    assembled: Assembled, watched: Watched, http_port: int, headers: dict[str, str]
) -> None:
    found = await stored(assembled)
    status, answer, body = await ask(http_port, path_of(found, "/content"), headers)
    assert (status, answer["content-length"]) == (200, str(len(DATA)))
    assert answer["cache-control"] == "private, no-cache", "as max_age = 0 wants it"
    assert body == DATA
    await nothing_is_left(assembled, watched)


@pytest.mark.gen_test(timeout=60)
async def test_storage_is_read_no_faster_than_the_reader_takes_it(
    assembled: Assembled, watched: Watched, http_port: int, headers: dict[str, str]
) -> None:
    found = await stored(assembled)
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(reading(http_port, found, headers)) for _ in range(5)]
        for reader in readers:
            assert (await reader.head())[0] == 200
        tracemalloc.start()
        try:
            for _ in range(50):
                await asyncio.gather(*(reader.skip(64 * 1024) for reader in readers))
                await asyncio.sleep(0.01)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert watched.pieces <= 5 * 5, "of each, what was taken (3.1 MiB), what the kernel holds, and a piece"
        assert peak < 5 * 4 * MIB
        bodies = await asyncio.gather(*(reader.rest() for reader in readers))
    assert [body == DATA[50 * 64 * 1024 :] for body, _ in bodies] == [True] * 5
    await nothing_is_left(assembled, watched)


@pytest.mark.parametrize("api_changes", [{"common.limits.stall_timeout": 0.3}])
@pytest.mark.gen_test(timeout=60)
async def test_a_reader_that_stops_is_cut_off_and_told(
    assembled: Assembled, watched: Watched, http_port: int, headers: dict[str, str], api_changes: dict[str, Any]
) -> None:
    found = await stored(assembled)
    with structlog.testing.capture_logs() as lines:
        async with reading(http_port, found, headers) as reader:
            assert (await reader.head())[0] == 200
            await nothing_is_left(assembled, watched)
            body, error = await reader.rest()
    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["code"], line["status"]) == ("client_stalled", 200)
    assert len(body) < len(DATA)
    assert isinstance(error, ConnectionResetError), "what came must not look whole"


@pytest.mark.parametrize("how", ["closes", "resets"])
@pytest.mark.gen_test(timeout=60)
async def test_a_reader_that_goes_leaves_nothing_behind(
    assembled: Assembled, watched: Watched, http_port: int, headers: dict[str, str], how: str
) -> None:
    found = await stored(assembled)
    with structlog.testing.capture_logs() as lines:
        async with reading(http_port, found, headers) as reader:
            await reader.head()
            reader.leave(reset=how == "resets")
            await nothing_is_left(assembled, watched)
    (line,) = [line for line in lines if line["event"] == "request"]
    assert line["code"] == "client_gone"


@pytest.mark.gen_test(timeout=60)
async def test_a_reader_may_go_while_storage_is_waited_for(
    assembled: Assembled, watched: Watched, http_port: int, headers: dict[str, str]
) -> None:
    found = await stored(assembled)
    go_on = asyncio.Event()
    reached = asyncio.Event()

    async def wait(number: int) -> None:
        if number == 1:
            reached.set()
            await go_on.wait()

    watched.before_piece = wait
    async with reading(http_port, found, headers) as reader:
        await reader.head()
        await reader.skip(MIB)
        await reached.wait()
        reader.leave()
        await asyncio.sleep(0.05)
        go_on.set()
        await nothing_is_left(assembled, watched)


@pytest.mark.gen_test(timeout=60)
async def test_many_at_once(assembled: Assembled, watched: Watched, http_port: int, headers: dict[str, str]) -> None:
    found = await stored(assembled, DATA[: 2 * MIB])
    answers = await asyncio.gather(*(ask(http_port, path_of(found, "/content"), headers) for _ in range(60)))
    assert {(status, body == DATA[: 2 * MIB]) for status, _, body in answers} == {(200, True)}
    await nothing_is_left(assembled, watched)


@pytest.mark.gen_test(timeout=60)
async def test_more_than_allowed_are_asked_to_come_back(
    assembled: Assembled, watched: Watched, http_port: int, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await stored(assembled)
    downloads = assembled.resources.images.images.downloads
    monkeypatch.setattr(downloads, "_turns", Turns(4, leaves_room=True))
    async with reading(http_port, found, headers) as one, reading(http_port, found, headers) as other:
        await until(lambda: downloads.taken == 2)
        status, answer, body = await ask(http_port, path_of(found, "/content"), headers)
        assert (status, answer["retry-after"], code_of(body)) == (503, "1", "too_many_downloads")
        assert (await ask(http_port, path_of(found, "/content"), headers, "HEAD"))[0] == 200
        not_modified = {**headers, "If-None-Match": found.etag}
        assert (await ask(http_port, path_of(found, "/content"), not_modified))[0] == 304
        for reader in (one, other):
            await reader.head()
            assert await reader.rest() == (DATA, None)
    await until(lambda: downloads.taken == 0)
    assert (await ask(http_port, path_of(found, "/content"), headers))[0] == 200


@pytest.mark.gen_test(timeout=60)
async def test_a_connection_is_used_again_after_an_image(
    client: Client, assembled: Assembled, http_port: int, headers: dict[str, str]
) -> None:
    found = await stored(assembled, SMALL)
    reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
    for sent, status, body in [
        ({}, 200, SMALL),
        ({"Range": "bytes=5-9"}, 206, SMALL[5:10]),
        ({"If-None-Match": found.etag}, 304, b""),
        ({"Range": "bytes=0-"}, 206, SMALL),
    ]:
        writer.write(request_of(path_of(found, "/content"), {**headers, **sent, "Connection": "keep-alive"}))
        answered, answer = await read_head(reader)
        assert answered == status
        assert await reader.readexactly(int(answer.get("content-length", "0"))) == body
    writer.close()
    await writer.wait_closed()


@pytest.mark.gen_test(timeout=60)
async def test_a_stopping_service_breaks_downloads_off_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lading.service.runtime.serving, "REQUEST_GRACE", 0.05)
    headers = {"Authorization": f"Bearer {token(abilities=('image_download',))}"}
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:
        async with running_service(tmp_path, LADING_DOCUMENTS__BACKEND="memory") as running:
            found = await stored_in(running.parts, DATA)
            port = urlsplit(running.url).port or 0
            readers = [await stack.enter_async_context(reading(port, found, headers)) for _ in range(3)]
            for reader in readers:
                assert (await reader.head())[0] == 200
        assert asyncio.all_tasks() == before
        for reader in readers:
            body, _ = await reader.rest()
            assert len(body) < len(DATA)


# --- storage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [StorageUnavailable("the disk is gone"), RuntimeError("a bug")])
@pytest.mark.gen_test(timeout=60)
async def test_storage_that_fails_midway_resets_the_connection(
    assembled: Assembled, watched: Watched, http_port: int, headers: dict[str, str], error: Exception
) -> None:
    found = await stored(assembled)

    async def fail(number: int) -> None:
        if number == 3:
            raise error

    watched.before_piece = fail
    with structlog.testing.capture_logs() as lines:
        async with reading(http_port, found, headers) as reader:
            status, answer = await reader.head()
            assert (status, answer["content-length"]) == (200, str(len(DATA)))
            body, ending = await reader.rest()
        await nothing_is_left(assembled, watched)
    assert body == DATA[: len(body)]
    assert len(body) <= 3 * MIB
    assert isinstance(ending, ConnectionResetError)
    (line,) = [line for line in lines if line["event"] == "request"]
    assert line["code"] == "image_unavailable"
    assert not [line for line in lines if line["event"] == "a request failed unexpectedly"]


@pytest.mark.gen_test(timeout=60)
async def test_storage_that_fails_at_once_is_an_answer(
    assembled: Assembled, watched: Watched, http_port: int, headers: dict[str, str]
) -> None:
    found = await stored(assembled, SMALL)

    async def fail(_number: int) -> None:
        raise StorageUnavailable("the disk is gone")

    watched.before_piece = fail
    for sent in ({}, {"Range": "bytes=0-9"}, {"Range": "bytes=0-9,20-29"}):
        status, answer, body = await ask(http_port, path_of(found, "/content"), {**headers, **sent})
        assert (status, code_of(body)) == (503, "image_unavailable")
        assert answer["cache-control"] == "no-cache, no-store"
        assert b"disk" not in body
    await nothing_is_left(assembled, watched)


# --- deletion meanwhile -----------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_a_download_under_way_outlives_the_deletion(
    assembled: Assembled, watched: Watched, http_port: int, headers: dict[str, str]
) -> None:
    found = await stored(assembled)
    async with reading(http_port, found, headers) as reader:
        assert (await reader.head())[0] == 200
        assert (await ask(http_port, path_of(found), headers, "DELETE"))[0] == 204
        assert await reader.rest() == (DATA, None)
    assert (await ask(http_port, path_of(found, "/content"), headers))[0] == 410
    await nothing_is_left(assembled, watched)


@pytest.mark.gen_test(timeout=60)
async def test_gets_and_deletes_race(
    assembled: Assembled, watched: Watched, http_port: int, headers: dict[str, str]
) -> None:
    for _ in range(5):
        found = await stored(assembled, SMALL)
        gets = [ask(http_port, path_of(found, "/content"), headers) for _ in range(10)]
        deletes = [ask(http_port, path_of(found), headers, "DELETE") for _ in range(3)]
        answers = await asyncio.gather(*gets[:5], *deletes, *gets[5:])
        assert {status for status, _, _ in answers[5:8]} == {204}
        for status, _, body in answers[:5] + answers[8:]:
            assert (status, body) == (200, SMALL) or (status, code_of(body)) == (410, "image_deleted")
        document = await assembled.parts.store.get(found.document.id)
        assert document is not None
        assert document.revision == found.document.revision + 2, "each step was written once"
        assert not await assembled.parts.storage.exists(found.image.key)


@pytest.mark.gen_test(timeout=60)
async def test_deleted_between_the_document_and_the_object(
    assembled: Assembled, watched: Watched, http_port: int, headers: dict[str, str]
) -> None:
    found = await stored(assembled, SMALL)
    reopen = watched.open

    @asynccontextmanager
    async def delete_first(key: str, **part: Any) -> AsyncIterator[StoredObject]:
        assert (await ask(http_port, path_of(found), headers, "DELETE"))[0] == 204
        async with reopen(key, **part) as stored:
            yield stored

    backend: Any = assembled.parts.storage.backend
    backend.open = delete_first
    status, _, body = await ask(http_port, path_of(found, "/content"), headers)
    assert (status, code_of(body)) == (410, "image_deleted")
