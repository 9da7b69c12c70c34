import asyncio
from collections.abc import Callable

import pytest

from lading.plugins.host.shares import Shares
from lading.plugins.host.turns import on_behalf_of, present_issuer


class Row:
    """Takes places, and writes down who got one, in order."""

    def __init__(self, places: int, per_tenant: int) -> None:
        self.shares = Shares(places, per_tenant)
        self.served: list[str] = []
        self.held: dict[str, list[Callable[[], None]]] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def come(self, *tenants: str) -> None:
        self.tasks += [asyncio.create_task(self._take(one)) for one in tenants]
        await rounds()

    async def leave(self, tenant: str) -> None:
        self.held[tenant].pop()()
        await rounds()

    async def _take(self, tenant: str) -> None:
        give_back = await self.shares.take(tenant, 60)
        self.served.append(tenant)
        self.held.setdefault(tenant, []).append(give_back)

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for places in self.held.values():
            while places:
                places.pop()()
        assert (self.shares._held, self.shares._waiting) == ({}, {})


async def rounds() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.gen_test
async def test_a_tenant_holds_its_bound_and_leaves_the_rest_to_others() -> None:
    row = Row(4, 2)
    await row.come("a", "a", "a", "a", "b")
    assert row.served == ["a", "a", "b"]
    await row.end()


@pytest.mark.gen_test
async def test_places_that_become_free_go_to_the_tenants_in_turn() -> None:
    row = Row(2, 1)
    await row.come("a", "b", "a", "a", "c", "c", "d")
    assert row.served == ["a", "b"]
    for leaver in ("b", "c", "a", "d", "c", "a"):
        await row.leave(leaver)
    assert row.served == ["a", "b", "c", "d", "a", "c", "a"]
    await row.end()


@pytest.mark.gen_test
async def test_who_waits_in_vain_leaves_nothing_behind() -> None:
    row = Row(1, 1)
    await row.come("a")
    with pytest.raises(TimeoutError):
        await row.shares.take("b", 0.01)
    await row.come("b", "c")
    row.tasks[1].cancel()
    await rounds()
    await row.leave("a")
    assert row.served == ["a", "c"]
    await row.end()


@pytest.mark.gen_test
async def test_a_place_that_comes_as_its_wait_is_cancelled_goes_to_the_next() -> None:
    row = Row(1, 1)
    await row.come("a", "b", "c")
    row.held["a"].pop()()  # which gives it to b, who does not know yet
    row.tasks[1].cancel()
    await rounds()
    assert row.served == ["a", "c"]
    row.tasks[1] = row.tasks[2]
    await row.come("b", "d")
    row.tasks[-2].cancel()
    row.held["c"].pop()()  # while b is cancelled, and does not know yet
    await rounds()
    assert row.served == ["a", "c", "d"]
    await row.end()


def test_a_tenant_is_the_one_that_the_block_acts_for() -> None:
    assert present_issuer() == ""
    with on_behalf_of("a"):
        with on_behalf_of("b"):
            assert present_issuer() == "b"
        assert present_issuer() == "a"
    assert present_issuer() == ""
