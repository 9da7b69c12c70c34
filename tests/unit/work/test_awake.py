"""Time as a process has lived it."""

import asyncio

import pytest
from structlog.testing import capture_logs

from lading.service.work.awake import STILL, TICK, AwakeClock
from tests.support.clock import Seconds


@pytest.mark.gen_test
async def test_what_a_process_stood_still_for_is_no_time() -> None:
    seconds = Seconds()
    clock = AwakeClock(seconds)
    with clock.ticking():
        seconds.advance(TICK + STILL / 2)
        assert (clock.now(), clock.lost()) == (seconds(), 0)
        seconds.advance(TICK + 25)
        assert clock.lost() == 25
        assert clock.now() == seconds() - 25
        seconds.advance(TICK)
        assert clock.now() == seconds() - 25


@pytest.mark.gen_test
async def test_while_it_does_not_tick_it_is_the_monotonic_clock() -> None:
    seconds = Seconds()
    clock = AwakeClock(seconds)
    seconds.advance(1000)
    assert (clock.now(), clock.lost()) == (1000, 0)
    with clock.ticking():
        pass
    seconds.advance(1000)
    assert (clock.now(), clock.lost()) == (2000, 0)
    with clock.ticking():
        assert clock.lost() == 0


@pytest.mark.gen_test
async def test_it_ticks_by_itself_and_says_once_that_the_process_stood_still() -> None:
    looks = 0

    def seconds() -> float:
        nonlocal looks
        looks += 1
        return looks * 10.0

    clock = AwakeClock(seconds)
    with clock.ticking(), capture_logs() as lines:
        while looks < 4:
            await asyncio.sleep(0.01)
        assert clock.lost() == (looks - 1) * (10 - TICK)
    assert [line["event"] for line in lines] == ["the process was paused"]
