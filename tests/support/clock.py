"""Clocks that tests set."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest


class SettableClock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime | None = None) -> None:
        self._now = now or datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


class Seconds:
    """Monotonic seconds that stand still until they are moved."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        return self._now

    def advance(self, by: float) -> None:
        self._now += by


class Ticks:
    """Counts nanoseconds from the start of a machine; they pass when a test says so."""

    def __init__(self, since_start: timedelta = timedelta(days=3)) -> None:
        self._count = since_start // timedelta(microseconds=1) * 1000

    def __call__(self) -> int:
        return self._count

    def passes(self, by: timedelta) -> None:
        self._count += by // timedelta(microseconds=1) * 1000


def put_forward(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Put the running loop's clock forward: its timers that are due by then fire in its next turn."""
    loop = asyncio.get_running_loop()
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + seconds)
