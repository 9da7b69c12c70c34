"""Finds calls that block the event loop, and says where in the plugin they are.

Two ways, neither of which depends on how fast the machine is:

- The interpreter's audit events (PEP 578) tell of calls that wait for a disk, a name service or a clock, wherever they
  are made; on the event loop's thread they have no place, however short they are.
- A second thread watches whether the loop turns. Where it does not while that thread itself gets its turn again and
  again, and the plugin is at work each time, it is the plugin that computes too long. A machine that stands still
  stops both threads; on a busy one, what the loop's thread waits for a processor is not counted, where the system
  tells it (Linux).
"""

import asyncio
import inspect
import os
import sys
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from types import CodeType, FrameType
from typing import Any, Final, Self

_EVENTS: Final = frozenset(
    {
        "open",
        "os.chmod",
        "os.link",
        "os.listdir",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.scandir",
        "os.symlink",
        "os.system",
        "os.truncate",
        "os.utime",
        "shutil.copyfile",
        "shutil.move",
        "shutil.rmtree",
        "socket.getaddrinfo",
        "socket.gethostbyaddr",
        "socket.gethostbyname",
        "sqlite3.connect",
        "subprocess.Popen",
        "time.sleep",
    }
)
"""Audit events of calls that may wait; https://docs.python.org/3/library/audit_events.html lists them all."""

_TICK_SECONDS: Final = 0.01
_MANY_TICKS: Final = 20

_KIT: Final = __name__.rpartition(".")[0] + "."
_KIT_FOLDER: Final = str(Path(__file__).parent) + os.sep
_STDLIB: Final = sysconfig.get_path("stdlib") + os.sep
_SITE: Final = (os.sep + "site-packages" + os.sep, os.sep + "dist-packages" + os.sep)
_HARMLESS_CALLERS: Final = ("importlib._bootstrap", "zipimport", "linecache", "asyncio.unix_events", f"{_KIT}images")
"""Modules that open files, start children or compute on their own account: imports, tracebacks, asyncio's children, and
what makes the kit's images."""
_THREAD_START: Final = threading.Thread.start.__code__
"""It waits until the new thread runs, which on a busy machine takes its time: every executor does this on the loop."""


class BlockingWatch:
    """Watches the event loop of the thread that enters it, until it is left.

    Args:
        loop: the loop; it need not run yet.
        harness: the author's suite. What its own helpers do is not the plugin's.

    Attributes:
        blocked: what was found, one sentence for each place.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, harness: type) -> None:
        self.blocked: set[str] = set()
        self._loop = loop
        self._helpers = frozenset(_codes(harness, helpers=True))
        self._calling = frozenset(_codes(harness, helpers=False))
        self._thread = threading.get_ident()
        self._native_thread = threading.get_native_id()
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="blocking watch", daemon=True)

    def __enter__(self) -> Self:
        _install_hook()
        _active[self._thread] = self
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._ticker.join()
        del _active[self._thread]

    def audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        """A call that may wait was made on this thread."""
        path = str(arguments[0]) if event == "open" else ""
        if path.startswith(("/proc/", "/dev/")) and not path.startswith("/dev/shm/"):  # noqa: S108 - files as others
            return
        place = self._blamed(sys._getframe(2))  # noqa: SLF001 - documented, and what audit hooks are made for
        if place is not None:
            self.blocked.add(f"{event} in {place}")

    def _tick(self) -> None:
        """Ask the loop for a sign of life again and again, and look at what keeps it from giving one."""
        while not self._ended.is_set():
            alive = threading.Event()
            try:
                self._loop.call_soon_threadsafe(alive.set)
            except RuntimeError:  # the loop is closed
                return
            places: list[str] = []
            since = 0.0
            while not alive.wait(_TICK_SECONDS) and not self._ended.is_set():
                since = since or self._time()
                frame = sys._current_frames().get(self._thread)  # noqa: SLF001 - the documented way to see a thread
                place = self._blamed(frame) if frame is not None else None
                if place is not None:
                    places.append(place)
            if len(places) >= _MANY_TICKS and (seconds := self._time() - since) >= _MANY_TICKS * _TICK_SECONDS:
                self.blocked.add(f"no turn of the loop for more than {seconds * 1000:.0f} ms in {places[-1]}")
            self._ended.wait(_TICK_SECONDS)

    def _time(self) -> float:
        """A clock that stands still while the loop's thread could go on but has no processor."""
        return monotonic() - _delay(self._native_thread)

    def _blamed(self, frame: FrameType | None) -> str | None:
        """Where in the plugin the frame is, or None where the kit, the harness or Python itself is at work."""
        place = None
        for caller in _outwards(frame):
            code = caller.f_code
            if (
                code in self._helpers
                or code is _THREAD_START
                or str(caller.f_globals.get("__name__")).startswith(_HARMLESS_CALLERS)
            ):
                return None
            if code in self._calling or code.co_filename.startswith(_KIT_FOLDER):
                break
            if not _is_stdlib(code):
                place = f"{code.co_qualname} ({Path(code.co_filename).name}:{caller.f_lineno})"
        return place


_active: dict[int, BlockingWatch] = {}
"""By the thread whose loop is watched."""
_hook_installed = False


def _install_hook() -> None:
    # An audit hook cannot be taken out again; without a watch it does nothing.
    global _hook_installed  # noqa: PLW0603
    if not _hook_installed:
        sys.addaudithook(_hook)
        _hook_installed = True


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _EVENTS and (watch := _active.get(threading.get_ident())) is not None:
        watch.audited(event, arguments)


def _delay(native_thread: int) -> float:
    """Seconds that a thread of this process has waited for a processor so far; 0 where the system does not tell."""
    try:
        figures = Path(f"/proc/self/task/{native_thread}/schedstat").read_bytes().split()
        return int(figures[1]) / 1e9  # https://docs.kernel.org/scheduler/sched-stats.html
    except (OSError, IndexError, ValueError):
        return 0.0


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_stdlib(code: CodeType) -> bool:
    name = code.co_filename
    return name.startswith("<frozen") or (name.startswith(_STDLIB) and not any(part in name for part in _SITE))


def _codes(harness: type, *, helpers: bool) -> Iterator[CodeType]:
    """The code of the author's own methods: helpers, or what calls the plugin (factories, cases of their own)."""
    for base in harness.__mro__:
        if base is object or base.__module__.startswith(_KIT):
            continue
        for name, attribute in vars(base).items():
            code = getattr(inspect.unwrap(attribute) if callable(attribute) else attribute, "__code__", None)
            if isinstance(code, CodeType) and helpers is not name.startswith(("make_", "test_")):
                yield code
