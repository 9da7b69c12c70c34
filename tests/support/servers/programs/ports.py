"""Ports for servers that must be told theirs before they start."""

import random
import socket
from contextlib import closing
from typing import Final

PORTS: Final = range(15_000, 32_000)
"""Below the ports that Linux chooses by itself (``net.ipv4.ip_local_port_range``: 32768 to 60999). Any connection may
take one of those before the server starts that is to have it.
"""

_random = random.SystemRandom()  # no seed: processes of one test run must not choose the same


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now, and that the kernel gives to nobody.

    Raises:
        RuntimeError: a hundred ports are all in use.
    """
    for _ in range(100):
        port = _random.choice(PORTS)
        with closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port found")
