"""What may be left behind: tasks, threads, file descriptors (sockets too), child processes and files. For Linux."""

import asyncio
import gc
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

SETTLE_SECONDS = 20.0
"""How long ends are waited for: a closed connection takes a few rounds of the loop to be gone."""
_COLLECTED: Final = (
    ". The garbage collector removes some of it: it was not closed, and only a reference cycle keeps it, such as the"
    " connection of a failed request whose error holds it. Look in the plugin, and in the methods of the suite"
)


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
            gc.collect()
            collected = "" if _everything() >= leaks else _COLLECTED
            raise AssertionError(f"left behind after close: {sorted(map(str, leaks))}{collected}")
        await asyncio.sleep(0.01)


@contextmanager
def temporary_folder(within: Path | None = None) -> Iterator[Path]:
    """An empty folder for all temporary files of this process and of the children that it starts meanwhile.

    Args:
        within: where the folder is made, and where it is removed at the end; by default, where others are.
    """
    with tempfile.TemporaryDirectory(dir=within) as name:
        before, tempfile.tempdir = tempfile.tempdir, name
        had, os.environ["TMPDIR"] = os.environ.get("TMPDIR"), name
        try:
            yield Path(name)
        finally:
            tempfile.tempdir = before
            if had is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = had


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
