"""When a failed attempt is made again."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.service.work.retries import RetryPolicy

RNG = random.Random(3)


class Fixed(random.Random):
    """The least, or the most, that chance can bring."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share

    def random(self) -> float:
        return self._share


LEAST, MOST = Fixed(0.0), Fixed(1.0)


def seconds(delay: timedelta | None) -> float:
    assert delay is not None
    return delay.total_seconds()


def test_delays_double_up_to_the_maximum_and_half_of_each_is_chance() -> None:
    policy = RetryPolicy(attempts=8, base=2, maximum=20)
    assert [seconds(policy.delay(made, None, MOST)) for made in range(1, 8)] == [2, 4, 8, 16, 20, 20, 20]
    assert [seconds(policy.delay(made, None, LEAST)) for made in range(1, 8)] == [1, 2, 4, 8, 10, 10, 10]


def test_after_the_last_attempt_there_is_none() -> None:
    policy = RetryPolicy(attempts=3, base=1, maximum=9)
    assert policy.delay(2, None, RNG) is not None
    assert policy.delay(3, None, RNG) is None
    assert policy.delay(4, None, RNG) is None
    assert policy.delay(3, 1.0, RNG) is None, "Retry-After grants no further attempt"
    assert RetryPolicy(attempts=1, base=1, maximum=9).delay(1, None, RNG) is None


@pytest.mark.parametrize(
    ("asked", "expected"), [(None, 2.0), (0.0, 2.0), (1.0, 2.0), (2.5, 2.5), (20.0, 20.0), (1e9, 20.0), (-5.0, 2.0)]
)
def test_retry_after_is_obeyed_where_it_is_longer_up_to_the_maximum(asked: float | None, expected: float) -> None:
    assert seconds(RetryPolicy(attempts=5, base=2, maximum=20).delay(1, asked, MOST)) == expected


@given(
    made=st.integers(0, 100),
    asked=st.none() | st.floats(),
    base=st.floats(0.1, 3600),
    extra=st.floats(0, 86400),
    share=st.floats(0, 1),
)
def test_no_delay_is_negative_or_beyond_the_maximum(
    made: int, asked: float | None, base: float, extra: float, share: float
) -> None:
    policy = RetryPolicy(attempts=10_000, base=base, maximum=base + extra)
    delay = seconds(policy.delay(made, asked, Fixed(share)))
    assert 0 <= delay <= policy.maximum + 1e-6
    outage = seconds(policy.outage_delay(timedelta(seconds=extra), Fixed(share)))
    assert base / 2 - 1e-6 <= outage <= policy.maximum + 1e-6


def test_the_longer_an_outage_lasts_the_less_often_is_it_looked_whether_it_is_over() -> None:
    policy = RetryPolicy(attempts=5, base=2, maximum=600)
    ages = [timedelta(seconds=age) for age in (0, 4, 60, 1200, 86400)]
    assert [seconds(policy.outage_delay(age, MOST)) for age in ages] == [2, 2, 15, 300, 600]
    assert [seconds(policy.outage_delay(age, LEAST)) for age in ages] == [1, 1, 7.5, 150, 300]
