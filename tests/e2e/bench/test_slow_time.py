"""In slow time, timers and the monotonic clock take ``SLOWNESS`` times as long, whoever sets them."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bench.slow_time import SLOWNESS, SlowLoop, monotonic, sleep, wait


async def at_a_time() -> None:
    loop, fired = asyncio.get_running_loop(), asyncio.Event()
    loop.call_at(loop.time() + 0.001, fired.set)
    await fired.wait()


async def with_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()


async def asleep() -> None:
    await asyncio.sleep(0.001)


@pytest.mark.parametrize("waiting", [at_a_time, with_a_timeout, asleep])
def test_a_timer_of_a_millisecond_takes_a_tenth_of_a_second(waiting: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=SlowLoop) as runner:
        began = time.perf_counter()
        runner.run(waiting())
        # The loop counts whole milliseconds of its own.
        assert time.perf_counter() - began >= 0.001 * SLOWNESS - 0.01


def test_so_does_the_wait_of_a_thread() -> None:
    began = time.perf_counter()
    assert not wait(threading.Event(), 0.0005)
    sleep(0.0005)
    assert time.perf_counter() - began >= 0.001 * SLOWNESS


def test_the_monotonic_clock_of_slow_time_is_the_same_clock() -> None:
    before = time.monotonic()
    assert before - 1e-6 <= monotonic() * SLOWNESS <= time.monotonic() + 1e-6
