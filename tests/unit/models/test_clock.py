"""Clocks that never step, and how their moments are told."""

from datetime import UTC, datetime, timedelta

from lading.service.models.clock import SteadyClock, count_nanoseconds, shown
from tests.support.clock import SettableClock

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_a_steady_clock_goes_on_by_its_counter() -> None:
    count = 7_000_000_123
    clock = SteadyClock(NOW, lambda: count)
    assert clock.now() == NOW
    count += 5_000_000_000
    assert clock.now() == NOW + 5 * SECOND
    clock.set(NOW, count - 1_000_000_000)
    assert clock.now() == NOW + SECOND


def test_the_counter_never_goes_back() -> None:
    counts = [count_nanoseconds() for _ in range(1000)]
    assert counts == sorted(counts)
    assert counts[0] > 0


def test_a_moment_is_shown_as_the_other_clock_tells_it() -> None:
    steady, machine = SettableClock(NOW), SettableClock(NOW)
    moment = NOW + 60 * SECOND
    assert shown(moment, steady, machine) == moment
    machine.advance(timedelta(milliseconds=400))
    assert shown(moment, steady, machine) == moment, "the same text each time"
    machine.advance(timedelta(hours=1))
    assert shown(moment, steady, machine) == moment + timedelta(hours=1)
    machine.advance(timedelta(hours=-2))
    assert shown(moment, steady, machine) == moment - timedelta(hours=1)
