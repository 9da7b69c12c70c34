"""The process that decodes: started by ``pillow``, told what to do in JSON lines on stdin, answers on stdout.

The first line tells the limits, every further one names files, and what is wanted of them; each is answered with one
line, in which tabs separate the answers about the files. The process confines itself before it opens the first file,
ends when stdin does, and holds nothing that is worth stealing: no environment, no open file but the image, which it
opens for reading only.
"""

import base64
import ctypes
import json
import math
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, BinaryIO

from . import decode
from .cost import Costly
from .limits import MAX_INTERNAL, MAX_LINE, Limits, Refused
from .thumbnails.making import make
from .thumbnails.placeholder import describe

_MAX_OPEN_FILES = 32
_GROUP_SECONDS = 0.01
"""After so long, no further file of a question is begun: other issuers may wait."""
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until stdin ends; then exit."""
    # A signal meant for the service (Ctrl-C, a service manager's SIGTERM) must not end what it still waits for.
    for name in ("SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"):
        signal.signal(signal.Signals[name], signal.SIG_IGN)
    requests = sys.stdin.buffer
    answers = _take_stdout()
    start = json.loads(requests.readline(MAX_LINE))
    limits = Limits(**start["limits"] | {"formats": tuple(start["limits"]["formats"])})
    _die_with(start["parent"])
    decode.configure(limits)
    _confine(limits.memory_limit)
    _send(answers, {"ready": True})
    while request := requests.readline(MAX_LINE):
        _send(answers, *_answered(json.loads(request), limits))


def _take_stdout() -> BinaryIO:
    """A private copy of stdout; nothing that a library prints can reach the parent."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return answers


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, also in the middle of decoding.

    On Linux that is prctl(2), which means the thread that started this process: the one of the event loop. Elsewhere
    the end of stdin has to do, which is noticed after the image in hand.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def _confine(memory_limit: int) -> None:
    """Give up, for good, memory beyond the limit, writing files, core dumps and most file descriptors."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MAX_OPEN_FILES, _MAX_OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit, memory_limit))


def _renew_cpu_time(seconds: int) -> None:
    """Allow ``seconds`` of CPU time more than has been used; SIGXCPU, which nobody handles here, ends the process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(usage.ru_utime + usage.ru_stime) + seconds
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _answered(asked: dict[str, Any], limits: Limits) -> Iterator[dict[str, Any]]:
    """Answer for one file after another, each with a CPU time of its own, until time is up."""
    ends = time.monotonic() + _GROUP_SECONDS
    for path in asked["paths"]:
        _renew_cpu_time(asked["cpu_limit"])
        yield _answer(path, asked, limits)
        if time.monotonic() > ends:
            return


def _answer(path: str, asked: dict[str, Any], limits: Limits) -> dict[str, Any]:
    may_be_costly = asked["may_be_costly"]
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC), "rb") as file:
            if asked["wanted"] == "recognised":
                return {"recognised": decode.recognise(file, limits, may_be_costly=may_be_costly)._asdict()}
            if asked["wanted"] == "placeholder":
                return {"placeholder": asdict(describe(file, limits, may_be_costly=may_be_costly))}
            wanted = asked["thumbnail"]
            made = make(file, limits, wanted["side"], wanted["content_type"], may_be_costly=may_be_costly)
            return {"thumbnail": base64.b64encode(made).decode("ascii")}
    except Costly:
        return {"costly": True}
    except Refused as refused:
        return {"refused": {"code": refused.code, "facts": refused.facts, "internal": _printable(refused.internal)}}
    except MemoryError:
        return {"refused": {"code": "image_too_complex", "facts": {"resource": "memory"}, "internal": ""}}
    except OSError as error:
        return {"unreadable": _printable(str(error))}


def _printable(text: str) -> str:
    """The text without anything that could forge a line of the log, and not too long for it."""
    return ascii(text)[1:-1][:MAX_INTERNAL]


def _send(answers: BinaryIO, *told: dict[str, Any]) -> None:
    rest = memoryview("\t".join(map(json.dumps, told)).encode("ascii") + b"\n")
    while rest:
        rest = rest[answers.write(rest) :]
