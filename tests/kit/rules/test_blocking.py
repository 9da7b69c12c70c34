"""Who is blamed for an event loop that does not turn."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from lading.plugins.testing.blocking import BlockingWatch

BUSY = 6
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells how long a thread waited")


class Plugin:
    """Its code is taken for a plugin's: it is neither the kit's nor the harness's."""

    def compute(self, seconds: float) -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    def wait(self, pipe: int) -> None:
        os.read(pipe, 1)


class Harness:
    """An author's suite, with a case of its own."""

    def test_it(self, call: Callable[[], object]) -> set[str]:
        """Make the call in a loop that is watched; what was found."""
        with asyncio.Runner() as runner, BlockingWatch(runner.get_loop(), Harness) as watch:
            runner.run(self.test_call(call))
        return watch.blocked

    async def test_call(self, call: Callable[[], object]) -> None:
        await asyncio.sleep(0.02)
        call()
        await asyncio.sleep(0.02)


@contextmanager
def busy_processor() -> Iterator[None]:
    """The test shares one processor with processes that are never idle."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    busy = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(BUSY)]
    try:
        time.sleep(0.5)  # they have begun
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()
        os.sched_setaffinity(0, before)


def test_a_plugin_that_computes_for_long_is_blamed() -> None:
    (found,) = Harness().test_it(partial(Plugin().compute, 0.5))
    assert "no turn of the loop" in found
    assert "Plugin.compute (test_blocking.py:" in found


def test_a_plugin_that_waits_for_long_is_blamed() -> None:
    pipe, end = os.pipe()
    with subprocess.Popen(["sleep", "2"], stdout=end):
        os.close(end)
        (found,) = Harness().test_it(partial(Plugin().wait, pipe))
    os.close(pipe)
    assert "Plugin.wait" in found


def test_nobody_is_blamed_for_a_busy_processor() -> None:
    with busy_processor():
        began = time.monotonic()
        # The kit's own thread may lose the processor while it holds the interpreter, which nothing tells.
        passes = [Harness().test_it(partial(Plugin().compute, 0.1))]
        took = time.monotonic() - began
        while passes[-1] and len(passes) < 5:
            passes.append(Harness().test_it(partial(Plugin().compute, 0.1)))
    assert passes[-1] == set()
    assert took > 0.3, "the processor was busy"


def test_a_plugin_that_computes_for_long_is_blamed_on_a_busy_processor_too() -> None:
    with busy_processor():
        # The kit's own thread may get no turn until the plugin has ended: then the kit names whoever runs after it.
        passes = (Harness().test_it(partial(Plugin().compute, 0.5)) for _ in range(5))
        assert any("Plugin.compute" in line for found in passes for line in found)
