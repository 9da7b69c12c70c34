"""What is done with a connection beside Tornado, in a task of its own, before it closes."""

import asyncio
import socket
from abc import ABC, abstractmethod
from typing import Final

from ..in_flight import InFlight

AT_ONCE: Final = 64
"""The largest number of tasks of a kind; further connections just close."""


class Aside(ABC):
    """Serves connections that Tornado is about to close.

    Args:
        in_flight: counts the connections as running requests.
        name: of the tasks.
    """

    def __init__(self, in_flight: InFlight, name: str) -> None:
        self._in_flight = in_flight
        self._name = name
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, connection: socket.socket) -> None:
        """Serve the connection in a task of its own, on a copy of the socket, which the caller closes."""
        if len(self._tasks) >= AT_ONCE:
            return
        try:
            copy = connection.dup()
        except OSError:  # no file descriptor is left
            return
        task = asyncio.create_task(self._serve(copy), name=self._name)
        self._tasks.add(task)
        self._in_flight.begin(task)
        task.add_done_callback(self._ended)

    @abstractmethod
    async def _serve(self, connection: socket.socket) -> None:
        """Do the work, and close the socket."""

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._in_flight.end(task)
