"""Token buckets: how many requests pass, what a sender is told, and that idle buckets are forgotten."""

import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lading.service.limits.rates
from lading.service.limits.rates import Buckets, Policy, Rates, rate_limit_headers

OFF = Policy("organization", 0, 60)


class Watch:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


def passed(rates: Rates, count: int, issuer: str = "i", organization: str = "o") -> int:
    return sum(rates.admit(issuer, organization).retry_after is None for _ in range(count))


def test_a_quota_passes_at_once_and_then_one_with_each_interval(watch: Watch) -> None:
    rates = Rates(Policy("issuer", 6, 60), OFF, watch)
    assert passed(rates, 10) == 6
    decision = rates.admit("i", "o")
    assert decision.retry_after == 10
    watch.now += 9.9
    assert rates.admit("i", "o").retry_after == 1
    watch.now += 0.1
    assert passed(rates, 3) == 1
    watch.now += 60
    assert passed(rates, 10) == 6


def test_a_refused_request_costs_nothing(watch: Watch) -> None:
    rates = Rates(Policy("issuer", 2, 10), Policy("organization", 3, 30), watch)
    assert passed(rates, 50) == 2
    assert passed(rates, 50, "j") == 1, "the organisation's last one was not used up by the issuer's refused ones"
    assert rates.admit("k", "o").retry_after == 10


def test_senders_have_buckets_of_their_own(watch: Watch) -> None:
    rates = Rates(Policy("issuer", 2, 10), OFF, watch)
    assert [passed(rates, 5, issuer) for issuer in "abc"] == [2, 2, 2]


def test_an_exception_has_its_own_quota_and_may_have_none(watch: Watch) -> None:
    rates = Rates(Policy("issuer", 2, 10, {"big": 20, "free": 0}), OFF, watch)
    assert [passed(rates, 100, issuer) for issuer in ("big", "free", "other")] == [20, 100, 2]
    only = Rates(Policy("issuer", 0, 10, {"small": 1}), OFF, watch)
    assert [passed(only, 100, issuer) for issuer in ("small", "other")] == [1, 100]


def test_without_a_limit_nothing_is_said_and_nothing_is_kept(watch: Watch) -> None:
    rates = Rates(Policy("issuer", 0, 60), OFF, watch)
    decision = rates.admit("i", "o")
    assert (decision.standings, decision.retry_after) == ([], None)
    assert rate_limit_headers(decision.standings) == {}
    assert (len(rates._issuers), len(rates._organizations)) == (0, 0)


def test_the_headers_tell_quota_window_rest_and_reset(watch: Watch) -> None:
    rates = Rates(Policy("issuer", 100, 60), Policy("organization", 1000, 3600), watch)
    for _ in range(3):
        decision = rates.admit("i", "o")
    assert rate_limit_headers(decision.standings) == {
        "RateLimit-Policy": '"issuer";q=100;w=60, "organization";q=1000;w=3600',
        "RateLimit": '"issuer";r=97;t=2, "organization";r=997;t=11',
    }


@given(
    quota=st.integers(1, 50),
    window=st.integers(1, 100),
    pauses=st.lists(st.floats(0, 20), min_size=1, max_size=200),
)
def test_no_window_passes_more_than_twice_the_quota_and_the_wait_is_enough(
    quota: int, window: int, pauses: list[float]
) -> None:
    watch = Watch()
    rates = Rates(Policy("issuer", quota, window), OFF, watch)
    times: list[float] = []
    for pause in pauses:
        watch.now += pause
        decision = rates.admit("i", "o")
        (standing,) = decision.standings
        assert 0 <= standing.remaining < quota
        assert 0 <= standing.reset <= window
        if decision.retry_after is None:
            times.append(watch.now)
            continue
        assert decision.retry_after >= 1
        watch.now += decision.retry_after
        assert rates.admit("i", "o").retry_after is None
        times.append(watch.now)
    assert all(sum(start <= time < start + window for time in times) <= 2 * quota for start in times)
    assert len(times) <= quota + (times[-1] - times[0]) * quota / window + 1


def test_a_client_that_waits_as_it_is_told_is_never_refused_twice_in_a_row(watch: Watch) -> None:
    rates = Rates(Policy("issuer", 7, 13), OFF, watch)
    for _ in range(200):
        if wait := rates.admit("i", "o").retry_after:
            watch.now += wait
            assert rates.admit("i", "o").retry_after is None


def test_idle_buckets_are_forgotten(watch: Watch) -> None:
    buckets = Buckets(Policy("issuer", 10, 60), watch)
    sizes = Counter[int]()
    for n in range(20_000):
        buckets.take(f"sender {n}")
        watch.now += 0.1
        sizes[len(buckets)] += 1
    # Each bucket is full again after 6 seconds, which is 60 senders later.
    assert max(sizes) <= 65


def test_buckets_are_bounded_whatever_comes(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lading.service.limits.rates, "MAX_BUCKETS", 100)
    buckets = Buckets(Policy("issuer", 1, 3600), watch)
    rng = random.Random(3)
    for _ in range(5000):
        buckets.take(f"sender {rng.random()}")
        assert len(buckets) <= 100


def test_the_headers_are_structured_fields(watch: Watch) -> None:
    rates = Rates(Policy("issuer", 3, 60), Policy("organization", 5, 60), watch)
    member = r'"[a-z]+"(;[a-z]=\d+)+'
    for _ in range(10):
        for value in rate_limit_headers(rates.admit("i", "o").standings).values():
            assert re.fullmatch(f"{member}, {member}", value)
