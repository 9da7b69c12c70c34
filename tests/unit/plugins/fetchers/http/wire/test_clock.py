import asyncio

import pytest

from lading.plugins.errors import ConnectionLost, FetchTimeout
from lading.plugins.fetchers.http.clock import FetchClock
from lading.plugins.fetchers.http.wire.body import RateFloor


@pytest.mark.gen_test
async def test_a_phase_that_takes_too_long_is_named() -> None:
    with pytest.raises(FetchTimeout) as caught:
        async with FetchClock(30).limit("the thinking", 0.01):
            await asyncio.Event().wait()
    assert caught.value.facts == {"phase": "the thinking", "seconds": "0.01"}
    assert caught.value.detail == "The origin was too slow: the thinking took longer than 0.01 s."


@pytest.mark.gen_test
async def test_the_total_ends_a_phase_that_has_time_left_and_every_phase_after_it() -> None:
    clock = FetchClock(0.01)
    for _ in range(2):
        with pytest.raises(FetchTimeout) as caught:
            async with clock.limit("the thinking", 30):
                await asyncio.Event().wait()
        assert caught.value.facts["phase"] == "the whole fetch"


@pytest.mark.gen_test
async def test_no_time_passes_during_a_wait_of_our_own() -> None:
    clock = FetchClock(0.05, patience=60)
    async with clock.limit(), clock.limit("the thinking", 0.05):
        with clock.paused(30) as first:
            await asyncio.sleep(0.1)
        with clock.paused(60) as second:
            pass
    assert first == 30
    assert second <= 59.9
    with pytest.raises(FetchTimeout, match="the whole fetch"):
        async with clock.limit():
            await asyncio.Event().wait()


@pytest.mark.gen_test
async def test_a_clock_that_is_stopped_ends_a_wait_of_our_own_too() -> None:
    clock = FetchClock(30)

    async def wait() -> None:
        async with clock.limit():
            with clock.paused(30):
                clock.stop()
                await asyncio.Event().wait()

    with pytest.raises(ConnectionLost):
        await wait()


@pytest.mark.gen_test
async def test_the_operating_systems_own_timeout_passes_through() -> None:
    with pytest.raises(TimeoutError, match="ETIMEDOUT"):
        async with FetchClock(30).limit("the thinking", 30):
            raise TimeoutError("ETIMEDOUT")


@pytest.mark.gen_test
async def test_cancelling_is_not_taken_for_a_timeout() -> None:
    async def work() -> None:
        async with FetchClock(30).limit("the thinking", 30):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.gen_test
async def test_a_stopped_clock_ends_what_is_under_way_and_what_comes_later() -> None:
    clock = FetchClock(30)

    async def work() -> None:
        async with clock.limit(), clock.limit("the thinking", 30):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    clock.stop()
    clock.stop()
    with pytest.raises(ConnectionLost, match="closed"):
        await task
    with pytest.raises(ConnectionLost, match="closed"):
        await work()


def test_the_rate_is_measured_over_windows_of_waiting() -> None:
    rate = RateFloor(min_rate=100, window=10)
    for _ in range(5):
        rate.count(9.9, 1)  # nothing is said before a window is over
        rate.count(0.1, 999)
    rate.count(9.9, 999)
    with pytest.raises(FetchTimeout) as caught:
        rate.count(0.2, 0)
    assert caught.value.detail == (
        "The origin was too slow: a stretch of 1000 bytes of the body took longer than 10 s."
    )


def test_a_rate_below_a_byte_a_window_still_asks_for_one() -> None:
    with pytest.raises(FetchTimeout):
        RateFloor(min_rate=1, window=0.1).count(1, 0)
