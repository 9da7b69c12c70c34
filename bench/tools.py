"""The programs that the measurements need beside Python: where they are, and how to get those that are missing."""

import os
import shutil
import subprocess
from collections.abc import Iterable

PACKAGES = {
    "curl": "curl",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "redis-server": "redis-server",
    "wrk": "wrk",
    "perf": "linux-perf",
    "valgrind": "valgrind",
    "callgrind_control": "valgrind",
    "callgrind": "valgrind",
}
"""Debian's packages of the programs."""


def find(name: str) -> str | None:
    """The path of a program, or None."""
    return shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")


def tool(name: str) -> str:
    """The path of a program.

    Raises:
        RuntimeError: there is none; how to get it is said.
    """
    found = find(name)
    if found is None:
        raise RuntimeError(hint([name]))
    return found


def hint(names: Iterable[str]) -> str:
    """What to say where these are missing; empty where none is."""
    missing = sorted(set(names))
    if not missing:
        return ""
    packages = sorted({PACKAGES.get(name, name) for name in missing})
    return f"missing: {', '.join(missing)}. Install with: apt-get install --no-install-recommends {' '.join(packages)}"


def first_line(*command: str) -> str:
    """The first line that a command prints, to either stream; empty where it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603  # our own
    except OSError:
        return ""
    return next((line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()), "")
