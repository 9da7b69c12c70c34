"""Sockets that listen and stop accepting for a moment where the process has no file descriptor left.

Without the pause the event loop would be told of the waiting connection again and again, and log as often. The
connections wait meanwhile in the queue of the kernel.
"""

import errno
import socket
import time
from collections.abc import Sequence
from typing import Any, Final

import structlog
from tornado.ioloop import IOLoop

PAUSE: Final = 0.25
"""Seconds without accepting, after which it is tried again."""
CALM: Final = 10.0
"""Seconds without a shortage after which it is said to be over, so that it has one line however often it comes back."""
_NONE_LEFT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

log = structlog.get_logger(__name__)


class Shortage:
    """Says once that no descriptor is left, and once that there are some again."""

    def __init__(self, calm: float = CALM) -> None:
        self._calm = calm
        self._since: float | None = None
        self._last = 0.0

    def met(self, error: OSError) -> None:
        """A connection could not be accepted."""
        self._last = time.monotonic()
        if self._since is None:
            self._since = self._last
            log.error("no file descriptor is left; connections wait", reason=error.strerror)
            IOLoop.current().call_later(self._calm, self._look)

    def _look(self) -> None:
        rest = self._last + self._calm - time.monotonic()
        if rest > 0 or self._since is None:
            IOLoop.current().call_later(max(rest, 0.01), self._look)
            return
        log.info("connections are accepted again", seconds=round(self._last - self._since, 3))
        self._since = None


class PatientSocket(socket.socket):
    """A listening socket of Tornado's loop; see the module."""

    __slots__ = ("shortage",)
    shortage: Shortage

    def accept(self) -> tuple[socket.socket, Any]:
        """As ``socket.accept``; where no descriptor is left, as if no connection waited.

        Raises:
            BlockingIOError: there is none.
        """
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in _NONE_LEFT:
                raise
            self.shortage.met(error)
            self._listen_to(0)
            IOLoop.current().call_later(PAUSE, self._listen_to, IOLoop.READ)
            raise BlockingIOError(errno.EAGAIN, "no file descriptor is left") from error

    def _listen_to(self, events: int) -> None:
        try:
            IOLoop.current().update_handler(self, events)
        except (KeyError, ValueError, OSError):
            return  # the server has stopped meanwhile


def patient(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    """The same listening sockets; the given objects are closed, without their descriptors."""
    shortage = Shortage()
    made: list[socket.socket] = []
    for listening in sockets:
        one = PatientSocket(listening.family, listening.type, listening.proto, listening.detach())
        one.setblocking(False)
        one.shortage = shortage
        made.append(one)
    return made
