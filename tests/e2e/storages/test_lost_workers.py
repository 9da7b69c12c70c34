"""Services that are killed between two writes: nothing is left in storage that no import has, and no bytes are lost."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPError
from tornado.iostream import StreamClosedError

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Exchange, Origin, answer
from lading.service.images import purger
from tests.e2e.storages.test_shared_objects import check_audit, content, imported
from tests.e2e.storages.test_storage_copy import files, two_disks
from tests.support.servers.commands import running_module
from tests.support.servers.service import CONF, ORGANIZATION, Client, environment, final, running_service, token
from tests.support.webhooks import Manager

DATA = jpeg(64, 48, seed=1)
IMPORT = "imports"
DYING = "tests.support.servers.dying_service"
QUICK = {"LADING_WORKER__LEASE": "3", "LADING_WORKER__POLL_INTERVAL": "0.05"}


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.long_form)])
def overrides(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    documents = request.getfixturevalue("mongo_environ") if request.param == "mongo" else {}
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    return two_disks(tmp_path, **documents, **QUICK)


@asynccontextmanager
async def dying_service(
    folder: Path, overrides: dict[str, str], writes: int
) -> AsyncIterator[tuple[Client, Callable[[], Awaitable[int]]]]:
    """A service that kills itself after so many writes, and who waits for that.

    See ``tests.support.servers.dying_service``.
    """
    arguments = (str(folder / "service.conf"), str(writes))
    with running_module(DYING, *arguments, environ=environment(folder, **overrides)) as (process, printed):
        # On a busy machine, warnings may come before it.
        url = await asyncio.to_thread(lambda: next(line.strip() for line in printed if line.startswith("http")))
        yield Client(url, token(admin=True)), lambda: asyncio.to_thread(process.wait)


async def deleted_or_died(client: Client, path: str) -> int | None:
    """The status of the answer; None where the service died before it answered."""
    try:
        return (await client.fetch(path, method="DELETE")).code
    except (OSError, StreamClosedError, HTTPError):
        return None


def objects(folder: Path) -> list[bytes]:
    return [*files(folder / "new").values(), *files(folder / "old").values()]


async def until_settled(folder: Path, expected: list[bytes]) -> None:
    """The test's own timeout bounds the wait."""
    while objects(folder) != expected:
        await asyncio.sleep(0.05)


def path_of(kind: str, document: dict[str, Any]) -> str:
    return f"/api/v1/imports/{document['id']}" if kind == IMPORT else f"/api/v1/images/{document['image_id']}"


@pytest.fixture
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purger, "INTERVAL", 0.1)
    monkeypatch.setattr(purger, "AGE", timedelta(seconds=0.2))


@pytest.mark.sampled(2)
@pytest.mark.usefixtures("_impatience")
@pytest.mark.parametrize(("kind", "writes"), [("images", 3), (IMPORT, 4)])
@pytest.mark.gen_test(timeout=200)
async def test_killed_while_the_first_of_three_is_deleted(
    tmp_path: Path, overrides: dict[str, str], kind: str, writes: int
) -> None:
    bodies = [jpeg(64, 48, seed=number) for number in range(writes + 1)]
    groups: list[list[dict[str, Any]]] = []
    async with Origin({f"/{number}.jpg": answer(body) for number, body in enumerate(bodies)}) as origin:
        async with running_service(tmp_path, None, **overrides) as running:
            client = Client(running.url, token(admin=True))
            for number in range(len(bodies)):
                groups.append([await imported(client, origin.url(f"/{number}.jpg")) for _ in range(3)])
                assert groups[-1][2]["image"]["duplicate_of"] == groups[-1][0]["id"]
    for number, (first, _, _) in enumerate(groups):
        async with dying_service(tmp_path, overrides, number) as (client, death):
            status = await deleted_or_died(client, path_of(kind, first))
            if number < writes:
                assert (status, await death()) == (None, -signal.SIGKILL)
            else:
                assert status == 204, "there are no more writes than that"
    await check_audit(tmp_path, overrides)
    async with running_service(tmp_path, None, **overrides) as running:
        client = Client(running.url, token(admin=True))
        answers: set[int] = set()
        for (first, *others), body in zip(groups, bodies, strict=True):
            assert {await content(client, other) for other in others} == {(200, body)}
            answers.add((await client.fetch(path_of(kind, first), method="DELETE")).code)
            assert (await content(client, first))[0] in (404, 410)
            assert {await content(client, other) for other in others} == {(200, body)}
        assert answers <= {204, 404}
        # An import whose deletion died is hidden already: the purger completes that, and counts its bytes until then.
        is_settled = answers == {204}
        stored = await running.parts.store.stored_bytes(ORGANIZATION)
        assert stored == sum(map(len, bodies)) if is_settled else stored >= sum(map(len, bodies))
        for _, *others in groups:
            for other in others:
                assert (await client.fetch(path_of(kind, other), method="DELETE")).code == 204
        if not is_settled:
            await until_settled(tmp_path, [])
            while await running.parts.store.stored_bytes(ORGANIZATION) > 0:
                await asyncio.sleep(0.05)
        assert objects(tmp_path) == []
        assert await running.parts.store.stored_bytes(ORGANIZATION) == 0
        await check_audit(tmp_path, overrides)


