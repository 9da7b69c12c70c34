"""From a transition to deliveries: once for each receiver, whoever dies or does it twice."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest

from lading.service.documents import StoreUnavailable
from lading.service.models import Image, Import, Status
from lading.service.models.redaction import filtered
from lading.service.secrets.vault import Vault
from lading.service.webhooks.delivery.record import DELIVERY, import_owner
from lading.service.webhooks.events import EventType, about, event_id, event_type_of
from tests.support.clock import SettableClock
from tests.support.plugins.scripted import make_import
from tests.support.sending import FAILURE, Sending

KEYS = ("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "A" * 43 + "=")
SECRET = "d41d8cd98f"


def own_webhook(vault: Vault, url: str) -> Import:
    """A running import that asks for a webhook of its own."""
    document = make_import(SettableClock(), status=Status.RUNNING, worker_id="worker", revision=1)
    params = {**document.params, "webhook": {"url": url}}
    shown = filtered(params)
    return replace(document, params=shown, sealed=vault.seal(params) if shown is not params else None)


def transitions() -> list[tuple[Import, Import, EventType | None]]:
    clock = SettableClock()
    now = clock.now()
    queued = make_import(clock)
    waiting = replace(queued, status=Status.WAITING)
    running = queued.claimed("worker", now)
    done = running.succeeded(Image("PNG", "image/png", 1, 1, 1, 1, "0" * 64, "local", "a"), "url", now)
    failed = running.failed(FAILURE, "url", now)
    deleted = done.image_deleted(now)
    gone = done.deleted(now)
    return [
        (queued, running, None),
        (running, running.requeued(FAILURE, now, now), None),
        (running, running.handed_back(now, now), None),
        (running, running.recovered(now), None),
        (running, done, EventType.IMPORT_DONE),
        (running, failed, EventType.IMPORT_FAILED),
        (waiting, waiting.expired(FAILURE, now), EventType.IMPORT_FAILED),
        (queued, queued.cancelled(now), EventType.IMPORT_CANCELLED),
        (running, running.cancelled(now), EventType.IMPORT_CANCELLED),
        (running.cancelled(now), running.cancelled(now).leftover_removed(now, for_good=False), None),
        (failed, failed.retried(now, now), None),
        (done, done.image_moved("s3", now), None),
        (done, done.image_mirrored("s3", now), None),
        (done, deleted, EventType.IMAGE_DELETED),
        (deleted, deleted.image_purged(now), None),
        (done, gone, EventType.IMPORT_DELETED),
        (queued, queued.deleted(now), EventType.IMPORT_DELETED),
    ]


@pytest.mark.parametrize(("before", "after", "kind"), transitions())
def test_what_is_a_fact(before: Import, after: Import, kind: EventType | None) -> None:
    assert event_type_of(before, after) is kind


def test_a_fact_has_one_id_and_another_fact_another() -> None:
    document = make_import(SettableClock())
    later = replace(document, revision=document.revision + 1)
    assert event_id(document) == event_id(replace(document))
    assert len({event_id(one) for one in (document, later, make_import(SettableClock()))}) == 3


@pytest.mark.parametrize("size", [10, 300, 100_000])
def test_of_a_data_url_the_beginning_is_told(size: int) -> None:
    document = make_import(SettableClock())
    document = replace(document, params={"url": "data:image/gif;base64," + "A" * size})
    shown = about(document, UTC)["params"]["url"]
    assert len(shown) <= 257
    assert shown.startswith("data:image/gif;base64,AAAA")
    assert (shown == document.params["url"]) is (size == 10)


@pytest.mark.gen_test
async def test_each_receiver_has_one_delivery_of_a_fact() -> None:
    sending = await Sending.opened()
    wanting = await sending.endpoint()
    other = await sending.endpoint("test://other/hook", "import.failed", "image.deleted")
    await sending.endpoint("test://third/hook", "import.done")
    await sending.endpoint("test://fourth/hook", issuer="another")
    document = await sending.ended()
    assert len(document.outbox) == 1
    assert sending.woken == ["announcer"]
    assert await sending.announcer.sweep() == 1
    assert sending.woken == ["announcer", "deliverer"]
    records = await sending.store.records.due(DELIVERY, sending.clock.now(), 10)
    assert {one.owner for one in records} == {wanting.id, other.id}
    for endpoint in (wanting, other):
        delivery = await sending.delivery(endpoint.id)
        assert delivery.event_id == event_id(document)
        assert json.loads(delivery.body)["data"]["id"] == document.id
    written = await sending.store.get(document.id)
    assert written is not None
    assert (written.outbox, written.updated_at) == ((), document.updated_at)
    assert await sending.announcer.sweep() == 0


@pytest.mark.gen_test
async def test_who_dies_before_the_outbox_is_cleared_makes_no_second_delivery() -> None:
    sending = await Sending.opened()
    endpoint = await sending.endpoint()
    document = await sending.ended()
    sending.store.fault = lambda name, number: "before" if name == "announced" and number == 1 else None
    with pytest.raises(StoreUnavailable):
        await sending.announcer.sweep()
    before = await sending.delivery(endpoint.id)
    await sending.attempting.run(before)  # another process may have sent it by now
    assert await sending.new_announcer().sweep() == 1
    assert await sending.delivery(endpoint.id) == before
    written = await sending.store.get(document.id)
    assert written is not None
    assert written.outbox == ()


@pytest.mark.gen_test
async def test_an_announcer_is_in_the_way_of_nobody_who_runs_the_import_again() -> None:
    sending = await Sending.opened()
    await sending.endpoint()
    failed = await sending.ended()
    await sending.store.register("worker", timedelta(seconds=30))
    assert await sending.store.update(failed.retried(sending.clock.now(), sending.clock.now()))
    (claimed,) = await sending.store.claim("worker", 1)
    await sending.announcer.sweep()
    again = await sending.outbox.with_event(claimed, claimed.failed(FAILURE, "url", sending.clock.now()))
    assert await sending.store.update(again)
    assert [entry["id"] for one in await sending.store.search.with_outbox(9) for entry in one.outbox] == [
        event_id(again)
    ]


@pytest.mark.gen_test
async def test_many_announcers_make_each_delivery_once() -> None:
    sending = await Sending.opened()
    endpoint = await sending.endpoint()
    documents = [await sending.ended() for _ in range(20)]
    announcers = [sending.new_announcer() for _ in range(5)]
    await asyncio.gather(*(one.sweep() for one in announcers))
    records = await sending.store.records.list(DELIVERY, endpoint.id, 100)
    assert {one.data["event_id"] for one in records} == set(map(event_id, documents))
    assert len(records) == 20
    assert await sending.announcer.sweep() == 0


@pytest.mark.gen_test
async def test_a_result_whose_writing_is_tried_again_is_one_fact() -> None:
    sending = await Sending.opened()
    await sending.endpoint()
    before = make_import(sending.clock, status=Status.RUNNING, worker_id="worker", revision=1)
    after = before.failed(FAILURE, "url", sending.clock.now())
    first = await sending.outbox.with_event(before, after)
    sending.clock.advance(timedelta(seconds=30))
    assert await sending.outbox.with_event(before, after) == first


@pytest.mark.gen_test
async def test_where_nobody_listens_nothing_is_written_nor_asked_again() -> None:
    sending = await Sending.opened()
    sending.directory._ttl = 60
    asked = 0
    found = sending.store.records.list

    async def counted(*args: Any, **options: Any) -> Any:
        nonlocal asked
        asked += 1
        return await found(*args, **options)

    sending.store.records.list = counted  # type: ignore[method-assign]
    for _ in range(10):
        assert (await sending.ended()).outbox == ()
    assert (asked, sending.woken) == (1, [])


@pytest.mark.parametrize("keys", [(), KEYS[:1]])
@pytest.mark.gen_test
async def test_an_import_s_own_webhook_is_told_where_it_asked_for(keys: tuple[str, ...]) -> None:
    sending = await Sending.opened(*keys)
    url = f"test://receiver/hook?token={SECRET}"
    document = await sending.ended(own_webhook(sending.vault, url))
    assert SECRET not in str(document.outbox[0]["event"])
    assert (SECRET in str(document.outbox)) is not bool(keys)
    await sending.announcer.sweep()
    delivery = await sending.delivery(import_owner(document.id))
    assert delivery.host == "receiver"
    assert delivery.url is not None
    assert sending.vault.open_text(delivery.url) == url
    assert SECRET not in repr(delivery)


@pytest.mark.gen_test
async def test_a_webhook_whose_secret_is_gone_is_not_sent_elsewhere() -> None:
    sending = await Sending.opened()
    document = replace(own_webhook(sending.vault, f"test://receiver/?token={SECRET}"), sealed=None)
    assert (await sending.ended(document)).outbox == ()
    unreadable = replace(own_webhook(Vault(KEYS[1:]), f"test://receiver/?token={SECRET}"))
    assert (await sending.ended(unreadable)).outbox == ()


@pytest.mark.gen_test
async def test_what_wakes_the_announcer_is_announced_at_once_and_an_outage_is_waited_for() -> None:
    sending = await Sending.opened()
    endpoint = await sending.endpoint()
    task = asyncio.create_task(sending.announcer.run())
    sending.store.fault = lambda name, number: "before" if name == "announced" and number < 3 else None
    await sending.ended()
    sending.announcer.wake()
    while await sending.store.search.with_outbox(1):
        await asyncio.sleep(0.01)
    await sending.delivery(endpoint.id)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
