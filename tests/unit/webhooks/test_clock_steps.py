"""The machine's clock steps, and deliveries come neither early nor late for that."""

import asyncio
from datetime import timedelta

import pytest

from lading.plugins.capabilities import PostAnswer
from lading.service.models.clock import truncate_to_milliseconds
from lading.service.webhooks.delivery.attempt import KEY_PAUSE
from lading.service.webhooks.delivery.record import DELIVERY, DeliveryStatus
from lading.service.webhooks.endpoints import GRACE, Endpoint, Signing
from tests.support.clock import Ticks
from tests.support.sending import KEEP, Sending

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
STEPS = pytest.mark.parametrize("step", [HOUR, -HOUR, 500 * HOUR], ids=["forwards", "backwards", "weeks"])


async def one_delivery(ticks: Ticks, step: timedelta, *keys: str) -> tuple[Sending, Endpoint]:
    """A delivery that was made after a step of the machine's clock."""
    sending = await Sending.opened(*keys, counter=ticks)
    endpoint = await sending.endpoint()
    sending.clock.advance(step)
    await sending.ended()
    await sending.announcer.sweep()
    return sending, endpoint


@STEPS
@pytest.mark.gen_test
async def test_a_delivery_is_due_when_it_is_made(step: timedelta) -> None:
    sending, endpoint = await one_delivery(Ticks(), step)
    now = sending.store.clock.now()
    assert len(await sending.store.records.due(DELIVERY, now, 10)) == 1
    delivery = await sending.delivery(endpoint.id)
    assert (delivery.due_at, delivery.expires_at) == (now, now + KEEP)
    assert delivery.created_at == truncate_to_milliseconds(sending.clock.now()), "shown to people"


@STEPS
@pytest.mark.gen_test
async def test_the_deliverer_takes_it_whatever_the_machines_clock_says(step: timedelta) -> None:
    sending, endpoint = await one_delivery(Ticks(), HOUR)
    sending.clock.advance(step)
    running = asyncio.create_task(sending.deliverer.run())
    try:
        while (await sending.delivery(endpoint.id)).status is not DeliveryStatus.DELIVERED:
            await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.wait((running,))


@STEPS
@pytest.mark.gen_test
async def test_another_attempt_is_due_as_long_after_the_failure_as_it_should(step: timedelta) -> None:
    ticks = Ticks()
    sending, endpoint = await one_delivery(ticks, step)
    sending.clock.advance(step)
    sending.fetcher.answers = [PostAnswer(500)]
    delivery = await sending.attempt(endpoint.id)
    assert delivery.due_at is not None
    assert delivery.expires_at == delivery.due_at + KEEP
    assert 4 * SECOND < delivery.due_at - sending.store.clock.now() < 6 * SECOND
    assert delivery.attempts[0].at == truncate_to_milliseconds(sending.clock.now())
    assert int(sending.fetcher.posted[0].headers["webhook-timestamp"]) == int(sending.clock.now().timestamp()), (
        "receivers compare it with their own clocks"
    )
    ticks.passes(6 * SECOND)
    assert len(await sending.store.records.due(DELIVERY, sending.store.clock.now(), 10)) == 1


@STEPS
@pytest.mark.gen_test
async def test_what_has_ended_is_kept_for_as_long_as_it_should(step: timedelta) -> None:
    ticks = Ticks()
    sending, endpoint = await one_delivery(ticks, step)
    sending.clock.advance(step)
    delivery = await sending.attempt(endpoint.id)
    assert (delivery.status, delivery.due_at) == (DeliveryStatus.DELIVERED, None)
    assert delivery.expires_at == truncate_to_milliseconds(sending.store.clock.now()) + KEEP
    ticks.passes(KEEP - SECOND)
    assert await sending.store.records.drop_expired(10) == 0
    ticks.passes(SECOND)
    assert await sending.store.records.drop_expired(10) == 1


@STEPS
@pytest.mark.gen_test
async def test_one_whose_secrets_cannot_be_read_waits_as_long_as_it_should(step: timedelta) -> None:
    sending, endpoint = await one_delivery(Ticks(), step, "a2V5" * 10 + "a2U=")
    sending.clock.advance(step)
    record = endpoint.changed(sending.clock.now(), sealed="unreadable").record
    assert await sending.store.records.replace(record)
    delivery = await sending.attempt(endpoint.id)
    assert delivery.due_at == truncate_to_milliseconds(sending.store.clock.now()) + KEY_PAUSE


@STEPS
@pytest.mark.gen_test
async def test_a_secret_that_was_changed_signs_besides_for_a_day(step: timedelta) -> None:
    ticks = Ticks()
    sending, endpoint = await one_delivery(ticks, step)
    signing = Signing.opened(endpoint.sealed, sending.vault).rotated(sending.store.clock.now())
    record = endpoint.changed(sending.clock.now(), sealed=signing.sealed(sending.vault)).record
    assert await sending.store.records.replace(record)
    sending.fetcher.answers = [PostAnswer(500)] * 3
    for passes in (timedelta(0), GRACE - SECOND, SECOND):
        ticks.passes(passes)
        sending.clock.advance(step)
        await sending.attempt(endpoint.id)
    signatures = [len(one.headers["webhook-signature"].split()) for one in sending.fetcher.posted]
    assert signatures == [2, 2, 1]
