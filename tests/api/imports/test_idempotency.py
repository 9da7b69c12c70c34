"""``Idempotency-Key``: one import for each key, whatever is sent again, by whom, and what dies in between."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tornado.gen import multi
from tornado.httpclient import HTTPResponse

from lading.plugins.testing.images import jpeg
from lading.service.documents import StoreUnavailable
from lading.service.documents.search import Filter
from lading.service.imports.idempotency import GRACE
from lading.service.models import Import
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.servers.service import ORGANIZATION, OTHER_ISSUER, Client, token

FORM = "album_id=imported_album&url=http://origin.example/a.jpg&metadata[a]=1"


async def post(client: Client, key: str | None, body: str = FORM, content_type: str = "") -> HTTPResponse:
    headers = {"Content-Type": content_type or "application/x-www-form-urlencoded"}
    if key is not None:
        headers["Idempotency-Key"] = key
    return await client.fetch("/api/v1/imports", method="POST", body=body, headers=headers)


def code_of(response: HTTPResponse) -> Any:
    return response.code, json.loads(response.body).get("code")


async def count(assembled: Assembled) -> int:
    return len((await assembled.parts.store.search.list(Filter(ORGANIZATION), 100)).documents)


@pytest.mark.gen_test
async def test_a_repeated_request_is_answered_with_the_same_document(client: Client, assembled: Assembled) -> None:
    first = await post(client, "a key")
    assert (first.code, first.headers.get("Idempotent-Replayed")) == (400, None), "a space needs quotes"
    first = await post(client, '"a key"')
    again = [await post(client, '"a key"') for _ in range(3)]
    for response in again:
        assert (response.code, response.body) == (200, first.body)
        assert response.headers["Idempotent-Replayed"] == "true"
        assert response.headers["Location"] == first.headers["Location"]
    assert "Idempotent-Replayed" not in first.headers
    assert await count(assembled) == 1
    assert len(assembled.accepted) == 1


@pytest.mark.gen_test
async def test_quotes_and_the_order_of_parameters_make_no_difference(client: Client, assembled: Assembled) -> None:
    first = await post(client, "key-1")
    params = {"metadata": {"a": "1"}, "url": "http://origin.example/a.jpg", "album_id": "imported_album"}
    again = await post(client, '"key-1"', json.dumps(params), "application/json")
    assert json.loads(again.body)["id"] == json.loads(first.body)["id"]
    assert await count(assembled) == 1


@pytest.mark.gen_test
async def test_another_payload_is_refused(client: Client, assembled: Assembled) -> None:
    await post(client, "key")
    assert code_of(await post(client, "key", FORM + "2")) == (422, "idempotency_key_reused")
    assert (await post(client, "other", FORM + "2")).code == 200
    assert await count(assembled) == 2


@pytest.mark.gen_test
async def test_a_key_belongs_to_its_issuer(client: Client, clock: SettableClock) -> None:
    first = await post(client, "key")
    stranger = replace(client, token=token(clock, issuer=OTHER_ISSUER))
    second = await post(stranger, "key", FORM + "2")
    assert second.code == 200
    assert json.loads(first.body)["id"] != json.loads(second.body)["id"]


@pytest.mark.gen_test
async def test_errors_are_not_remembered(client: Client, assembled: Assembled) -> None:
    assert code_of(await post(client, "key", "album_id=other&url=http://origin.example/a.jpg")) == (403, "forbidden")
    assert code_of(await post(client, "key", "album_id=imported_album&url=a.jpg")) == (422, "url_scheme_missing")
    assert (await post(client, "key")).code == 200
    assert await count(assembled) == 1


@pytest.mark.gen_test
async def test_a_key_is_forgotten_after_a_day(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    await post(client, "key")
    clock.advance(timedelta(hours=24) - timedelta(seconds=1))
    client = replace(client, token=token(clock))
    assert (await post(client, "key")).headers["Idempotent-Replayed"] == "true"
    clock.advance(timedelta(seconds=1))
    response = await post(client, "key", FORM + "2")
    assert (response.code, "Idempotent-Replayed" in response.headers) == (200, False)
    assert await count(assembled) == 2


@pytest.mark.parametrize("key", ["", '""', '"', '"a', 'a"b', "a b", "é", "x" * 256, '"\\a"', '"' + "x" * 256 + '"'])
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_what_is_no_key_is_told(client: Client, assembled: Assembled, key: str) -> None:
    assert code_of(await post(client, key)) == (400, "idempotency_key_invalid")
    assert await count(assembled) == 0


@pytest.mark.parametrize("is_written", [False, True], ids=["not written", "written and not confirmed"])
@pytest.mark.gen_test
async def test_one_whose_process_died_in_between_is_completed_by_a_later_request(
    client: Client, assembled: Assembled, clock: SettableClock, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    store = assembled.parts.store
    add = store.add
    ids: list[str] = []

    async def dies(document: Import) -> None:
        ids.append(document.id)
        if is_written:
            await add(document)
        raise StoreUnavailable("the process died")

    with monkeypatch.context() as patched:
        patched.setattr(store, "add", dies)
        response = await post(client, "key")
        assert code_of(response) == (503, "documents_unavailable")
        assert "unknown" in json.loads(response.body)["detail"], "it may be written"
    if not is_written:
        response = await post(client, "key")
        assert code_of(response) == (409, "idempotency_in_progress")
        assert response.headers["Retry-After"] == "1"
    assert code_of(await post(client, "key", FORM + "2")) == (422, "idempotency_key_reused")
    clock.advance(GRACE)
    responses = [await post(client, "key") for _ in range(2)]
    assert [json.loads(response.body)["id"] for response in responses] == [ids[0], ids[0]]
    replayed = [response.headers.get("Idempotent-Replayed") for response in responses]
    assert replayed == ["true" if is_written else None, "true"]
    assert await count(assembled) == 1


@pytest.mark.gen_test
async def test_what_was_deleted_meanwhile_is_not_imported_again(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    first = json.loads((await post(client, "key")).body)["id"]
    document = await assembled.parts.store.get(first)
    assert document is not None
    deleted = document.deleted(clock.now())
    assert await assembled.parts.store.update(deleted)
    assert code_of(await post(client, "key")) == (410, "import_deleted")
    assert await assembled.parts.store.remove(deleted)
    clock.advance(2 * GRACE)
    assert code_of(await post(client, "key")) == (410, "import_deleted")
    assert await count(assembled) == 0


@pytest.mark.gen_test
async def test_many_at_once_make_one(client: Client, assembled: Assembled) -> None:
    responses = await multi([post(client, "key") for _ in range(40)])
    assert {response.code for response in responses} <= {200, 409}
    found = {json.loads(response.body)["id"] for response in responses if response.code == 200}
    assert len(found) == await count(assembled) == 1


class Held:
    """The first ``add`` of a store stands still until it is let go, as a process that is paused does.

    Attributes:
        document: what it adds.
    """

    def __init__(self, assembled: Assembled, monkeypatch: pytest.MonkeyPatch) -> None:
        self._add = assembled.parts.store.add
        self._reached, self._gate = asyncio.Event(), asyncio.Event()
        self.document: Import | None = None
        monkeypatch.setattr(assembled.parts.store, "add", self.add)

    async def add(self, document: Import) -> None:
        if self.document is None:
            self.document = document
            self._reached.set()
            await self._gate.wait()
        await self._add(document)

    async def until_reached(self) -> None:
        await self._reached.wait()

    def let_go(self) -> None:
        self._gate.set()


@pytest.mark.gen_test
async def test_a_request_that_is_overtaken_answers_as_a_replay_and_the_other_as_the_creator(
    client: Client, assembled: Assembled, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(assembled, monkeypatch)
    slow = asyncio.ensure_future(post(client, "key"))
    await held.until_reached()
    clock.advance(GRACE)
    fast = await post(client, "key")
    held.let_go()
    overtaken = await slow
    assert (fast.code, fast.headers.get("Idempotent-Replayed")) == (200, None)
    assert (overtaken.code, overtaken.headers.get("Idempotent-Replayed")) == (200, "true")
    assert overtaken.body == fast.body
    assert overtaken.headers["Location"] == fast.headers["Location"]
    again = await post(client, "key")
    assert (again.body, again.headers.get("Idempotent-Replayed")) == (fast.body, "true")
    assert await count(assembled) == 1
    assert len(assembled.accepted) == 1


@pytest.mark.gen_test
@pytest.mark.usefixtures("uploads_prepared")
async def test_one_that_brings_its_bytes_and_is_overtaken_answers_with_the_same_image(
    client: Client, assembled: Assembled, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="album_id"\r\n\r\nimported_album\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + jpeg() + b"\r\n--b--\r\n"
    )

    async def send() -> HTTPResponse:
        headers = {"Content-Type": "multipart/form-data; boundary=b", "Idempotency-Key": "key"}
        return await client.fetch("/api/v1/imports", method="POST", body=body, headers=headers)

    held = Held(assembled, monkeypatch)
    slow = asyncio.ensure_future(send())
    await held.until_reached()
    clock.advance(GRACE)
    fast = await send()
    held.let_go()
    overtaken = await slow
    assert (fast.code, fast.headers.get("Idempotent-Replayed")) == (200, None)
    assert (overtaken.code, overtaken.headers.get("Idempotent-Replayed")) == (200, "true")
    assert json.loads(overtaken.body)["id"] == json.loads(fast.body)["id"]
    assert await count(assembled) == 1


@pytest.mark.gen_test
async def test_a_repeated_request_is_authorised_as_the_first_one_was(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    first = await post(client, "key-1")
    assert first.code == 200
    elsewhere = Client(client.base, token(clock, album="another_album"))
    for other in (elsewhere, Client(client.base, token(clock, abilities=("image_list", "see")))):
        response = await post(other, "key-1")
        assert code_of(response) == (403, "forbidden")
        assert json.loads(first.body)["id"].encode() not in response.body
    assert (await post(client, "key-1")).body == first.body
    assert await count(assembled) == 1
