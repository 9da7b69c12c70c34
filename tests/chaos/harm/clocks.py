"""Clocks that can be set, for processes that are started with ``environment``: libfaketime, before all other libraries.

Only the time of day is faked. Monotonic time and times of files stay as they are. Such processes run on asyncio's loop,
not on uvloop.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

LIBRARY: Final = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
_REPAIRS: Final = '''"""What libfaketime 0.9.10 breaks is gone around.

Each clock_nanosleep(2) of monotonic time fails (EINVAL). And it wraps condition variables with a lock, which may be
held when the process forks: uvloop then waits for ever for its child, which makes such variables. asyncio's loop spawns
children that run nothing of Python's.

And it takes the limit of each wait for a condition for a time of day. A thread that waits for the interpreter's lock
would wake at once, again and again: it is to wait without a limit.
"""
import asyncio
import select
import sys
import time
import types

time.sleep = lambda seconds: select.select((), (), (), seconds) and None
sys.modules["uvloop"] = types.ModuleType("uvloop")
sys.modules["uvloop"].run = asyncio.run
sys.setswitchinterval(4e9)
'''
_LEFT: Final = ("faketime_shm_{}", "sem.faketime_sem_{}")
"""What the library leaves in shared memory when a process is killed."""


@dataclass(frozen=True, slots=True)
class SettableClock:
    """The clock of one process, and of those that it starts.

    Attributes:
        folder: of its own; created.
    """

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        (self.folder / "sitecustomize.py").write_text(_REPAIRS, encoding="utf-8")
        self.set(0)

    def set(self, seconds: int) -> None:
        """Put it so far from the right time; processes notice within a second."""
        new = self.folder / "new"
        new.write_text(f"{seconds:+d}")
        new.replace(self.folder / "time")

    @property
    def environment(self) -> dict[str, str]:
        """Of a process that is to go by it."""
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self.folder / "time"),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(self.folder), os.environ.get("PYTHONPATH")])),
        }


def forget(pids: Iterable[int]) -> None:
    """Remove what processes have left that were killed."""
    for pid in pids:
        for name in _LEFT:
            Path("/dev/shm", name.format(pid)).unlink(missing_ok=True)


def without_clocks() -> str:
    """Why clocks cannot be set here, empty where they can; fails where that is required."""
    if LIBRARY is not None:
        return ""
    if "faketime" in os.environ.get("LADING_REQUIRE", "").split(","):
        pytest.fail("libfaketime is required")
    return "there is no libfaketime"
