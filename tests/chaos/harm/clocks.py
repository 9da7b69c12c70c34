"""Clocks that can be set, for processes that are started with ``environment``: libfaketime, before all other libraries.

Only the time of day is faked. Monotonic time and times of files stay as they are.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

LIBRARY: Final = next(iter(sorted(Path("/usr/lib").glob("**/faketime/libfaketime.so.1"))), None)
_SLEEP: Final = '''"""libfaketime 0.9.10 fails each clock_nanosleep(2) of monotonic time: EINVAL."""
import select
import time

time.sleep = lambda seconds: select.select((), (), (), seconds) and None
'''


@dataclass(frozen=True, slots=True)
class SettableClock:
    """The clock of one process, and of those that it starts.

    Attributes:
        folder: of its own; created.
    """

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        (self.folder / "sitecustomize.py").write_text(_SLEEP, encoding="utf-8")
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
            "PYTHONPATH": str(self.folder),
        }


def without_clocks() -> str:
    """Why clocks cannot be set here, empty where they can; fails where that is required."""
    if LIBRARY is not None:
        return ""
    if "faketime" in os.environ.get("LADING_REQUIRE", "").split(","):
        pytest.fail("libfaketime is required")
    return "there is no libfaketime"
