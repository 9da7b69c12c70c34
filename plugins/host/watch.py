"""Watches, while a service runs, that no plugin blocks the event loop: names the one that does, and cuts it off.

A thread looks whether the loop turns. Where it does not while that thread gets its own turn again and again, and one
plugin is at work each time, that plugin is reported; a machine that stands still stops both threads. A plugin that goes
on for longer than it may is interrupted by a signal: what it runs is left by an exception, be it a loop or a call that
waits. Only a C function that never looks for signals cannot be interrupted.
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
"""After so many looks at a loop that does not turn, 100 ms at the least, the plugin at work is reported."""
QUIET_SECONDS: Final = 10.0
"""For how long a plugin that was reported is not reported again."""
MAX_FRAMES: Final = 5
_OWN: Final = ("lading.plugins.", "lading.backends.")
_SIGNAL: Final = signal.SIGURG
"""Ignored by default, and used by nothing else: a stray one does no harm."""


class StoodStill(BaseException):  # not an Exception, so that a plugin's "except Exception" does not swallow it
    """Raised within a plugin that blocked the event loop for too long."""


@dataclass(frozen=True, slots=True)
class Blocking:
    """A plugin that blocks the event loop at this moment.

    Attributes:
        plugin: its entry-point name.
        milliseconds: for how long already, at least.
        frames: what runs, outermost first, as ``file:line in function``.
    """

    plugin: str
    milliseconds: int
    frames: tuple[str, ...]


class Step:
    """A plugin's turn on the event loop.

    Attributes:
        plugin: its entry-point name.
        overdue: whether it is to be cut off.
    """

    __slots__ = ("overdue", "plugin")

    def __init__(self, plugin: str) -> None:
        self.plugin = plugin
        self.overdue = False


class Unwatched:
    """Stands in for a watch where there is none."""

    def __init__(self) -> None:
        self.at_work: Step | None = None

    def begins(self) -> None:
        """See ``Watch.begins``."""

    def ends(self) -> None:
        """See ``Watch.ends``."""


class Watch:
    """Watches the running event loop from when it is entered until it is left; both on the loop's own thread.

    On any thread but the main one it reports and cuts nothing off: signals are the main thread's.

    Args:
        report: told of a plugin that blocks, on a thread of the watch. Must not raise.
        limit: seconds after which a plugin that blocks is cut off.
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
        """Say where the plugin's code is, so that it is known also in tasks and callbacks of its own."""
        module = cls.__module__
        self._modules[module if module.startswith(_OWN) else module.partition(".")[0]] = plugin

    def begins(self) -> None:
        """A call to a plugin begins; the loop is watched only while there is one."""
        self._under_way += 1
        if not self._busy.is_set():
            self._busy.set()

    def ends(self) -> None:
        """A call has ended."""
        self._under_way -= 1

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._busy.wait()
            if self._ended:
                return
            if not self._under_way:
                self._rest()
                continue
            alive = threading.Event()
            try:
                self._loop.call_soon_threadsafe(alive.set)
            except RuntimeError:  # the loop is closed
                return
            self._wait_for_life(alive)
            pause.wait(TICK_SECONDS)
            self._ticks += 1

    def _rest(self) -> None:
        """Wait until there is a call. Here rather than where each call ends, since calls are many and short."""
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
        # Again and again: the first exception may have been swallowed.
        if is_due and self._can_cut and step is not None and step.plugin == culprit:
            step.overdue = True
            signal.pthread_kill(self._watched, _SIGNAL)

    def _culprit(self) -> str | None:
        """The plugin that is at work: the one that was called, or else the one whose code runs."""
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
        # Between two bytecodes of the main thread: where the step has ended meanwhile, nobody is interrupted.
        step = self.at_work
        if step is not None and step.overdue:
            raise StoodStill
