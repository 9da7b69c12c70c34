"""The backlog bounds all that an issuer has not finished: also what waits for its bytes, or for another attempt."""

import asyncio
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from lading.service.documents import DocumentStore
from lading.service.models import Failure, Status
from tests.api.batches import test_batches as batches
from tests.api.conftest import Assembled
from tests.api.uploads.test_uploads import DATA, METADATA, tus
from tests.support.clock import SettableClock
from tests.support.plugins.scripted import make_import
from tests.support.servers.service import ISSUER, ORGANIZATION, OTHER_ISSUER, Client, token

LIMIT = 12
SHARE = LIMIT // 2
"""What an issuer may have alone."""
WAITING = "album_id=imported_album"
QUEUED = f"{WAITING}&url=http://origin.example/image.png"
FAILURE = Failure("fetch_timeout", "too slow", retryable=True)

pytestmark = pytest.mark.usefixtures("uploads_prepared", "few")


@pytest.fixture
def few(assembled: Assembled) -> None:
    assembled.resources.imports.imports.backlog._limit = LIMIT


@pytest.fixture
def guest(base_url: str, clock: SettableClock) -> Client:
    return Client(base_url, token(clock, issuer=OTHER_ISSUER))


def is_refused(response: HTTPResponse) -> bool:
    if response.code in (200, 201):
        return False
    assert (response.code, json.loads(response.body)["code"]) == (503, "backlog_full")
    assert int(response.headers["Retry-After"]) > 0
    return True


async def upload(client: Client) -> HTTPResponse:
    return await tus(client, "POST", "", b"", Upload_Length=str(len(DATA)), Upload_Metadata=METADATA)


async def feed(client: Client, import_id: str) -> HTTPResponse:
    headers = {"Content-Type": "image/jpeg"}
    return await client.fetch(f"/api/v1/imports/{import_id}/content", method="PUT", body=DATA, headers=headers)


@pytest.mark.gen_test
async def test_imports_that_wait_for_their_bytes_count(client: Client, guest: Client) -> None:
    found = [await client.post(WAITING) for _ in range(SHARE)] + [await client.post(WAITING)]
    assert [is_refused(one) for one in found] == [False] * SHARE + [True]
    assert is_refused(await client.post(QUEUED))
    assert is_refused(await upload(client))
    items = batches.lines(*(batches.params(number) for number in range(3)))
    assert batches.answers(await batches.post(client, items))[1]["rejected"] == {"backlog_full": 3}
    assert not is_refused(await guest.post(WAITING)), "it has its part"
    # What was accepted is never refused: its bytes are taken, and make room.
    import_id = json.loads(found[0].body)["id"]
    assert (await feed(client, import_id)).code == 200


@pytest.mark.gen_test
async def test_resumable_uploads_count(client: Client, guest: Client) -> None:
    assert [is_refused(await upload(client)) for _ in range(SHARE + 1)] == [False] * SHARE + [True]
    assert is_refused(await client.post(WAITING))
    assert not is_refused(await upload(guest))


@pytest.mark.gen_test
async def test_requests_at_once_get_no_more_than_the_share(client: Client) -> None:
    posts = [client.post(body) for body in (WAITING, QUEUED) for _ in range(SHARE)]
    uploads = [upload(client) for _ in range(SHARE)]
    refused = Counter(map(is_refused, await asyncio.gather(*posts, *uploads)))
    assert refused == {False: SHARE, True: 2 * SHARE}


@pytest.mark.parametrize("source", [{"url": "http://origin.example/image.png"}, {}], ids=["by url", "by upload"])
@pytest.mark.gen_test
async def test_retries_count(
    client: Client, assembled: Assembled, clock: SettableClock, source: dict[str, str]
) -> None:
    cancelled = {"organization_id": ORGANIZATION, "issuer_id": ISSUER, "status": Status.CANCELLED}
    params = {"album_id": "imported_album", **source}
    ended = [make_import(clock, params=params, **cancelled) for _ in range(SHARE + 2)]
    for document in ended:
        await assembled.parts.store.add(document)
    paths = [f"/api/v1/imports/{document.id}/retry" for document in ended]
    found = await asyncio.gather(*(client.fetch(path, method="POST", body=b"") for path in paths))
    assert Counter(map(is_refused, found)) == {False: SHARE, True: 2}
    assert is_refused(await client.post(WAITING))


@pytest.mark.gen_test
async def test_an_import_that_is_tried_again_later_counts_and_is_not_refused(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    store, now = assembled.parts.store, clock.now()
    for _ in range(SHARE):
        assert not is_refused(await client.post(QUEUED))
    await store.register("worker", timedelta(seconds=30))
    for document in await store.claim("worker", SHARE):
        assert await store.update(document.requeued(FAILURE, now + timedelta(days=1), now))
    assert await store.unfinished(100, ISSUER) == SHARE
    assert is_refused(await client.post(QUEUED))


@pytest.mark.gen_test
async def test_a_post_asks_the_database_for_nothing_more(
    client: Client, assembled: Assembled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far from the bound, one count serves all posts for a while."""
    backlog = assembled.resources.imports.imports.backlog
    backlog._limit = 1000
    backlog._all._max_age = 60
    store, asked = assembled.parts.store, Counter[str]()
    for name in ("add", "get", "update", "unfinished"):
        counted(store, name, asked, monkeypatch)
    for number in range(20):
        assert not is_refused(await client.post(QUEUED if number % 2 else WAITING))
    assert asked["add"] == 20
    assert asked["unfinished"] == 1
    assert asked.keys() == {"add", "unfinished"}


def counted(store: DocumentStore, name: str, asked: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    method = getattr(store, name)

    async def ask(*arguments: Any) -> Any:
        asked[name] += 1
        return await method(*arguments)

    monkeypatch.setattr(store, name, ask)
