"""Runs a module in slow time: for it, a second takes as long as ``SLOWNESS`` seconds.

    python -m bench.slow_time MODULE [ARGUMENT ...]

Callgrind makes a process some fifty times slower, and timers do not wait: between two requests, a service would look
fifty times as often for news, orders and expired counts, and on a busy machine more often still. So timers of the event
loop, waits of threads and the monotonic clock are slow too. Only then do two counts of the same work agree.
"""

import runpy
import sys
import threading
import time
from typing import Any, Final

import uvloop

SLOWNESS: Final = 100.0

_monotonic, _sleep, _wait = time.monotonic, time.sleep, threading.Event.wait


def monotonic() -> float:
    """``time.monotonic`` in slow time."""
    return _monotonic() / SLOWNESS


def sleep(seconds: Any) -> None:
    """``time.sleep`` in slow time."""
    _sleep(seconds * SLOWNESS)


def wait(event: threading.Event, timeout: float | None = None) -> bool:
    """``threading.Event.wait`` in slow time."""
    return _wait(event, None if timeout is None else timeout * SLOWNESS)


class SlowLoop(uvloop.Loop):
    """An event loop in slow time."""

    def time(self) -> float:
        """See ``asyncio.AbstractEventLoop.time``."""
        return super().time() / SLOWNESS

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        """See ``asyncio.AbstractEventLoop.call_later``; ``call_at`` calls it."""
        return super().call_later(delay * SLOWNESS, callback, *args, context=context)


def slow_down() -> None:
    """Let this process live in slow time from now on. Modules that are imported later see nothing else."""
    time.monotonic, time.sleep = monotonic, sleep
    threading.Event.wait = wait  # type: ignore[method-assign, assignment]  # the watch of plugins looks fifty times a second
    uvloop.Loop = SlowLoop  # type: ignore[misc]  # which uvloop.run makes
    # The interpreter makes a thread give its lock away by a clock of its own.
    sys.setswitchinterval(sys.getswitchinterval() * SLOWNESS)


if __name__ == "__main__":
    slow_down()
    module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
