"""The machine's clock steps while clients use the API: nothing that they have begun ends early for that, or late."""

import base64
import hashlib
import json
import random
from collections.abc import Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

import lading.service.runtime.wiring
from lading.plugins.contracts import ObjectMetadata
from lading.service.config import Settings
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.images.purger import AGE, Purger
from lading.service.models import Import, Status
from lading.service.models.clock import Clock, truncate_to_milliseconds
from lading.service.models.issuers import Issuer
from lading.service.storages.copies import once
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock, Ticks
from tests.support.images import noise
from tests.support.servers.service import ORGANIZATION, SECRET, Client, token

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
STEPS = pytest.mark.parametrize("step", [HOUR, -HOUR, 100 * DAY], ids=["forwards", "backwards", "months"])
FORM = "album_id=imported_album&url=http://origin.example/a.jpg"
ALBUM = base64.b64encode(b"imported_album").decode()


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def overrides(ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A store whose clock is another than the machine's; what each store makes of that, its own tests say."""

    def make_store(_settings: Settings, clock: Clock) -> MemoryDocumentStore:
        return MemoryDocumentStore(clock, ticks)

    monkeypatch.setattr(lading.service.runtime.wiring, "make_store", make_store)
    return {"LADING_DOCUMENTS__BACKEND": "memory"}


@pytest.fixture
def post(client: Client, clock: SettableClock) -> Callable[..., Any]:
    """Posts with a token that is valid by the machine's clock, whatever that says."""

    async def post(path: str = "/imports", body: str = FORM, **headers: str) -> HTTPResponse:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        now = Client(client.base, token(clock, admin=True))
        return await now.fetch(f"/api/v1{path}", method="POST", body=body, headers={**kind, **named})

    return post


async def stored(assembled: Assembled, response: HTTPResponse) -> Import:
    found = await assembled.parts.store.get(json.loads(response.body)["id"])
    assert found is not None
    return found


@STEPS
@pytest.mark.gen_test
async def test_an_import_is_due_at_once(
    post: Callable[..., Any], assembled: Assembled, clock: SettableClock, step: timedelta
) -> None:
    clock.advance(step)
    response = await post()
    assert response.code == 200
    found = await stored(assembled, response)
    store = assembled.parts.store
    assert found.run_at == found.since == truncate_to_milliseconds(store.clock.now())
    assert found.created_at == truncate_to_milliseconds(clock.now())
    await store.register("worker", HOUR)
    assert [one.id for one in await store.claim("worker", 10)] == [found.id]


@STEPS
@pytest.mark.gen_test
async def test_a_retried_import_is_due_at_once(
    post: Callable[..., Any], assembled: Assembled, clock: SettableClock, step: timedelta
) -> None:
    found = await stored(assembled, await post())
    assert (await post(f"/imports/{found.id}/cancel", "")).code == 200
    clock.advance(step)
    response = await post(f"/imports/{found.id}/retry", "")
    assert response.code == 200, response.body
    again = await stored(assembled, response)
    now = truncate_to_milliseconds(assembled.parts.store.clock.now())
    assert (again.status, again.run_at, again.since) == (Status.QUEUED, now, now)


@STEPS
@pytest.mark.gen_test
async def test_a_key_of_idempotency_is_remembered_for_as_long_as_it_should(
    post: Callable[..., Any], clock: SettableClock, ticks: Ticks, step: timedelta
) -> None:
    first = await post(Idempotency_Key="key")
    clock.advance(step)
    ticks.passes(DAY - SECOND)
    assert json.loads((await post(Idempotency_Key="key")).body)["id"] == json.loads(first.body)["id"]
    ticks.passes(SECOND)
    assert json.loads((await post(Idempotency_Key="key")).body)["id"] != json.loads(first.body)["id"]


@STEPS
@pytest.mark.gen_test
async def test_an_upload_expires_when_it_should_and_says_so_in_the_machines_time(
    post: Callable[..., Any], assembled: Assembled, clock: SettableClock, ticks: Ticks, step: timedelta
) -> None:
    parts = assembled.parts
    images = assembled.resources.images.images
    purger = Purger(images, parts.store, clock, random.Random(1))
    lasts = timedelta(seconds=parts.settings.uploads.expire_after)
    headers = {"Tus_Resumable": "1.0.0", "Upload_Length": "10", "Upload_Metadata": f"album_id {ALBUM}"}
    response = await post("/uploads", "", **headers)
    assert response.code == 201, response.body
    path = response.headers["Location"]

    async def asked() -> HTTPResponse:
        client = Client(base_of(response), token(clock))
        return await client.fetch(path, method="HEAD", headers={"Tus-Resumable": "1.0.0"})

    clock.advance(step)
    await purger.expire_waiting()
    await purger.drop_records()
    told = await asked()
    assert told.code == 200
    expires_at = parsedate_to_datetime(told.headers["Upload-Expires"])
    assert abs(expires_at - (clock.now() + lasts)) <= SECOND
    ticks.passes(lasts)
    await purger.expire_waiting()
    await purger.drop_records()
    assert (await asked()).code == 410


def base_of(response: HTTPResponse) -> str:
    """The base of the service that has answered."""
    return response.effective_url.partition("/api/")[0]


@STEPS
@pytest.mark.gen_test
async def test_what_an_attempt_may_have_left_is_removed_for_good_when_it_should(
    post: Callable[..., Any], assembled: Assembled, clock: SettableClock, ticks: Ticks, step: timedelta
) -> None:
    store, storage = assembled.parts.store, assembled.parts.storage
    await storage.ping()
    purger = Purger(assembled.resources.images.images, store, clock, random.Random(1))
    running = (await stored(assembled, await post())).claimed("worker", clock.now())
    assert await store.update(running)
    assert await store.update(running.cancelled(clock.now()))
    await purger.sweep()
    clock.advance(step)
    data = noise(100)
    metadata = ObjectMetadata(len(data), hashlib.sha256(data).hexdigest(), "image/png")
    await storage.save(running.own_key, once(data), metadata)  # the attempt goes on
    ticks.passes(AGE - SECOND)
    await purger.sweep()
    assert await storage.exists(running.own_key)
    ticks.passes(SECOND)
    await purger.sweep()
    assert not await storage.exists(running.own_key)
    found = await store.get(running.id)
    assert found is not None
    assert found.unsettled_at is None


@STEPS
@pytest.mark.gen_test
async def test_a_batch_is_kept_for_as_long_as_it_should(
    post: Callable[..., Any], assembled: Assembled, clock: SettableClock, ticks: Ticks, step: timedelta
) -> None:
    clock.advance(step)
    response = await post(
        "/imports/batch", json.dumps([{"url": "http://origin.example/a.jpg"}]), Content_Type="application/json"
    )
    assert response.code == 200, response.body
    store = assembled.parts.store
    ticks.passes(timedelta(seconds=assembled.parts.settings.batches.keep) - SECOND)
    assert await store.records.drop_expired(10) == 0
    ticks.passes(SECOND)
    assert await store.records.drop_expired(10) == 1


@STEPS
@pytest.mark.gen_test
async def test_the_key_before_is_accepted_for_as_long_as_it_should(
    client: Client, assembled: Assembled, clock: SettableClock, ticks: Ticks, step: timedelta
) -> None:
    store = assembled.parts.store
    await store.add_issuer(Issuer("managed", ORGANIZATION, SECRET))
    keep_until = truncate_to_milliseconds(store.clock.now()) + HOUR
    assert await store.rotate_issuer("managed", "another secret, of at least 32 bytes", keep_until)

    async def code() -> int:
        signed = Client(client.base, token(clock, issuer="managed"))
        return (await signed.post(FORM)).code

    for _ in range(2):
        clock.advance(step)
        assert await code() == 200
    ticks.passes(HOUR - SECOND)
    assert await code() == 200
    ticks.passes(SECOND)
    assert await code() == 401


@STEPS
@pytest.mark.gen_test
async def test_a_delivery_says_in_the_machines_time_when_it_is_due(
    post: Callable[..., Any], clock: SettableClock, step: timedelta
) -> None:
    response = await post("/webhooks", "url=https://receiver.example/hook")
    assert response.code == 201, response.body
    clock.advance(step)
    tried = await post(f"/webhooks/{json.loads(response.body)['id']}/test", "")
    assert tried.code == 202, tried.body
    delivery = json.loads(tried.body)
    assert delivery["next_attempt_at"][:19] == delivery["created_at"][:19]
