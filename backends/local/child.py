"""The process that saves small objects for ``saver``: requests on stdin, answers on stdout.

The first line has the root and the number of threads. Each further line is a request; the answers come in any order.
Where more requests wait than threads, a thread makes several saves together. The process ends when stdin ends, and
completes its running saves before: an object is visible completely or not at all, whoever waits for it.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...plugins.errors import StorageError
from .transfers import Upload
from .tree import Tree

MAX_LINE = 16 * 1024
"""The largest size of a request in bytes: a key and a path."""
MAX_INTERNAL = 500
"""The longest explanation in characters."""
MAX_GROUP = 8
"""Saves that a thread makes together: their syncs follow each other, and cost the filesystem fewer commits."""


def main() -> None:
    """Serve until stdin ends; then exit."""
    # A signal meant for the service (Ctrl-C, a service manager's SIGTERM) must not end saves that the service waits
    # for.
    for name in ("SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"):
        signal.signal(signal.Signals[name], signal.SIG_IGN)
    requests = Requests(sys.stdin.fileno())
    start = json.loads(requests.some(1)[0])
    tree = Tree(Path(start["root"]))
    turn = threading.Lock()
    threads = [threading.Thread(target=_serve, args=(requests, turn, tree)) for _ in range(start["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Requests:
    """The lines of a pipe, for several threads.

    Args:
        descriptor: of the pipe.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self._lines: list[bytes] = []
        self._rest = b""
        self._idle = 0

    def some(self, most: int) -> list[bytes]:
        """The share of the calling thread in the lines that are there. Waits for a line; no lines are the end."""
        with self._counting:
            self._idle += 1
        with self._turn:
            while not self._lines:
                data = os.read(self._descriptor, 4 * MAX_LINE)
                if not data:
                    return []
                *self._lines, self._rest = (self._rest + data).split(b"\n")
            with self._counting:
                count = min(most, -(-len(self._lines) // self._idle))
                self._idle -= 1
            taken, self._lines = self._lines[:count], self._lines[count:]
            return taken


def _serve(requests: Requests, turn: threading.Lock, tree: Tree) -> None:
    while lines := requests.some(MAX_GROUP):
        answers = memoryview(b"".join(answer + b"\n" for answer in _saved(tree, lines)))
        with turn:
            while answers:
                answers = answers[os.write(1, answers) :]


def _saved(tree: Tree, lines: Sequence[bytes]) -> Iterator[bytes]:
    """Save the objects of these requests, step by step together; an answer to each."""
    requests = [json.loads(line) for line in lines]
    errors: dict[int, dict[str, Any]] = {}
    running = [(request["id"], _steps(tree, request)) for request in requests]
    while running:
        going_on = []
        for number, steps in running:
            try:
                next(steps)
                going_on.append((number, steps))
            except StopIteration:
                pass
            except Exception as error:  # noqa: BLE001 - who waits for an answer gets one
                errors[number] = _told(error)
        running = going_on
    for request in requests:
        yield json.dumps({"id": request["id"], **errors.get(request["id"], {})}).encode("ascii")


def _steps(tree: Tree, request: dict[str, Any]) -> Iterator[None]:
    # The service may have given up and closed the file since: its descriptor may soon belong to another file.
    device, inode, written_at = request["identity"]
    upload = Upload(tree, request["key"], request["byte_size"])
    yield from upload.steps(request["path"], (device, inode, written_at))


def _told(error: Exception) -> dict[str, Any]:
    """What the service is told of an error."""
    if isinstance(error, StorageError):
        return {"error": type(error).__name__, "internal": error.internal[:MAX_INTERNAL]}
    if isinstance(error, OSError):
        return {"errno": error.errno or 0, "internal": str(error)[:MAX_INTERNAL]}
    return {"error": "StorageUnavailable", "internal": f"{type(error).__name__}: {error}"[:MAX_INTERNAL]}
