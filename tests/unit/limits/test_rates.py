"""The limits of one process: how many requests pass, what a sender is told, and that idle senders are forgotten."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lading.service.limits.rates
from lading.service.limits.rates import Policy, Rates, rate_limit_headers
from tests.support.clock import Seconds, SettableClock
from tests.unit.limits.one_process import NO_LIMIT, rates_of_one_process


class Watch:
    """The time of a process and of its store."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        self.seconds = Seconds()

    def passes(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        self.seconds.advance(seconds)

    def rates(self, issuers: Policy, organizations: Policy = NO_LIMIT) -> Rates:
        return rates_of_one_process(issuers, organizations, self.clock, self.seconds)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


@pytest.fixture
def watch() -> Watch:
    return Watch()


async def passed(rates: Rates, count: int, issuer: str = "i", organization: str = "o") -> int:
    return sum([(await rates.admit(issuer, organization)).retry_after is None for _ in range(count)])


async def wait_of(rates: Rates, issuer: str = "i") -> int | None:
    return (await rates.admit(issuer, "o")).retry_after


@pytest.mark.gen_test
async def test_a_quota_passes_at_once_and_then_one_with_each_interval(watch: Watch) -> None:
    rates = watch.rates(Policy("issuer", 6, 60))
    assert await passed(rates, 10) == 6
    assert await wait_of(rates) == 10
    watch.passes(9.9)
    assert await wait_of(rates) == 1
    watch.passes(1)
    assert await passed(rates, 3) == 1
    watch.passes(60)
    assert await passed(rates, 10) == 6


@pytest.mark.gen_test
async def test_requests_that_come_together_wait_for_one_question_and_pass(watch: Watch) -> None:
    rates = watch.rates(Policy("issuer", 100, 60))
    decisions = await asyncio.gather(*(rates.admit("i", "o") for _ in range(150)))
    assert sum(one.retry_after is None for one in decisions) == 100
    assert {one.retry_after for one in decisions} == {None, 1}


@pytest.mark.gen_test
async def test_a_refused_request_costs_nothing(watch: Watch) -> None:
    rates = watch.rates(Policy("issuer", 2, 10), Policy("organization", 3, 30))
    assert await passed(rates, 50) == 2
    assert await passed(rates, 50, "j") == 1, "the organisation's last was not used up by the issuer's refused ones"
    assert await wait_of(rates, "k") == 10
    watch.passes(10)
    assert await passed(rates, 50, "j") == 1, "the issuer's last was not used up by the organisation's refusals"


@pytest.mark.gen_test
async def test_senders_have_buckets_of_their_own(watch: Watch) -> None:
    rates = watch.rates(Policy("issuer", 2, 10))
    assert [await passed(rates, 5, issuer) for issuer in "abc"] == [2, 2, 2]


@pytest.mark.gen_test
async def test_an_exception_has_its_own_quota_and_may_have_none(watch: Watch) -> None:
    rates = watch.rates(Policy("issuer", 2, 10, {"big": 20, "free": 0}))
    assert [await passed(rates, 100, issuer) for issuer in ("big", "free", "other")] == [20, 100, 2]
    only = watch.rates(Policy("issuer", 0, 10, {"small": 1}))
    assert [await passed(only, 100, issuer) for issuer in ("small", "other")] == [1, 100]


@pytest.mark.gen_test
async def test_without_a_limit_nothing_is_said_and_nothing_is_kept(watch: Watch) -> None:
    rates = watch.rates(Policy("issuer", 0, 60))
    decision = await rates.admit("i", "o")
    assert (decision.standings, decision.retry_after) == ((), None)
    assert rate_limit_headers(decision.standings) == {}
    assert (len(rates._issuers), len(rates._organizations)) == (0, 0)


@pytest.mark.gen_test
async def test_the_headers_tell_quota_window_rest_and_reset(watch: Watch) -> None:
    rates = watch.rates(Policy("issuer", 100, 60), Policy("organization", 1000, 3600))
    for _ in range(3):
        decision = await rates.admit("i", "o")
    assert rate_limit_headers(decision.standings) == {
        "RateLimit-Policy": '"issuer";q=100;w=60, "organization";q=1000;w=3600',
        "RateLimit": '"issuer";r=97;t=2, "organization";r=997;t=11',
    }


@given(
    quota=st.integers(1, 50),
    window=st.integers(1, 100),
    pauses=st.lists(st.floats(0, 20), min_size=1, max_size=40),
)
def test_no_window_passes_more_than_twice_the_quota_and_the_wait_is_enough(
    quota: int, window: int, pauses: list[float]
) -> None:
    async def test() -> None:
        watch = Watch()
        rates = watch.rates(Policy("issuer", quota, window))
        times: list[float] = []
        for pause in pauses:
            watch.passes(pause)
            decision = await rates.admit("i", "o")
            (standing,) = decision.standings
            assert 0 <= standing.remaining <= quota
            assert 0 <= standing.reset <= window
            if decision.retry_after is not None:
                watch.passes(decision.retry_after)
                assert await wait_of(rates) is None
            times.append(watch.seconds())
        # The clock of the store has microseconds: hence the tiny fraction.
        end = times[-1] - times[0]
        assert len(times) <= quota + (end + 2) * quota / window + 1e-3
        assert all(sum(start <= one < start + window for one in times) <= 2 * quota for start in times)
        await rates.close()

    run(test())


@pytest.mark.gen_test
async def test_a_client_that_waits_as_it_is_told_is_never_refused_twice_in_a_row(watch: Watch) -> None:
    rates = watch.rates(Policy("issuer", 7, 13))
    for _ in range(200):
        if wait := await wait_of(rates):
            watch.passes(wait)
            assert await wait_of(rates) is None


@pytest.mark.gen_test
async def test_a_changed_limit_begins_with_full_buckets_and_another_counts_on(watch: Watch) -> None:
    rates = watch.rates(Policy("issuer", 2, 60))
    assert await passed(rates, 5) == 2
    rates.take_over(Policy("issuer", 2, 60, {"other": 9}), NO_LIMIT)
    assert await passed(rates, 5) == 0, "the limit of this issuer has not changed"
    rates.take_over(Policy("issuer", 3, 60), NO_LIMIT)
    assert await passed(rates, 5) == 3


@pytest.mark.gen_test
async def test_idle_senders_are_forgotten(watch: Watch) -> None:
    rates = watch.rates(Policy("issuer", 10, 60))
    sizes = Counter[int]()
    for n in range(2000):
        await rates.admit(f"sender {n}", "o")
        watch.passes(0.1)
        sizes[len(rates._issuers)] += 1
    # Each is idle two seconds after its request, which is twenty senders later.
    assert max(sizes) <= 25


@pytest.mark.gen_test
async def test_senders_are_bounded_whatever_comes(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.limits.rates, "MAX_SENDERS", 100)
    rates = watch.rates(Policy("issuer", 1, 3600))
    rng = random.Random(3)
    for _ in range(1000):
        await rates.admit(f"sender {rng.random()}", "o")
        assert len(rates._issuers) <= 100


@pytest.mark.gen_test
async def test_the_headers_are_structured_fields(watch: Watch) -> None:
    rates = watch.rates(Policy("issuer", 3, 60), Policy("organization", 5, 60))
    member = r'"[a-z]+"(;[a-z]=\d+)+'
    for _ in range(10):
        for value in rate_limit_headers((await rates.admit("i", "o")).standings).values():
            assert re.fullmatch(f"{member}, {member}", value)
