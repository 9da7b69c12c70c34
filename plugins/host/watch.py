"""Watches the event loop of a running service: reports a plugin that blocks the loop, and cuts it off.

A thread checks whether the loop turns. It reports a plugin if the loop stands still, while this thread itself keeps
running and the same plugin is at work at each check; on a machine that stands still, both threads stop. A signal
interrupts a plugin that blocks for longer than its limit, by raising an exception in its code, in a loop or a waiting
call alike. Only a C function that never checks for signals cannot be interrupted.
"""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final, Self

TICK_SECONDS: Final = 0.02
REPORTED_TICKS: Final = 5
"""Number of checks without a turn of the loop, at least 100 ms, after which the plugin at work is reported."""
LINGER_TICKS: Final = 10
"""Number of checks without any call, 200 ms, after which the watch waits for a call. To wake its thread takes longer
than a short call, so it is not done for each of them.
"""
QUIET_SECONDS: Final = 10.0
"""Seconds for which a reported plugin is not reported again."""
MAX_FRAMES: Final = 5
_OWN: Final = ("lading.plugins.", "lading.backends.")
_SIGNAL: Final = signal.SIGURG
"""Ignored by default and used by nothing else, so a stray signal does no harm."""


class StoodStill(BaseException):  # no Exception, so that a plugin's "except Exception" does not catch it
    """Raised in the code of a plugin that blocked the event loop for too long."""


@dataclass(frozen=True, slots=True)
class Blocking:
    """A plugin that blocks the event loop now.

    Attributes:
        plugin: its entry-point name.
        milliseconds: for how long already, at least.
        frames: the running code, outermost first, as ``file:line in function``.
    """

    plugin: str
    milliseconds: int
    frames: tuple[str, ...]


class Step:
    """A plugin's step on the event loop.

    Attributes:
        plugin: its entry-point name.
        overdue: whether to cut it off.
    """

    __slots__ = ("overdue", "plugin")

    def __init__(self, plugin: str) -> None:
        self.plugin = plugin
        self.overdue = False


class Unwatched:
    """Replaces a watch where there is none."""

    def __init__(self) -> None:
        self.at_work: Step | None = None

    def begins(self) -> None:
        """See ``Watch.begins``."""

    def ends(self) -> None:
        """See ``Watch.ends``."""


class Watch:
    """Watches the running event loop from entry to exit, both in the loop's own thread.

    Outside of the main thread it reports and cuts nothing off, since only the main thread gets signals.

    Args:
        report: called with a blocking plugin, in a thread of the watch. Must not raise.
        limit: seconds after which a blocking plugin is cut off.
    """

    def __init__(self, report: Callable[[Blocking], None], limit: float) -> None:
        self.at_work: Step | None = None
        self._report = report
        self._limit = limit
        self._modules: dict[str, str] = {}
        self._under_way = 0
        self._busy = threading.Event()
        self._ended = False
        self._quiet_until: dict[str, int] = {}
        self._ticks = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._can_cut = threading.current_thread() is threading.main_thread()
        if self._can_cut:
            self._previous = signal.signal(_SIGNAL, self._on_signal)
        self._thread = threading.Thread(target=self._run, name="plugin watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._busy.set()
        self._thread.join()
        if self._can_cut:
            signal.signal(_SIGNAL, self._previous)

    def register(self, plugin: str, cls: type) -> None:
        """Register the folder of the plugin's code, so that the watch recognises the plugin's own tasks and callbacks
        too.
        """
        module = cls.__module__
        self._modules[module if module.startswith(_OWN) else module.partition(".")[0]] = plugin

    def begins(self) -> None:
        """A call to a plugin begins. The watch checks the loop only during calls."""
        self._under_way += 1
        if not self._busy.is_set():
            self._busy.set()

    def ends(self) -> None:
        """A call has ended."""
        self._under_way -= 1

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        pause = threading.Event()
        quiet = 0
        while True:
            self._busy.wait()
            if self._ended:
                return
            if not self._under_way:
                quiet += 1
                if quiet > LINGER_TICKS:
                    self._rest()
                else:
                    pause.wait(TICK_SECONDS)
                continue
            quiet = 0
            alive = threading.Event()
            try:
                self._loop.call_soon_threadsafe(alive.set)
            except RuntimeError:  # the loop is closed
                return
            self._wait_for_life(alive)
            pause.wait(TICK_SECONDS)
            self._ticks += 1

    def _rest(self) -> None:
        """Wait for a call. This thread does it, rather than the end of each call, since calls are many and short."""
        self._busy.clear()
        if self._under_way or self._ended:  # it began, or ended, before the event was cleared
            self._busy.set()

    def _wait_for_life(self, alive: threading.Event) -> None:
        culprit: str | None = None
        seen = 0
        while not alive.wait(TICK_SECONDS) and not self._ended:
            self._ticks += 1
            found = self._culprit()
            seen = seen + 1 if found is not None and found == culprit else 1
            culprit = found
            if culprit is not None:
                self._consider(culprit, seen)

    def _consider(self, culprit: str, seen: int) -> None:
        """Report and cut off the plugin that was at work in the last ``seen`` ticks."""
        if seen >= REPORTED_TICKS and self._ticks >= self._quiet_until.get(culprit, 0):
            self._quiet_until[culprit] = self._ticks + round(QUIET_SECONDS / TICK_SECONDS)
            milliseconds = round(seen * TICK_SECONDS * 1000)
            self._report(Blocking(culprit, milliseconds, tuple(self._frames())))
        step = self.at_work
        is_due = seen % max(1, round(self._limit / TICK_SECONDS)) == 0
        # Repeatedly, since the plugin may have swallowed the first exception.
        if is_due and self._can_cut and step is not None and step.plugin == culprit:
            step.overdue = True
            signal.pthread_kill(self._watched, _SIGNAL)

    def _culprit(self) -> str | None:
        """The plugin at work: the called plugin, or else the plugin whose code runs."""
        step = self.at_work
        if step is not None:
            return step.plugin
        frame = self._frame()
        while frame is not None:
            module = str(frame.f_globals.get("__name__"))
            for prefix, plugin in self._modules.items():
                if module == prefix or module.startswith(prefix + "."):
                    return plugin
            frame = frame.f_back
        return None

    def _frames(self) -> list[str]:
        frames: list[str] = []
        frame = self._frame()
        while frame is not None and len(frames) < MAX_FRAMES:
            code = frame.f_code
            frames.append(f"{Path(code.co_filename).name}:{frame.f_lineno} in {code.co_qualname}")
            frame = frame.f_back
        return frames[::-1]

    def _frame(self) -> FrameType | None:
        return sys._current_frames().get(self._watched)  # noqa: SLF001 - the documented way to see a thread

    # --- the signal ---------------------------------------------------------------------------------------------------

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        # This runs between two bytecodes of the main thread: if the step has ended meanwhile, it interrupts nobody.
        step = self.at_work
        if step is not None and step.overdue:
            raise StoodStill
