"""Imports are cancelled, retried and deleted: what becomes of them, who may, and what stands against it."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tornado.ioloop import IOLoop

import lading.service.imports.actions
from lading.plugins.contracts import ObjectMetadata
from lading.plugins.errors import StorageUnavailable
from lading.service.images.purger import AGE
from lading.service.models import Failure, Import, Status
from lading.service.runtime.wiring import make_purger
from lading.service.storages.copies import once
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.images import noise, path_of, stored_in
from tests.support.servers.service import ORGANIZATION, OTHER_ISSUER, Client, token

FAILURE = Failure("fetch_timeout", "It was too slow.", retryable=True)
FORM = "album_id=imported_album&url=http://origin.example/a.jpg"


def allowed(client: Client, clock: SettableClock, *abilities: str, **facts: Any) -> Client:
    return replace(client, token=token(clock, abilities=abilities, **facts))


async def posted(client: Client, assembled: Assembled, form: str = FORM) -> Import:
    response = await client.post(form)
    assert response.code == 200, response.body
    return await stored(assembled, json.loads(response.body)["id"])


async def stored(assembled: Assembled, import_id: str) -> Import:
    document = await assembled.parts.store.get(import_id)
    assert document is not None
    return document


async def written(assembled: Assembled, document: Import) -> Import:
    assert await assembled.parts.store.update(document)
    return document


async def begun(client: Client, assembled: Assembled, clock: SettableClock, form: str = FORM) -> Import:
    return await written(assembled, (await posted(client, assembled, form)).claimed("worker", clock.now()))


async def left_behind(assembled: Assembled, document: Import) -> None:
    """An object that an attempt has stored, and did not finish with."""
    data = noise(100)
    metadata = ObjectMetadata(len(data), hashlib.sha256(data).hexdigest(), "image/png")
    await assembled.parts.storage.save(document.own_key, once(data), metadata)


async def swept(assembled: Assembled, clock: SettableClock) -> None:
    """As when the purger has looked, some time later."""
    purger = make_purger(assembled.parts)
    await purger.sweep()
    clock.advance(AGE)
    await purger.sweep()


@pytest.fixture(autouse=True)
def prepared(io_loop: IOLoop, assembled: Assembled) -> None:
    """Storage, as a service prepares it at its start."""
    io_loop.run_sync(assembled.parts.storage.ping)


async def answer(
    client: Client, document: Import, action: str = "", method: str = "POST"
) -> tuple[int, dict[str, Any]]:
    response = await client.fetch(f"/api/v1/imports/{document.id}{action}", method=method)
    return response.code, json.loads(response.body or b"{}")


async def unavailable(*_: object) -> None:
    raise StorageUnavailable("away")


# --- cancel -----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_what_is_queued_or_waiting_is_cancelled(client: Client, assembled: Assembled) -> None:
    for form in (FORM, "album_id=imported_album"):
        document = await posted(client, assembled, form)
        for _ in range(2):
            status, body = await answer(client, document, "/cancel")
            assert (status, body["status"], body["error"]) == (200, "cancelled", None)
        assert body == await client.document(document.id)
        assert not (await stored(assembled, document.id)).is_stopping


@pytest.mark.gen_test
async def test_what_runs_is_cancelled_and_what_it_may_have_stored_goes(
    client: Client, assembled: Assembled, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lading.service.imports.actions, "STOPPING_PAUSE", 0.0)
    document = await begun(client, assembled, clock)
    status, body = await answer(client, document, "/cancel")
    assert (status, body["status"]) == (200, "cancelled")
    cancelled = await stored(assembled, document.id)
    assert cancelled.is_stopping
    assert not await assembled.parts.store.update(document.handed_back(clock.now(), clock.now()))
    await left_behind(assembled, document)
    with pytest.MonkeyPatch.context() as away:
        away.setattr(assembled.parts.storage, "delete", unavailable)
        status, body = await answer(client, document, "/retry")
    assert (status, body["code"]) == (409, "still_stopping"), "the object of its attempt cannot be removed"
    status, body = await answer(client, document, "/retry")
    assert (status, body["status"]) == (200, "queued")
    assert not await assembled.parts.storage.exists(document.own_key)


@pytest.mark.gen_test
async def test_what_has_ended_is_not_cancelled(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    found = await stored_in(assembled.parts, noise(100))
    failed = await written(assembled, (await begun(client, assembled, clock)).failed(FAILURE, "url", clock.now()))
    for document in (found.document, failed):
        status, body = await answer(client, document, "/cancel")
        assert (status, body["code"]) == (409, "not_cancellable")
        assert document.status.value in body["detail"]


# --- retry ------------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_what_failed_begins_anew(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    failed = await written(assembled, (await begun(client, assembled, clock)).failed(FAILURE, "url", clock.now()))
    accepted = len(assembled.accepted)
    clock.advance(timedelta(days=3))
    client = allowed(client, clock, "image_upload")
    status, body = await answer(client, failed, "/retry")
    assert (status, body["status"], body["attempts"], body["error"]) == (200, "queued", 0, None)
    assert len(assembled.accepted) == accepted + 1
    assert (await stored(assembled, failed.id)).since == (await stored(assembled, failed.id)).run_at
    status, body = await answer(client, failed, "/retry")
    assert (status, body["code"]) == (409, "not_retryable")


@pytest.mark.gen_test
async def test_what_waited_for_its_bytes_waits_anew(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    document = await posted(client, assembled, "album_id=imported_album")
    await written(assembled, document.expired(FAILURE, clock.now()))
    clock.advance(timedelta(days=3))
    client = allowed(client, clock, "image_upload")
    accepted = len(assembled.accepted)
    status, body = await answer(client, document, "/retry")
    assert (status, body["status"]) == (200, "waiting")
    assert (await stored(assembled, document.id)).run_at > clock.now() + timedelta(hours=23)
    assert len(assembled.accepted) == accepted


@pytest.mark.parametrize(
    "secret",
    ["headers[X-Key]=hush", "url=http://origin.example/a.jpg?X-Amz-Signature=hush"],
)
@pytest.mark.gen_test
async def test_secrets_that_were_dropped_are_told_of(
    client: Client, assembled: Assembled, clock: SettableClock, secret: str
) -> None:
    document = await begun(client, assembled, clock, f"{FORM}&{secret}")
    failed = await written(assembled, document.failed(FAILURE, "url", clock.now()))
    status, body = await answer(client, failed, "/retry")
    assert (status, body["code"]) == (409, "secrets_dropped")


# --- delete -----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_an_import_goes_with_its_image(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    found = await stored_in(assembled.parts, noise(100))
    storage, store = assembled.parts.storage, assembled.parts.store
    assert await storage.exists(found.image.key)
    deleter = allowed(client, clock, "image_delete", "image_download")
    status, _ = await answer(deleter, found.document, method="DELETE")
    assert status == 204
    assert not await storage.exists(found.image.key)
    assert await store.get(found.document.id) is None
    assert await store.stored_bytes(found.document.organization_id) == 0
    for path in (f"/api/v1/imports/{found.document.id}", path_of(found)):
        assert (await deleter.fetch(path)).code == 404
    assert (await answer(deleter, found.document, method="DELETE"))[0] == 404


@pytest.mark.gen_test
async def test_an_import_of_which_nothing_is_stored_goes_at_once(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    deleter = allowed(client, clock, "image_delete", "image_upload")
    failed = await written(assembled, (await begun(client, assembled, clock)).failed(FAILURE, "url", clock.now()))
    for document in (
        await posted(client, assembled),
        await posted(client, assembled, "album_id=imported_album"),
        failed,
    ):
        assert (await answer(deleter, document, method="DELETE"))[0] == 204
        assert await assembled.parts.store.get(document.id) is None


@pytest.mark.gen_test
async def test_one_that_runs_is_hidden_at_once_and_goes_with_its_attempt(
    client: Client, assembled: Assembled, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lading.service.imports.actions, "STOPPING_PAUSE", 0.0)
    deleter = allowed(client, clock, "image_delete")
    document = await begun(client, assembled, clock)
    await left_behind(assembled, document)
    status, body = await answer(deleter, document, method="DELETE")
    assert (status, body["status"]) == (202, "deleting"), "no worker has said that its attempt has ended"
    assert (await answer(deleter, document, method="GET"))[0] == 404
    assert (await stored(assembled, document.id)).status is Status.CANCELLED
    assert not await assembled.parts.storage.exists(document.own_key), "its worker may be lost"
    await left_behind(assembled, document)  # as by a worker that lives all the same
    await assembled.resources.images.images.removal.settle_lost(document)
    assert not await assembled.parts.storage.exists(document.own_key)
    await left_behind(assembled, document)  # as by a save that was given up, and went on
    await swept(assembled, clock)
    assert await assembled.parts.store.get(document.id) is None
    assert not await assembled.parts.storage.exists(document.own_key)


@pytest.mark.gen_test
async def test_the_answer_waits_for_the_worker_that_ends_the_attempt(
    client: Client, assembled: Assembled, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lading.service.imports.actions, "STOPPING_PAUSE", 0.0)
    deleter = allowed(client, clock, "image_delete")
    document = await begun(client, assembled, clock)
    get, looks = assembled.parts.store.get, 0

    async def ends_meanwhile(import_id: str) -> Import | None:
        nonlocal looks
        looks += 1
        if looks == 5:
            found = await get(import_id)
            assert found is not None
            await assembled.resources.images.images.removal.settle_quietly(found)
        return await get(import_id)

    monkeypatch.setattr(assembled.parts.store, "get", ends_meanwhile)
    assert (await answer(deleter, document, method="DELETE"))[0] == 204


@pytest.mark.gen_test
async def test_deleted_means_gone_also_where_an_earlier_attempt_lost_its_worker(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    deleter = allowed(client, clock, "image_delete")
    lost = await written(assembled, (await begun(client, assembled, clock)).recovered(clock.now()))
    failed = (await written(assembled, lost.claimed("worker", clock.now()))).failed(FAILURE, "url", clock.now())
    await written(assembled, failed)
    running = await begun(client, assembled, clock)
    given_up = running.requeued(FAILURE, clock.now(), clock.now(), counted=False).with_leftover(clock.now())
    await written(assembled, given_up)
    for document in (failed, given_up):
        await left_behind(assembled, document)
        assert (await answer(deleter, document, method="DELETE"))[0] == 204
        assert not await assembled.parts.storage.exists(document.own_key)
        assert (await answer(deleter, document, method="GET"))[0] == 404
        await left_behind(assembled, document)  # the worker was frozen rather than dead
    await swept(assembled, clock)
    for document in (failed, given_up):
        assert await assembled.parts.store.get(document.id) is None
        assert not await assembled.parts.storage.exists(document.own_key)


@pytest.mark.gen_test
async def test_deleted_means_that_the_quota_is_freed_whatever_is_still_to_be_announced(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    deleter = allowed(client, clock, "image_delete")
    store = assembled.parts.store
    found = await stored_in(assembled.parts, noise(100), outbox=({"id": "evt_1", "event": {}, "url": None},))
    assert await store.stored_bytes(ORGANIZATION) == 100
    assert (await answer(deleter, found.document, method="DELETE"))[0] == 204
    assert await store.stored_bytes(ORGANIZATION) == 0
    assert not await assembled.parts.storage.exists(found.image.key)
    hidden = await stored(assembled, found.document.id)
    assert hidden.outbox, "it is still to be announced"
    await swept(assembled, clock)
    assert await store.get(hidden.id) is not None
    await store.announced(hidden.id, ["evt_1"])
    await swept(assembled, clock)
    assert await store.get(hidden.id) is None


@pytest.mark.gen_test
async def test_a_failed_import_is_retried_as_soon_as_what_it_has_left_is_gone(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    running = await begun(client, assembled, clock)
    failed = await written(assembled, running.failed(FAILURE, "url", clock.now()).with_leftover(clock.now()))
    await left_behind(assembled, failed)
    with pytest.MonkeyPatch.context() as away:
        away.setattr(assembled.parts.storage, "delete", unavailable)
        status, body = await answer(client, failed, "/retry")
    assert (status, body["code"]) == (409, "still_stopping")
    assert (await answer(client, failed, "/retry"))[0] == 200
    assert not await assembled.parts.storage.exists(failed.own_key)
    await left_behind(assembled, failed)  # late, or by the new attempt: that is what it may finish with
    await swept(assembled, clock)
    assert await assembled.parts.storage.exists(failed.own_key)


@pytest.mark.gen_test
async def test_what_storage_keeps_goes_later(
    client: Client, assembled: Assembled, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await stored_in(assembled.parts, noise(100))
    deleter = allowed(client, clock, "image_delete")
    with monkeypatch.context() as patched:

        async def fails(_key: str) -> None:
            raise StorageUnavailable("down")

        patched.setattr(assembled.parts.storage, "delete", fails)
        status, body = await answer(deleter, found.document, method="DELETE")
        assert (status, body["code"]) == (503, "image_unavailable")
    assert (await answer(deleter, found.document, method="GET"))[0] == 404
    clock.advance(timedelta(minutes=2))
    (unpurged,) = await assembled.parts.store.unpurged(10)
    await assembled.resources.images.images.purge(unpurged)
    assert await assembled.parts.store.get(found.document.id) is None
    assert not await assembled.parts.storage.exists(found.image.key)


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "method", "ability"),
    [("/cancel", "POST", "image_upload"), ("/retry", "POST", "image_upload"), ("", "DELETE", "image_delete")],
)
@pytest.mark.gen_test
async def test_each_needs_its_ability_in_the_album(
    client: Client, assembled: Assembled, clock: SettableClock, action: str, method: str, ability: str
) -> None:
    document = await posted(client, assembled)
    every = {"image_upload", "image_list", "see", "image_download", "image_delete"}
    for one in (
        allowed(client, clock, *(every - {ability})),
        allowed(client, clock, ability, album="another"),
    ):
        status, body = await answer(one, document, action, method)
        assert (status, body["code"]) == (403, "forbidden")
        assert ability in body["detail"]
    stranger = allowed(client, clock, issuer=OTHER_ISSUER, admin=True)
    assert (await answer(stranger, document, action, method))[0] == 404
    assert (await answer(replace(client, token="none"), document, action, method))[0] == 401
    assert await stored(assembled, document.id) == document
