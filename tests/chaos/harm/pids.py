"""Processes by their numbers (proc(5))."""

import contextlib
import os
import random
import signal
from pathlib import Path


def kill_one(rng: random.Random, pids: list[int]) -> bool:
    """``kill -9`` of one of them; False where there is none."""
    if not pids:
        return False
    send(rng.choice(pids), signal.SIGKILL)
    return True


def children_of(pid: int) -> list[int]:
    """Pids of a process's children (proc(5)); empty where it has gone."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def send(pid: int, number: int) -> None:
    """Send a signal, unless the process has gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def command_of(pid: int) -> str:
    """The program that a child of Lading's runs; empty where it has gone."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[4]
    return ""
