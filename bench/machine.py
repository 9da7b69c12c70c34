"""The facts of a run: the machine, and the versions of everything that takes part."""

import os
import platform
import re
import sqlite3
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from bench.origin import origin_name
from bench.tools import find, first_line
from tests.support.servers.mongod import find_mongod

ROOT = Path(__file__).parents[1]
LIBRARIES = ("aiohttp", "botocore", "matplotlib", "moto", "motor", "Pillow", "pymongo", "requests", "tornado", "uvloop")


def facts(directory: Path, img2dataset: Path | None) -> dict[str, str]:
    """Names and texts; they are the same for runs that may be compared."""
    return {
        "CPU": f"{_field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": f"{int(_field('/proc/meminfo', 'MemTotal').split()[0] or 0) * 1024 / 1e9:.1f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
        "work folder's filesystem": filesystem(directory),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "MongoDB": _mongod(),
        "img2dataset": _img2dataset(img2dataset),
        "programs": "; ".join(filter(None, (_program(name) for name in ("wrk", "nginx", "curl", "valgrind", "perf")))),
        "origin": origin_name(),
        "libraries": ", ".join(f"{name} {version}" for name in LIBRARIES if (version := _version(name))),
    }


def filesystem(directory: Path) -> str:
    """The type of the filesystem that a folder is on; empty where that is not known."""
    found = ""
    place = str(directory.resolve())
    for line in _text("/proc/mounts").splitlines():
        _, point, kind, *_ = line.split(" ")
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        found = kind if inside else found  # a later mount, or a deeper one, covers an earlier
    return found


def commit() -> str:
    """The commit of the sources, with ``+`` where they have been changed since; empty where that is not known."""
    name = first_line("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    if not re.fullmatch("[0-9a-f]{7,40}", name):
        return ""
    changes = subprocess.run(  # noqa: S603  # our own
        [find("git") or "git", "-C", str(ROOT), "status", "--porcelain", "--", "service", "backends", "plugins"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return name + ("+" if changes.strip() else "")


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _field(path: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.*)$", _text(path), re.MULTILINE)
    return found[1] if found else "0"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _program(name: str) -> str:
    path = find(name)
    if path is None:
        return ""
    said = first_line(path, "--version" if name in ("valgrind", "perf", "curl") else "-v")
    found = re.search(r"\d+\.\d+[\w.-]*", said)
    return f"{name} {found[0]}" if found else name


def _mongod() -> str:
    binary = find_mongod()
    said = "" if binary is None else first_line(str(binary), "--version")
    return said.removeprefix("db version v") or "none"


def _img2dataset(path: Path | None) -> str:
    if path is None:
        return "none"
    python = path.resolve().parent / "python"
    program = "from importlib.metadata import version; print(version('img2dataset'))"
    return first_line(str(python if python.exists() else sys.executable), "-c", program) or "of unknown version"
