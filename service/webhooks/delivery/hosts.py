"""The number of running requests to each host, and the time at which postponed deliveries may return."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 900.0
FIRST_GUESS: Final = 0.1
"""Seconds that a request is taken to need while nothing is known."""
REMEMBERED: Final = 1024


@dataclass(slots=True)
class _Host:
    running: int = 0
    seconds: float = FIRST_GUESS
    turn: float = 0.0


class Hosts:
    """The hosts that requests go to. What is known of those without a request is bounded.

    Args:
        limit: requests to one host at once.
        now: tells the time, in seconds.
    """

    def __init__(self, limit: int, now: Callable[[], float]) -> None:
        self._limit = limit
        self._now = now
        self._known: OrderedDict[str, _Host] = OrderedDict()

    def has_room(self, name: str) -> bool:
        """Whether a request may begin."""
        host = self._known.get(name)
        return host is None or host.running < self._limit

    def begin(self, name: str) -> None:
        """A request begins."""
        self._host(name).running += 1

    def end(self, name: str, seconds: float) -> None:
        """A request has ended, after so long."""
        host = self._host(name)
        host.running -= 1
        host.seconds += (seconds - host.seconds) / 4
        idle = [name for name, one in self._known.items() if not one.running]
        for forgotten in idle[: max(0, len(self._known) - REMEMBERED)]:
            del self._known[forgotten]

    def pause(self, name: str) -> float:
        """Seconds after which a request that there is no room for may come back: at the pace that the host has had, one
        after the other, so that a long queue is not looked at again and again.
        """
        host, now = self._host(name), self._now()
        host.turn = max(now + SHORTEST_PAUSE, host.turn + host.seconds / self._limit)
        if host.turn > now + LONGEST_PAUSE:
            host.turn = now + SHORTEST_PAUSE
            return LONGEST_PAUSE
        return host.turn - now

    def _host(self, name: str) -> _Host:
        host = self._known.setdefault(name, _Host())
        self._known.move_to_end(name)
        return host
