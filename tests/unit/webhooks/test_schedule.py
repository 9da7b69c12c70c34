"""When deliveries are tried again, and when no more."""

import itertools
import random

import pytest

from lading.service.webhooks.delivery.schedule import LONGEST, Schedule

DAY = 86400.0


class Middle(random.Random):
    """No jitter."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


def delays(schedule: Schedule, rng: random.Random) -> list[float]:
    every = (schedule.delay(number, None, rng) for number in itertools.count(1))
    return [delay.total_seconds() for delay in itertools.takewhile(lambda delay: delay is not None, every) if delay]


def test_the_default_tries_ten_times_in_about_a_day() -> None:
    found = delays(Schedule(5, DAY), Middle())
    assert found == [5, 20, 80, 320, 1280, 5120, 20480, 28800, 28800]
    assert 0.9 * DAY < sum(found) <= DAY


def test_jitter_keeps_apart_what_failed_together_and_changes_little() -> None:
    totals = {round(sum(delays(Schedule(5, DAY), random.Random(seed)))) for seed in range(100)}
    assert len(totals) > 50
    assert 0.85 * DAY < min(totals) <= max(totals) < 1.1 * DAY


@pytest.mark.parametrize(("asked", "waits"), [(None, 80.0), (0.0, 80.0), (79.0, 80.0), (100.0, 100.0), (1e9, LONGEST)])
def test_retry_after_is_obeyed_where_it_is_longer_within_bounds(asked: float | None, waits: float) -> None:
    delay = Schedule(5, DAY).delay(3, asked, Middle())
    assert delay is not None
    assert delay.total_seconds() == waits


def test_retry_after_gives_no_further_attempt() -> None:
    assert Schedule(5, DAY).delay(10, 60.0, Middle()) is None


def test_a_short_schedule_ends() -> None:
    assert delays(Schedule(1, 6), Middle()) == [1, 4]
    assert delays(Schedule(5, 1), Middle()) == []


def test_many_attempts_are_no_overflow() -> None:
    assert Schedule(5, DAY).delay(100_000, None, Middle()) is None
