"""The process that saves small objects for ``saver``: requests on stdin, answers on stdout.

The first line has the root and the number of concurrent saves. Each further line is a request; the answers come in any
order. The process ends when stdin ends, and completes its running saves before: an object is visible completely or not
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
"""The largest size of a request in bytes: a key and a path."""
MAX_INTERNAL = 500
"""The longest explanation in characters: even with JSON's escapes, an answer is then shorter than PIPE_BUF, 4096 bytes.
"""


def main() -> None:
    """Serve until stdin ends; then exit."""
    # A signal meant for the service (Ctrl-C, a service manager's SIGTERM) must not end saves that the service waits
    # for.
    for name in ("SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"):
        signal.signal(signal.Signals[name], signal.SIG_IGN)
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
    """The answer to a request: empty if the object is durable, otherwise the error."""
    try:
        # The service may have given up and closed the file since: its descriptor may soon belong to another file.
        device, inode, written_at = request["identity"]
        upload = Upload(tree, request["key"], request["byte_size"])
        upload.save_file(request["path"], (device, inode, written_at))
    except StorageError as error:
        return {"error": type(error).__name__, "internal": error.internal[:MAX_INTERNAL]}
    except OSError as error:
        return {"errno": error.errno or 0, "internal": str(error)[:MAX_INTERNAL]}
    except Exception as error:  # noqa: BLE001 - who waits for an answer gets one
        return {"error": "StorageUnavailable", "internal": f"{type(error).__name__}: {error}"[:MAX_INTERNAL]}
    return {}
