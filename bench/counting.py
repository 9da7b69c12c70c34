"""Instructions that processes execute in user space: by perf where the machine counts them, else by callgrind."""

import os
import re
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.processes import end, output_of
from bench.tools import find, tool

EVENT = "instructions:u"


class Counter(ABC):
    """A way to count.

    Attributes:
        name: of the tool, for the report.
        prefix: what is put before the command of a process that is to be counted.
    """

    name: str
    prefix: tuple[str, ...] = ()

    @abstractmethod
    def count(self, pid: int, work: Callable[[], None]) -> int:
        """Instructions of a process, without others that it has started, while ``work`` runs."""


class Perf(Counter):
    """perf stat, attached from outside: nothing becomes slower."""

    name = f"perf stat -e {EVENT}"

    def count(self, pid: int, work: Callable[[], None]) -> int:
        """See ``Counter.count``.

        Raises:
            RuntimeError: perf did not count.
        """
        command = [tool("perf"), "stat", "-x", ";", "-e", EVENT, "-p", str(pid)]
        perf = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)  # noqa: S603  # our own
        try:
            time.sleep(0.3)  # it says nothing when it has attached itself
            work()
            perf.send_signal(signal.SIGINT)
            _, said = perf.communicate(timeout=30)
        finally:
            if perf.poll() is None:
                perf.kill()
            perf.wait()
        return read_perf(said)


class Callgrind(Counter):
    """valgrind's callgrind, which is switched on once the process is warm: start-up is not in the figures.

    Args:
        folder: for its files.
    """

    name = "valgrind --tool=callgrind"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._on: set[int] = set()
        self.prefix = (
            tool("valgrind"),
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--callgrind-out-file={folder}/out.%p",
        )

    def count(self, pid: int, work: Callable[[], None]) -> int:
        """See ``Counter.count``."""
        if pid not in self._on:
            self._control("-i", "on", pid)
            self._on.add(pid)
        self._control("-z", pid)
        work()
        before = set(self._folder.iterdir())
        self._control("-d", pid)
        dumps = set(self._folder.iterdir()) - before
        return sum(read_callgrind(path.read_text(encoding="utf-8", errors="replace")) for path in dumps)

    def _control(self, *arguments: object) -> None:
        output_of([tool("callgrind_control"), *map(str, arguments)])


def counter(folder: Path) -> Counter | None:
    """The best counter that works here, or None.

    Args:
        folder: empty; for files of the counter.
    """
    if find("perf") is not None and _perf_counts():
        return Perf()
    if find("valgrind") is not None and find("callgrind_control") is not None:
        return Callgrind(folder)
    return None


def _perf_counts() -> bool:
    """Whether this machine lets perf count instructions; many virtual ones do not."""
    command = [tool("perf"), "stat", "-x", ";", "-e", EVENT, "true"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr  # noqa: S603  # our own
    try:
        return read_perf(said) > 0
    except RuntimeError:
        return False


def read_perf(said: str) -> int:
    """The count that ``perf stat -x ;`` told.

    Raises:
        RuntimeError: it told none.
    """
    found = re.search(rf"^(\d+);[^;]*;{EVENT};", said, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"perf counted nothing: {said.strip()}")
    return int(found[1])


def read_callgrind(dump: str) -> int:
    """The sum of a dump of callgrind.

    Raises:
        RuntimeError: it has none.
    """
    found = re.search(r"^(?:totals|summary): (\d+)", dump, re.MULTILINE)
    if found is None:
        raise RuntimeError("a dump of callgrind has no sum")
    return int(found[1])


class Worker:
    """A process that is given lines and answers each with one, when it has done what it says.

    Args:
        command: of the process.
        environ: added to this process's.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own
            command,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def do(self, line: str) -> None:
        """Let it do one thing.

        Raises:
            RuntimeError: it has ended.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process has no pipes")
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        if not self._process.stdout.readline():
            raise RuntimeError("the process has ended")

    def close(self) -> None:
        """End it."""
        end(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
