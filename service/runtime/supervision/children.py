"""The children of a supervisor, and which of them serve."""

import asyncio
import contextlib
import signal
import time
from asyncio.subprocess import Process
from typing import Final

SERVING: Final = b"\n"
"""What a child says when it serves."""


class Children:
    """The running children, by their numbers, and which of them serve."""

    def __init__(self) -> None:
        self._running: dict[int, Process] = {}
        self._stale: set[int] = set()
        self._since: dict[int, float] = {}
        self.by_some = asyncio.Event()
        """Set while at least one child serves."""
        self.by_none = asyncio.Event()
        """Set while no child serves."""
        self.by_none.set()

    def started(self, number: int, child: Process) -> None:
        """A child has started."""
        self._running[number] = child

    def serves(self, number: int) -> None:
        """A child serves, and understands signals."""
        self._since[number] = time.monotonic()
        self.by_some.set()
        self.by_none.clear()
        if number in self._stale:
            self._stale.discard(number)
            self._running[number].send_signal(signal.SIGHUP)

    def reload(self) -> None:
        """Let the children reload; a child that starts does so when it serves, since it may have read the configuration
        before its change.
        """
        for number, child in self._running.items():
            if number in self._since:
                child.send_signal(signal.SIGHUP)
            else:
                self._stale.add(number)

    async def kill(self) -> None:
        """Kill the children; they have ended when this returns."""
        children = list(self._running.values())
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
        await asyncio.gather(*(child.wait() for child in children))

    def ended(self, number: int) -> float:
        """A child has ended; the seconds for which it served, 0 if it never did."""
        self._running.pop(number, None)
        self._stale.discard(number)
        now = time.monotonic()
        served = now - self._since.pop(number, now)
        if not self._since:
            self.by_some.clear()
            self.by_none.set()
        return served
