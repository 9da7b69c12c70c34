"""What may be left behind: tasks, threads, file descriptors (sockets too) and child processes. For Linux."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

SETTLE_SECONDS = 20.0
"""How long ends are waited for: a closed connection takes a few rounds of the loop to be gone."""


@asynccontextmanager
async def no_leaks() -> AsyncIterator[None]:
    """Fail if tasks, threads, file descriptors or child processes are left that were not there before.

    Raises:
        AssertionError: naming them.
    """
    before = _everything()
    yield
    deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
    while leaks := _everything() - before:
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"left behind after close: {sorted(map(str, leaks))}")
        await asyncio.sleep(0.01)


def _everything() -> set[object]:
    return {*_descriptors(), *asyncio.all_tasks(), *_threads(), *_children()}


def _descriptors() -> set[tuple[str, str]]:
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor of the listing itself
            found.add((f"descriptor {link.name}", str(link.readlink())))
    return found


def _threads() -> set[threading.Thread]:
    # Threads of the loop's own default executor stay until the loop is closed.
    return {thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}


def _children() -> set[str]:
    children: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # the thread has ended meanwhile
            children.update(f"child {pid}" for pid in (task / "children").read_text().split())
    return children
