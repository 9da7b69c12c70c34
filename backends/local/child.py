"""The process that saves small objects for ``local_saver``: requests on stdin, answers on stdout.

The first line tells the root and how many saves run at the same time; each further one is a request, answered in any
order. The process ends when stdin does, and what it has begun is completed before: an object is visible whole or not
at all, whoever waits for it.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

from ...plugins.errors import StorageError
from .transfers import Upload
from .tree import Tree

MAX_LINE = 16 * 1024
"""Bytes of a request: a key and a path."""
MAX_INTERNAL = 500
"""Characters of an explanation: in JSON's escapes, an answer is then shorter than PIPE_BUF, 4096 bytes."""


def main() -> None:
    """Serve until stdin ends; then exit."""
    # A signal meant for the service (Ctrl-C, a service manager's SIGTERM) must not end what it still waits for.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    requests = sys.stdin.buffer
    start = json.loads(requests.readline(MAX_LINE))
    tree = Tree(Path(start["root"]))
    turn = threading.Lock()
    threads = [threading.Thread(target=_serve, args=(requests, turn, tree)) for _ in range(start["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _serve(requests: BinaryIO, turn: threading.Lock, tree: Tree) -> None:
    while True:
        with turn:
            line = requests.readline(MAX_LINE)
        if not line:
            return
        request = json.loads(line)
        answer = {"id": request["id"], **_saved(tree, request)}
        # One write of less than PIPE_BUF bytes is never mixed with another (pipe(7)).
        os.write(1, json.dumps(answer).encode("ascii") + b"\n")


def _saved(tree: Tree, request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request: nothing where the object is durable, or what has become of it."""
    try:
        # Whoever asked may have given up and closed the file since: its descriptor's number is soon another's.
        device, inode, written_at = request["identity"]
        upload = Upload(tree, request["key"], request["byte_size"])
        upload.save_file(Path(request["path"]), (device, inode, written_at))
    except StorageError as error:
        return {"error": type(error).__name__, "internal": error.internal[:MAX_INTERNAL]}
    except OSError as error:
        return {"errno": error.errno or 0, "internal": str(error)[:MAX_INTERNAL]}
    except Exception as error:  # noqa: BLE001 - who waits for an answer gets one
        return {"error": "StorageUnavailable", "internal": f"{type(error).__name__}: {error}"[:MAX_INTERNAL]}
    return {}
