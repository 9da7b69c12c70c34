"""A process that has ``lading`` imported already, and from which commands are forked: a script of ``commands.py``.

Half a second of each command would be imports. A command is a process of its own still, with the arguments, the folder,
the environment and the standard files that it is given, and it ends as any Python does.

Requests come by the socket whose number is the argument: one packet of JSON, with descriptors of standard input, output
and error, and of a socket for the answer, the exit status. When the socket is closed the server ends,
and its commands are killed: whoever wanted them is gone.
"""

import ctypes
import gc
import json
import os
import runpy
import signal
import socket
import sys
from typing import Any

import click

# What is to be imported but once: each command, and what a service loads for its usual configurations.
import lading.backends.local.storage
import lading.client
import lading.plugins.detectors.pillow.detector
import lading.plugins.fetchers.data
import lading.plugins.fetchers.http.fetcher
import lading.service.cli.client.send.sending
import lading.service.documents.mongo.store  # noqa: F401
from lading.service.cli.main import main as lading_command

for name in lading_command.list_commands(context := click.Context(lading_command)):
    lading_command.get_command(context, name)

PACKET = 1 << 17
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
PATH = tuple(sys.path)  # it is started with -P: no folder of a script


def next_command(requests: socket.socket) -> dict[str, Any]:
    """Wait for requests for ever; returns in the process that is to be the command."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for commands
    while True:
        packet, descriptors, _, _ = socket.recv_fds(requests, PACKET, 4)
        if not packet:
            sys.exit()
        if os.fork() == 0:
            requests.close()
            return forked(json.loads(packet), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def forked(command: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
    """Fork the command, and return in it alone; this process tells its number, waits for it and tells its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    die_with_parent()
    answers = descriptors.pop()
    pid = os.fork()
    if pid:
        for descriptor in descriptors:
            os.close(descriptor)
        os.write(answers, str(pid).encode())
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(answers, str(status).encode())
        os._exit(0)
    die_with_parent()
    os.close(answers)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    return command


def die_with_parent() -> None:
    """Be killed when the parent ends: the server, or the process that waits for the command; see prctl(2)."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    gc.freeze()  # no command looks for garbage among what all of them share
    command = next_command(socket.socket(fileno=int(sys.argv[1])))
    if command.get("session"):
        os.setsid()
    os.chdir(command["cwd"])
    os.environ.clear()
    os.environ.update(command["environ"])
    module = command.get("module", "lading")
    # As with ``python -P -m lading``, and with ``python -m`` for the tests' own modules.
    own = [] if module == "lading" else [command["cwd"]]
    sys.path[:] = [*own, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), *PATH]
    sys.argv[1:] = command["arguments"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
