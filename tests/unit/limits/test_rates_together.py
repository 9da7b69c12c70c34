"""Several processes share one store: together they hold the limits of one, whatever each of them is asked."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.service.documents import StoreUnavailable
from lading.service.documents.memory.records import MemoryRecordStore
from lading.service.limits.borrowing import HOLD
from lading.service.limits.rates import Policy, Rates
from tests.conftest import LONG
from tests.support.clock import Seconds, SettableClock
from tests.unit.limits.one_process import NO_LIMIT


class Records(MemoryRecordStore):
    """Counts its operations, lets others go first, and fails when it is told to."""

    def __init__(self, clock: SettableClock) -> None:
        super().__init__(clock, self.check)
        self.is_away = False
        self.calls = 0

    def check(self) -> None:
        self.calls += 1
        if self.is_away:
            raise StoreUnavailable("away")

    async def replace(self, *arguments: Any) -> bool:
        await asyncio.sleep(0)
        return await super().replace(*arguments)


class Fleet:
    """Processes whose time passes when the test says so."""

    def __init__(self, processes: int, policy: Policy, organizations: Policy = NO_LIMIT) -> None:
        self.clock = SettableClock()
        self.seconds = Seconds()
        self.rng = random.Random(7)
        self.records = Records(self.clock)
        self.policy = policy
        self.organizations = organizations
        self.processes = [self.started() for _ in range(processes)]
        self.served: list[tuple[float, int]] = []

    def started(self) -> Rates:
        return Rates(self.records, self.clock, self.policy, self.organizations, now=self.seconds, rng=self.rng)

    def passes(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        self.seconds.advance(seconds)

    async def ask(self, process: int, count: int = 1, issuer: str = "i") -> int:
        """Requests that come at once; how many are served."""
        rates = self.processes[process]
        decisions = await asyncio.gather(*(rates.admit(issuer, "o") for _ in range(count)))
        await self.settle()
        served = sum(one.retry_after is None for one in decisions)
        self.served.append((self.seconds(), served))
        return served

    async def settle(self) -> None:
        """Let every question be answered."""
        for rates in self.processes:
            for borrower in rates._issuers:
                await borrower.settled()

    async def expire(self) -> None:
        """Do what timers do."""
        for rates in self.processes:
            for borrower in rates._issuers:
                borrower.expire()
        await self.settle()

    async def close(self) -> None:
        await asyncio.gather(*(rates.close() for rates in self.processes))

    def most_within(self) -> float:
        """By how many requests the busiest span exceeds ``quota + rate * (t + HOLD)``; negative if none does."""
        quota, rate = self.policy.quota, self.policy.quota / self.policy.window
        excess = -float(quota)
        for first, (start, _) in enumerate(self.served):
            total = 0
            for moment, count in self.served[first:]:
                total += count
                excess = max(excess, total - quota - rate * (moment - start + HOLD))
        return excess


async def steadily(fleet: Fleet, seconds: float, step: float, ask: Callable[[int], Awaitable[Any]]) -> None:
    """Call ``ask`` with the number of the step, again and again; timers run."""
    for number in range(round(seconds / step)):
        await ask(number)
        fleet.passes(step)
        if number % 20 == 19:
            await fleet.expire()


@pytest.mark.gen_test
async def test_a_quota_is_the_service_s_and_not_each_process_s() -> None:
    fleet = Fleet(4, Policy("issuer", 12, 3600))
    assert sum([await fleet.ask(number % 4) for number in range(40)]) == 12
    await fleet.close()


@pytest.mark.gen_test
@pytest.mark.parametrize("processes", [1, 2, 8])
async def test_processes_that_are_asked_for_too_much_serve_the_rate_together_in_equal_parts(processes: int) -> None:
    fleet = Fleet(processes, Policy("issuer", 300, 30))
    parts = [0] * processes

    async def ask(number: int) -> None:
        for process in range(processes):
            parts[process] += await fleet.ask(process, 4)

    await fleet.ask(0, 300)
    await steadily(fleet, 10, 0.25, ask)
    parts[:] = [0] * processes
    fleet.records.calls = 0
    await steadily(fleet, 30, 0.25, ask)
    assert 0.9 * 300 <= sum(parts) <= 1.1 * 300
    assert min(parts) >= 0.5 * 300 / processes, parts
    assert fleet.records.calls <= 30 * processes * 2.8, "a read and a write for each second and process"
    assert fleet.most_within() <= 0
    await fleet.close()


@pytest.mark.gen_test
async def test_requests_within_the_limit_are_all_served_wherever_they_come() -> None:
    fleet = Fleet(4, Policy("issuer", 600, 60))
    asked = served = 0

    async def ask(number: int) -> None:
        nonlocal asked, served
        process = 0 if number % 3 else number % 4  # nearly all at one
        asked += 1
        served += await fleet.ask(process)

    await steadily(fleet, 60, 0.125, ask)
    assert served == asked
    # The busy process asks once in a second; the others have a request now and then.
    assert fleet.records.calls <= asked * 0.8
    await fleet.close()


@pytest.mark.gen_test
async def test_a_process_alone_asks_the_store_about_once_a_second() -> None:
    fleet = Fleet(1, Policy("issuer", 60_000, 60))

    async def ask(number: int) -> None:
        assert await fleet.ask(0, 10) == 10

    await steadily(fleet, 5, 0.05, ask)
    fleet.records.calls = 0
    await steadily(fleet, 20, 0.05, ask)
    assert fleet.records.calls <= 20, "4000 requests"
    fleet.passes(10)
    await fleet.expire()
    fleet.records.calls = 0
    fleet.passes(3600)
    await fleet.expire()
    assert fleet.records.calls == 0, "an idle issuer costs nothing"
    await fleet.close()


@pytest.mark.gen_test
async def test_what_a_process_does_not_need_it_returns() -> None:
    fleet = Fleet(2, Policy("issuer", 100, 3600))
    assert await fleet.ask(0) == 1
    assert await fleet.ask(0, 20) == 20
    assert await fleet.ask(0, 20) == 20
    fleet.passes(HOLD + 0.2)
    await fleet.expire()
    assert await fleet.ask(1, 100) == 59
    await fleet.close()


@pytest.mark.gen_test
async def test_a_process_that_dies_takes_its_block_with_it_and_nothing_else() -> None:
    fleet = Fleet(2, Policy("issuer", 100, 3600))
    for _ in range(10):
        assert await fleet.ask(0) == 1
    await fleet.processes[0].close()
    fleet.processes[0] = fleet.started()
    fleet.passes(10)
    left = await fleet.ask(0, 50) + await fleet.ask(1, 50)
    assert 70 <= left <= 90, "the block was of the size of the last ones"
    await fleet.close()


@pytest.mark.gen_test
async def test_a_process_without_its_store_goes_on_with_its_part_and_waits_for_nothing() -> None:
    fleet = Fleet(4, Policy("issuer", 80, 3600))
    for _ in range(2):
        assert [await fleet.ask(process, 2) for process in range(4)] == [2] * 4
    fleet.records.is_away = True
    fleet.passes(HOLD + 1)
    assert [await fleet.ask(process, 50) for process in range(4)] == [16, 15, 13, 12], "a quarter of what was there"
    calls = fleet.records.calls
    decision = await fleet.processes[0].admit("i", "o")
    assert (decision.retry_after, decision.standings[0].remaining) == (87, 0)
    assert fleet.records.calls == calls, "the store is not asked for each request"
    fleet.records.is_away = False
    fleet.passes(1)
    assert [await fleet.ask(process, 50) for process in range(4)] == [32, 0, 0, 0], "of 48"
    await fleet.close()


@pytest.mark.gen_test
async def test_a_store_that_does_not_answer_delays_a_request_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lading.service.limits.borrowing.PATIENCE", 0.01)
    fleet = Fleet(1, Policy("issuer", 3, 3600))

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(fleet.records, "get", never)
    assert await fleet.ask(0, 5) == 3
    assert await fleet.ask(0, 5) == 0
    await fleet.close()


@pytest.mark.gen_test
async def test_a_request_that_its_client_gave_up_keeps_nobody_else_from_passing() -> None:
    fleet = Fleet(1, Policy("issuer", 5, 3600))
    given_up = [asyncio.create_task(fleet.processes[0].admit("i", "o")) for _ in range(3)]
    await asyncio.sleep(0)
    for task in given_up:
        task.cancel()
    await asyncio.wait(given_up)
    await fleet.settle()
    fleet.passes(HOLD + 0.2)
    await fleet.expire()
    assert await fleet.ask(0, 9) == 5
    await fleet.close()


@pytest.mark.gen_test
async def test_the_limit_of_an_organisation_holds_over_issuers_and_processes() -> None:
    fleet = Fleet(2, Policy("issuer", 10, 3600), Policy("organization", 15, 3600))
    served = [await fleet.ask(number % 2, 1, f"issuer {number % 3}") for number in range(60)]
    assert sum(served) == 15
    await fleet.close()


STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 30), st.floats(0, 3), st.sampled_from(["", "", "", "expire", "die"])),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60 if LONG else 20)
@given(quota=st.integers(1, 60), window=st.integers(1, 60), steps=STEPS)
def test_no_span_of_time_has_more_than_the_limit_allows(
    quota: int, window: int, steps: Sequence[tuple[int, int, float, str]]
) -> None:
    async def test() -> None:
        fleet = Fleet(4, Policy("issuer", quota, window))
        for process, count, pause, event in steps:
            await fleet.ask(process, count)
            fleet.passes(pause)
            if event == "expire":
                await fleet.expire()
            elif event == "die":
                await fleet.processes[process].close()
                fleet.processes[process] = fleet.started()
        await fleet.close()
        assert fleet.most_within() <= 1e-3

    asyncio.run(test())