async def abandoned(folder: Path, overrides: dict[str, str], url: str, **params: Any) -> str:
    """An import whose worker has stored its object, and was killed before it could say so; its id."""
    async with dying_service(folder, overrides, 0) as (client, death):
        response = await client.post_json({"album_id": "one", "url": url, **params})
        assert response.code == 200, response.body
        assert await death() == -signal.SIGKILL
    assert len(objects(folder)) == 1
    import_id: str = json.loads(response.body)["id"]
    return import_id


@pytest.mark.usefixtures("_impatience")
@pytest.mark.sampled(2)
@pytest.mark.parametrize("end", ["failed", "duplicate", "done", "cancelled"])
@pytest.mark.gen_test(timeout=100)
async def test_killed_between_its_save_and_its_end(tmp_path: Path, overrides: dict[str, str], end: str) -> None:
    goes_on = asyncio.Event()

    async def after_the_other(exchange: Exchange) -> bool:
        await goes_on.wait()
        return await answer(DATA)(exchange)

    async with Origin({"/a.jpg": answer(DATA), "/b.jpg": answer(DATA)}) as origin:
        import_id = await abandoned(tmp_path, overrides, origin.url("/a.jpg"), dedupe="album")
        await check_audit(tmp_path, overrides)
        if end == "failed":
            origin.routes["/a.jpg"] = answer(b"", 404)
        if end == "duplicate":
            origin.routes["/a.jpg"] = after_the_other
        async with running_service(tmp_path, None, **overrides) as running:
            client = Client(running.url, token(admin=True))
            if end == "duplicate":
                other = await imported(client, origin.url("/b.jpg"))
                goes_on.set()
            if end == "cancelled":
                assert (await client.fetch(f"/api/v1/imports/{import_id}/cancel", method="POST")).code == 200
            document = await final(client, import_id)
            assert document["status"] == {"duplicate": "done"}.get(end, end)
            if end == "duplicate":
                assert document["image"]["duplicate_of"] == other["id"]
            await until_settled(tmp_path, [DATA] if document["status"] == "done" else [])
            assert await running.parts.store.stored_bytes(ORGANIZATION) == len(DATA) * len(objects(tmp_path))
            while await running.parts.store.unpurged(1):
                await asyncio.sleep(0.05)
        await check_audit(tmp_path, overrides)


@pytest.mark.parametrize("state", ["done", "running"])
@pytest.mark.gen_test(timeout=100)
async def test_what_has_lost_a_worker_is_deleted(tmp_path: Path, overrides: dict[str, str], state: str) -> None:
    """With an endpoint that takes nothing: what is to be announced keeps no bytes."""
    async with Origin({"/a.jpg": answer(DATA), "/hook": answer(b"", 503)}) as origin:
        import_id = await abandoned(tmp_path, overrides, origin.url("/a.jpg"))
        async with running_service(tmp_path, None, **overrides) as running:
            client = Client(running.url, token(admin=True))
            await Manager(client).create(origin.url("/hook"))
            if state == "done":
                assert (await final(client, import_id))["status"] == "done"
            response = await client.fetch(f"/api/v1/imports/{import_id}", method="DELETE")
            if response.code == 202:
                assert state == "running", "what is done is gone when it is answered"
                assert json.loads(response.body)["status"] == "deleting"
                await until_settled(tmp_path, [])
            else:
                assert response.code == 204
            assert objects(tmp_path) == []
            assert await running.parts.store.stored_bytes(ORGANIZATION) == 0
        await check_audit(tmp_path, overrides)
