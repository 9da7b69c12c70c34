"""What a call spends, with all threads and child processes: CPU time and memory, and whether it works on. For Linux."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, TypeVar

from ..bodies import MIB
from ..cancellation import attempt

Result = TypeVar("Result")

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_LOOK_SECONDS: Final = 0.01
_REST_SECONDS: Final = 0.03
_QUIET_LOOKS: Final = 3
ALLOWANCE = 1.0
"""Seconds of CPU time beyond twice what is allowed: limits of processes are in whole seconds."""
WORKED_ON = 1.0
"""Seconds of CPU time that may pass between the end of a call and the end of its work."""

_NEGLIGIBLE: Final = 20_000_000
"""Nanoseconds. Less CPU time of a thread that was there before is no work: such threads may be those of other tests."""
_OTHERS: ContextVar[frozenset[int]] = ContextVar("processes and threads of others", default=frozenset())


def leave_out_others() -> None:
    """In this task, neither count nor kill the child processes that run already, and let the threads that run already
    do a little: they are servers of other tests.
    """
    threads = (int(task.name) for task in _entries(Path(f"/proc/{os.getpid()}/task")))
    _OTHERS.set(frozenset((*_family(), *threads)))


class Spending:
    """What this process and the processes below it spend from now on. The thread that asks is not counted.

    Args:
        seconds: CPU time that may be spent.
        memory: bytes that may be taken beyond what is taken now.
        of_children: whether the memory of child processes counts.
    """

    def __init__(self, seconds: float, memory: int, *, of_children: bool = True) -> None:
        self._of_children = of_children
        self._seconds = seconds
        self._memory = memory
        self._cpu_before = _cpu()
        self._had = {pid: _resident(pid) for pid in _family()}
        for pid in self._had:
            with suppress(OSError):  # https://docs.kernel.org/filesystems/proc.html: resets the peak, VmHWM
                Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
        self._growth: dict[int, int] = {}

    @property
    def cpu(self) -> float:
        """Seconds of CPU time that are spent."""
        return _cpu() - self._cpu_before

    @property
    def memory(self) -> int:
        """The most bytes that each process has taken, together."""
        for pid in _family() if self._of_children else (os.getpid(),):
            had = self._had.setdefault(pid, _resident(pid))
            self._growth[pid] = max(self._growth.get(pid, 0), _peak(pid) - had)
        return sum(self._growth.values())

    async def on(self, call: Coroutine[Any, Any, Result], what: str) -> Result | Exception:
        """Make the call; its result, or what it raised.

        Raises:
            AssertionError: it spends more. Then the call is cancelled, and the processes that have grown are killed.
        """
        task = asyncio.create_task(attempt(call))
        try:
            while not task.done():
                await asyncio.wait((task,), timeout=_LOOK_SECONDS)
                self._check(what)
        except BaseException:
            task.cancel()
            await _end(pid for pid in self._growth if pid != os.getpid())
            await asyncio.wait((task,))
            raise
        return task.result()

    async def begun(self, task: "asyncio.Task[Any]", seconds: float) -> None:
        """Wait until so much CPU time is spent, or the task is done."""
        while not task.done() and self.cpu < seconds:
            await asyncio.wait((task,), timeout=_LOOK_SECONDS)

    def _check(self, what: str) -> None:
        cpu, memory = self.cpu, self.memory
        assert cpu <= 2 * self._seconds + ALLOWANCE, (
            f"{what} costs {cpu:.1f} s of CPU time, and no end, where {self._seconds:g} s are allowed: "
            "bound the CPU time of the thread or process that decodes (RLIMIT_CPU)"
        )
        assert memory <= self._memory, (
            f"{what} takes {memory // MIB} MiB of memory where {self._memory // MIB} MiB are allowed: "
            "check sizes before it is decoded, and bound the memory of the process that decodes (RLIMIT_AS)"
        )


async def assert_rests(what: str) -> None:
    """Wait until no other thread and no child process is at work.

    Raises:
        AssertionError: they work on.
    """
    before, quiet, worked = _clocks(), 0, 0
    while quiet < _QUIET_LOOKS:
        await asyncio.sleep(_REST_SECONDS)
        now = _clocks()
        spent = {who: now[who] - before.get(who, now[who]) for who in now}
        # On a busy machine, who works may have had no processor meanwhile: then it waits for its turn.
        busy = {who for who in now if spent[who]} | set(_waiting())
        worked += sum(spent.values())
        quiet = 0 if busy else quiet + 1
        if worked > WORKED_ON * 1e9:
            await _end(pid for pid in _family() if f"the child process {pid}" in busy)
            raise AssertionError(f"{what}, and yet {' and '.join(sorted(busy))} still works on it")
        before = now


async def _end(children: Iterable[int]) -> None:
    """Kill the processes, and give the event loop the time to know of it."""
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        while pid in set(_family()):  # noqa: ASYNC110 - the kernel sets no event
            await asyncio.sleep(_REST_SECONDS)


def _waiting() -> Iterator[str]:
    """The child processes that run, or could (proc_pid_stat(5), field 3)."""
    for pid in _family():
        if pid != os.getpid() and _stat(pid)[:1] == ["R"]:
            yield f"the child process {pid}"


def _clocks() -> Mapping[str, int]:
    """Nanoseconds of CPU time of every other thread here, and of all those of child processes, by a name of each."""
    named = {thread.native_id: thread.name for thread in threading.enumerate()}
    clocks: dict[str, int] = {}
    for pid in _family():
        for task in _entries(Path(f"/proc/{pid}/task")):
            name = named.get(int(task.name), "")
            if int(task.name) == threading.get_native_id() or name.startswith("blocking watch"):
                continue
            with suppress(OSError):  # https://docs.kernel.org/scheduler/sched-stats.html
                who = f"the thread {name or task.name!r}" if pid == os.getpid() else f"the child process {pid}"
                spent = int((task / "schedstat").read_text(encoding="ascii").split()[0])
                if int(task.name) in _OTHERS.get():
                    spent -= spent % _NEGLIGIBLE
                clocks[who] = clocks.get(who, 0) + spent
    return clocks


def _cpu() -> float:
    """CPU time of the other threads of this process, and of child processes, in seconds."""
    ended = os.times()
    alive = sum(_ticks(pid) for pid in _family() if pid != os.getpid())
    own = time.process_time() - time.thread_time()
    return own + ended.children_user + ended.children_system + alive / _TICKS


def _ticks(pid: int) -> int:
    """CPU time of a process and of its children that have ended (proc_pid_stat(5), fields 14 to 17)."""
    return sum(map(int, _stat(pid)[11:15]))


def _stat(pid: int) -> list[str]:
    """What proc_pid_stat(5) has from field 3 on; nothing of a process that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _resident(pid: int) -> int:
    return _status(pid, "VmRSS:")


def _peak(pid: int) -> int:
    return _status(pid, "VmHWM:")


def _status(pid: int, field: str) -> int:
    """A field of proc_pid_status(5) in bytes; 0 of a process that ends."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0


def _family(pid: int | None = None) -> Iterator[int]:
    """The process, this one by default, and all below it but those of others."""
    pid = os.getpid() if pid is None else pid
    yield pid
    for task in _entries(Path(f"/proc/{pid}/task")):
        with suppress(OSError):
            for child in map(int, (task / "children").read_text(encoding="ascii").split()):
                if child not in _OTHERS.get():
                    yield from _family(child)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
