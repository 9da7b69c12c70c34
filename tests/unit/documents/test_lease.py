"""A lease in the documents: of one process at a time, and it ends by itself."""

from datetime import timedelta

import pytest

from lading.service.documents.lease import Lease
from tests.support.clock import SettableClock
from tests.support.core import ScriptedStore

DURATION = timedelta(seconds=60)


@pytest.mark.gen_test
async def test_a_lease_belongs_to_one_and_ends_by_itself() -> None:
    clock = SettableClock()
    store = ScriptedStore(clock)
    await store.open()
    first, second = (Lease(store, "task", DURATION) for _ in range(2))
    assert [await first.take(), await second.take(), await first.take()] == [True, False, True]
    clock.advance(DURATION)
    assert [await second.take(), await first.take()] == [True, False]
    await first.give_back()
    assert not await first.take(), "nobody gives back what another has"
    await second.give_back()
    assert await first.take()
    await store.close()
