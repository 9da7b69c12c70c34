"""How much memory a process and its descendants have at most."""

import contextlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import tree

EVERY = 0.05
"""Seconds between two samples."""


@dataclass(slots=True)
class Peak:
    """The largest sum of proportional set sizes (PSS, proc(5)): pages that several processes share are counted once.

    Attributes:
        megabytes: 1,000,000 bytes each.
        samples: how often it was looked at.
    """

    megabytes: float = 0.0
    samples: int = 0


@contextmanager
def peak_memory(pid: int) -> Iterator[Peak]:
    """Look at the memory of a process tree again and again until the block is left."""
    peak, stop = Peak(), threading.Event()

    def look() -> None:
        while not stop.wait(EVERY):
            peak.megabytes = max(peak.megabytes, memory_of(pid))
            peak.samples += 1

    thread = threading.Thread(target=look, name="memory", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def memory_of(pid: int) -> float:
    """What a process and its descendants have in memory now, in MB."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found = re.search(r"^Pss:\s+(\d+) kB$", Path(f"/proc/{one}/smaps_rollup").read_text(), re.MULTILINE)
            total += int(found[1]) if found else 0
    return total * 1024 / 1e6
