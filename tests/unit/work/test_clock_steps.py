"""The machine's clock steps, and what a worker does comes neither early nor late for that."""

from datetime import timedelta

import pytest

from lading.plugins.errors import FetchTimeout, StorageUnavailable
from lading.service.models import Import, Status
from lading.service.models.clock import truncate_to_milliseconds
from lading.service.work.attempts import MAX_OUTAGE
from lading.service.work.politeness import Politeness
from tests.support.attempting import Shop, claimed, raise_where_it_belongs
from tests.support.clock import SettableClock, Ticks
from tests.support.core import Core

HOUR = timedelta(hours=1)
STEPS = pytest.mark.parametrize("step", [HOUR, -HOUR, 50 * HOUR], ids=["forwards", "backwards", "days"])


@STEPS
@pytest.mark.gen_test
async def test_a_retry_is_due_as_long_after_the_failure_as_it_should(step: timedelta) -> None:
    async with claimed(counter=Ticks()) as shop:
        shop.clock.advance(step)
        shop.fetch_raises(FetchTimeout(phase="connect", seconds="5"))
        await shop.attempts.run(shop.document)
        after = await shop.result()
        assert after.status is Status.QUEUED
        assert timedelta(0) < after.run_at - shop.store.clock.now() <= timedelta(seconds=2)
        assert after.updated_at == truncate_to_milliseconds(shop.clock.now()), "shown to people"


async def after_an_outage(shop: Shop) -> Import:
    await raise_where_it_belongs(shop, StorageUnavailable("away"))
    await shop.attempts.run(shop.document)
    return await shop.result()


@STEPS
@pytest.mark.gen_test
async def test_a_step_makes_no_import_too_old_for_an_outage(step: timedelta) -> None:
    since = truncate_to_milliseconds(SettableClock().now())
    async with claimed(counter=Ticks(), due_since=since) as shop:
        shop.clock.advance(step)
        after = await after_an_outage(shop)
        assert after.status is Status.QUEUED
        assert after.run_at - shop.store.clock.now() <= timedelta(seconds=2), "as after a failure at the beginning"


@STEPS
@pytest.mark.gen_test
async def test_a_step_keeps_no_import_that_is_too_old_for_an_outage(step: timedelta) -> None:
    ticks, since = Ticks(), truncate_to_milliseconds(SettableClock().now())
    async with claimed(counter=ticks, due_since=since) as shop:
        ticks.passes(MAX_OUTAGE + timedelta(seconds=1))
        shop.clock.advance(step)
        assert (await after_an_outage(shop)).status is Status.FAILED


@STEPS
@pytest.mark.gen_test
async def test_what_is_given_back_is_due_at_once(step: timedelta) -> None:
    core = Core(clock=SettableClock(), counter=Ticks())
    async with core.opened():
        await core.add(1)
        lease = await core.worker._leases.current()
        documents = await core.store.claim(lease.worker_id, 1)
        lease.held |= {one.id: one for one in documents}
        core.worker._lease_of |= dict.fromkeys(lease.held, lease)
        assert isinstance(core.clock, SettableClock)
        core.clock.advance(step)
        await core.worker._give_back(documents)
        (found,) = core.store.imports
        assert (found.status, found.run_at) == (Status.QUEUED, truncate_to_milliseconds(core.store.clock.now()))
        assert found.updated_at == truncate_to_milliseconds(core.clock.now())


@STEPS
@pytest.mark.gen_test
async def test_how_long_an_import_has_waited_for_its_host_is_told_by_the_stores_clock(
    step: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    ages: list[float] = []
    monkeypatch.setattr(Politeness, "is_hopeless", lambda _self, _document, age: ages.append(age))
    ticks = Ticks()
    core = Core(clock=SettableClock(), counter=ticks)
    async with core.opened():
        (document,) = await core.add(1, due_since=truncate_to_milliseconds(SettableClock().now()))
        lease = await core.worker._leases.current()
        documents = await core.store.claim(lease.worker_id, 1)
        lease.held |= {one.id: one for one in documents}
        core.worker._lease_of |= dict.fromkeys(lease.held, lease)
        ticks.passes(timedelta(seconds=90))
        assert isinstance(core.clock, SettableClock)
        core.clock.advance(step)
        await core.worker._turn_away(documents)
        assert ages == [pytest.approx(90, abs=0.01)]
        found = await core.get(document)
        assert timedelta(0) < found.run_at - core.store.clock.now() < timedelta(seconds=10)
