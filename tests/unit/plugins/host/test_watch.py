"""The watch: who blocks the event loop is named, and cut off in the end."""

import asyncio
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from lading.plugins.errors import DetectError, PluginBlocked
from lading.plugins.host.calls import Caller
from lading.plugins.host.watch import REPORTED_TICKS, TICK_SECONDS, Blocking, Watch
from tests.support.plugins.scripted import until

LONG = 60.0
"""Seconds that nothing here really takes."""
BRIEF = 0.2


class Plugin:
    """Where the code of this module's plugins is."""


@contextmanager
def watched(limit: float = LONG) -> Iterator[tuple[Caller, list[Blocking]]]:
    reports: list[Blocking] = []
    with Watch(reports.append, limit) as watch:
        watch.register("registered", Plugin)
        yield Caller("detect", "acme", DetectError, concurrency=8, watch=watch), reports


async def call(caller: Caller, begin: Callable[[], Awaitable[object]]) -> object:
    return await caller.call("detect", begin, LONG)


async def sleep_in_the_loop(seconds: float = 0.5) -> None:
    time.sleep(seconds)  # noqa: ASYNC251 - the fault that is looked for


def compute() -> None:
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        pass


async def compute_in_the_loop() -> None:
    compute()


async def deaf() -> None:
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        try:
            compute()
        except Exception:  # noqa: BLE001 - the fault that is looked for
            continue


# --- naming -----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_plugin_that_blocks_is_named_with_the_place() -> None:
    with watched() as (caller, reports):
        await call(caller, sleep_in_the_loop)
    (report,) = reports
    assert report.plugin == "acme"
    assert report.milliseconds >= REPORTED_TICKS * TICK_SECONDS * 1000
    assert "sleep_in_the_loop" in report.frames[-1]
    assert "test_watch.py" in report.frames[-1]


@pytest.mark.gen_test
async def test_it_is_named_also_midway_and_without_a_wait() -> None:
    async def later() -> None:
        await asyncio.sleep(0.01)
        time.sleep(0.5)  # noqa: ASYNC251 - the fault that is looked for

    with watched() as (caller, reports):
        await call(caller, later)
    assert [report.plugin for report in reports] == ["acme"]
    with watched() as (caller, reports):
        caller.call_now("check", lambda: time.sleep(0.5))
    assert [report.plugin for report in reports] == ["acme"]


@pytest.mark.gen_test
async def test_a_task_of_the_plugin_s_own_is_known_by_where_its_code_is() -> None:
    async def begin() -> None:
        task = asyncio.create_task(sleep_in_the_loop())
        await task

    with watched() as (caller, reports):
        await call(caller, begin)
    assert [report.plugin for report in reports] == ["registered"]


@pytest.mark.gen_test
async def test_nobody_is_named_twice_in_a_row() -> None:
    with watched() as (caller, reports):
        for _ in range(3):
            await call(caller, lambda: sleep_in_the_loop(0.3))
    assert len(reports) == 1


@pytest.mark.gen_test
async def test_who_waits_is_not_named() -> None:
    """Neither is who is waited for while somebody else blocks the loop."""
    with watched() as (caller, reports):
        await call(caller, lambda: asyncio.sleep(0.3))
        waiting = asyncio.create_task(call(caller, lambda: asyncio.sleep(0.4)))
        await asyncio.sleep(0)
        exec("import time; time.sleep(0.3)", {"__name__": "somebody else"})  # its frames are of nobody's module
        await waiting
        assert [report.plugin for report in reports if report.plugin == "acme"] == []


# --- cutting off ------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=30)
@pytest.mark.parametrize("begin", [lambda: sleep_in_the_loop(LONG), compute_in_the_loop, deaf])
async def test_a_plugin_that_blocks_too_long_is_cut_off(begin: Callable[[], Awaitable[object]]) -> None:
    started = time.monotonic()
    with watched(BRIEF) as (caller, reports):
        with pytest.raises(PluginBlocked) as caught:
            await call(caller, begin)
        assert await call(caller, lambda: asyncio.sleep(0, "and the next call is served")) is not None
    assert time.monotonic() - started < LONG / 2
    assert (caught.value.plugin, caught.value.retryable) == ("acme", False)
    assert [report.plugin for report in reports] == ["acme"]


@pytest.mark.gen_test(timeout=30)
async def test_a_check_is_cut_off_as_well() -> None:
    with watched(BRIEF) as (caller, _):
        with pytest.raises(PluginBlocked):
            caller.call_now("check", lambda: time.sleep(LONG))


@pytest.mark.gen_test(timeout=30)
async def test_what_the_plugin_had_to_release_is_released() -> None:
    released = []

    async def careful() -> None:
        try:
            time.sleep(LONG)  # noqa: ASYNC251 - the fault that is looked for
        finally:
            released.append(True)

    with watched(BRIEF) as (caller, _):
        with pytest.raises(PluginBlocked):
            await call(caller, careful)
    assert released == [True]


@pytest.mark.gen_test
async def test_a_stray_signal_harms_nobody() -> None:
    with watched(BRIEF) as (caller, reports):
        for _ in range(20):
            signal.raise_signal(signal.SIGURG)
            await call(caller, lambda: asyncio.sleep(0.001))
    assert reports == []


# --- its own life -----------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_it_leaves_no_thread_and_no_handler() -> None:
    before = signal.getsignal(signal.SIGURG)
    threads = set(threading.enumerate())
    with watched() as (caller, _):
        await call(caller, lambda: asyncio.sleep(0))
        assert signal.getsignal(signal.SIGURG) != before
    assert signal.getsignal(signal.SIGURG) == before
    assert set(threading.enumerate()) <= threads


def test_on_another_thread_it_reports_and_cuts_nothing_off() -> None:
    found: list[Blocking] = []

    async def use() -> None:
        with watched(BRIEF) as (caller, reports):
            await call(caller, lambda: sleep_in_the_loop(0.6))
            await until(lambda: bool(reports))
            found.extend(reports)

    thread = threading.Thread(target=lambda: asyncio.run(use()))
    thread.start()
    thread.join()
    assert [report.plugin for report in found] == ["acme"]
