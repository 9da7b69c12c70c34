"""Where the numbers live: in memory that the processes of a service share, so that a killed process loses none.

A ``Board`` is one piece of memory without a name in any folder. The supervisor makes it and hands its descriptor to its
children; a service of one process has one too, for itself alone. The board has two ledgers for each process, counters
and gauges. A process writes its own two, and whichever process is asked reads all of them. The next child of a number
continues the counters of the one before it. The supervisor clears the gauges of a child that died.

A number is eight bytes, aligned, and written at once. A name is appended before its numbers are used, and counts from
the moment at which its last byte, a line break, is written.
"""

import json
import mmap
import os
import tempfile
from collections.abc import Sequence
from typing import Final, NamedTuple, Self

CELLS: Final = 32 * 1024
"""Numbers of one ledger."""
SCRATCH: Final = 64
"""The first numbers of a ledger, which nobody reads: what has no room elsewhere is written there."""
NAME_BYTES: Final = 1024 * 1024
_CELL_BYTES: Final = 8 * CELLS
_BLOCK: Final = 16 * 1024
LEDGER_BYTES: Final = _CELL_BYTES + NAME_BYTES
SUPERVISOR: Final = 0
"""The number of the supervisor; its children count from 1, and a service of one process is number 1."""
PID: Final = "pid"
"""The entry among the gauges of a process that is its process id, and no metric."""


class Entry(NamedTuple):
    """A series.

    Attributes:
        family: name of its metric.
        labels: the values of its labels.
        values: its numbers.
    """

    family: str
    labels: tuple[str, ...]
    values: tuple[float, ...]


class Ledger:
    """Named numbers, for the process that writes them.

    Args:
        memory: ``LEDGER_BYTES`` of it, zero in the beginning. No other process may write it from now on.

    Attributes:
        cells: the numbers; add to them in place.
    """

    def __init__(self, memory: memoryview) -> None:
        self.cells = memory[:_CELL_BYTES].cast("d")
        self._names = memory[_CELL_BYTES:]
        self._open()

    def _open(self) -> None:
        """Find the end, and remove a name that a killed process did not complete."""
        text = _written(self._names)
        self._end = text.rfind(b"\n") + 1
        self._names[self._end : len(text)] = bytes(len(text) - self._end)
        self._free = SCRATCH
        self._first: dict[tuple[str, tuple[str, ...]], int] = {}
        for family, labels, first, count in _parsed(text[: self._end]):
            self._first[family, labels] = first
            self._free = first + count

    def place(self, family: str, labels: tuple[str, ...], count: int) -> int | None:
        """The first of ``count`` numbers of a series, made if it does not exist; None if the ledger is full."""
        first = self._first.get((family, labels))
        if first is not None:
            return first
        line = json.dumps([family, labels, self._free, count], ensure_ascii=True).encode("ascii")
        if self._free + count > CELLS or self._end + len(line) + 2 > NAME_BYTES:
            return None
        self._names[self._end : self._end + len(line)] = line
        self._names[self._end + len(line)] = ord("\n")
        first, self._free, self._end = self._free, self._free + count, self._end + len(line) + 1
        self._first[family, labels] = first
        return first

    def clear(self) -> None:
        """Forget every series."""
        self._names[: self._end] = bytes(self._end)
        self.cells[: self._free] = memoryview(bytes(8 * self._free)).cast("d")
        self._open()


def entries(memory: memoryview) -> Sequence[Entry]:
    """Every series of a ledger as it is now, while some process writes it. Nothing of it is changed."""
    cells = memory[:_CELL_BYTES].cast("d")
    text = _written(memory[_CELL_BYTES:])
    return [
        Entry(family, labels, tuple(cells[first : first + count]))
        for family, labels, first, count in _parsed(text[: text.rfind(b"\n") + 1])
    ]


def _written(names: memoryview) -> bytes:
    """The names until the first zero. What lies behind them is not read: reading shared memory allocates it."""
    text = bytearray()
    for start in range(0, NAME_BYTES, _BLOCK):
        block, zero, _ = bytes(names[start : start + _BLOCK]).partition(b"\0")
        text += block
        if zero:
            break
    return bytes(text)


def _parsed(text: bytes) -> Sequence[tuple[str, tuple[str, ...], int, int]]:
    found = map(json.loads, text.splitlines())
    return [(family, tuple(labels), first, count) for family, labels, first, count in found]


class Board:
    """The ledgers of all processes of a service.

    Args:
        memory: all of it.
        descriptor: of its file, for child processes; None for memory of this process alone.
    """

    def __init__(self, memory: mmap.mmap, descriptor: int | None = None) -> None:
        self.descriptor = descriptor
        self.processes = len(memory) // (2 * LEDGER_BYTES)
        self._memory = memoryview(memory)

    @classmethod
    def alone(cls) -> Self:
        """The board of a service of one process, or of a worker."""
        return cls(mmap.mmap(-1, cls._size(1)))

    @classmethod
    def shared(cls, children: int) -> Self:
        """A board for a supervisor and its children. It is gone with the last process that has its descriptor.

        Raises:
            OSError: there is no memory for it.
        """
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("lading-metrics", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, cls._size(children))
        return cls.inherited(descriptor)

    @classmethod
    def inherited(cls, descriptor: int) -> Self:
        """The board behind a descriptor that the supervisor has handed down.

        Raises:
            OSError: it is none.
        """
        return cls(mmap.mmap(descriptor, os.fstat(descriptor).st_size), descriptor)

    @staticmethod
    def _size(children: int) -> int:
        return 2 * LEDGER_BYTES * (children + 1)

    def counters(self, number: int) -> Ledger:
        """The counters and histograms of a process, to be written by it alone."""
        return Ledger(self._part(2 * number))

    def gauges(self, number: int) -> Ledger:
        """The gauges of a process, to be written by it alone, or by the supervisor when it has ended."""
        return Ledger(self._part(2 * number + 1))

    def entries(self, number: int) -> Sequence[Entry]:
        """The series of a process as they are now: counters, histograms and gauges."""
        return (*entries(self._part(2 * number)), *entries(self._part(2 * number + 1)))

    def _part(self, index: int) -> memoryview:
        return self._memory[index * LEDGER_BYTES : (index + 1) * LEDGER_BYTES]


def tell_pid(gauges: Ledger) -> None:
    """Write the id of this process among its gauges."""
    first = gauges.place(PID, (), 1)
    if first is not None:
        gauges.cells[first] = os.getpid()
