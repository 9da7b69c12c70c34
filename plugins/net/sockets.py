"""Makes the sockets of outgoing connections: the last place where an address is judged."""

import errno
import socket
from typing import Any
from weakref import WeakSet

from ..host.record import enter
from .addresses import AddressPolicy

AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]
"""As ``socket.getaddrinfo`` gives it: family, type, protocol, canonical name, socket address."""


class AddressDenied(OSError):
    """No socket was made, since the policy denies the address. An ``OSError``, which HTTP libraries expect here."""


class CheckedSockets:
    """Makes TCP sockets for allowed addresses, and knows how many of them are open.

    Args:
        policy: judges the address of every socket.
        many: number of open sockets beyond which ``are_many``.
    """

    def __init__(self, policy: AddressPolicy, many: int) -> None:
        self._policy = policy
        self._many = many
        self._made: WeakSet[socket.socket] = WeakSet()

    def make(self, info: AddressInfo) -> socket.socket:
        """A socket, not yet connected, that the caller closes.

        Raises:
            AddressDenied: the address in ``info`` is denied; nothing was sent to it.
            OSError: the system has no socket left.
        """
        family, kind, protocol, _, address = info
        verdict = self._policy.verdict(str(address[0]))
        if not verdict.allowed:
            raise AddressDenied(errno.EACCES, f"{address[0]}: {verdict.rule}")
        enter("connect")
        made = socket.socket(family, kind, protocol)
        self._made.add(made)
        return made

    def are_many(self) -> bool:
        """Whether so many are open that none should be kept idle."""
        if len(self._made) <= self._many:  # those that are closed, but not collected yet, among them
            return False
        return sum(made.fileno() != -1 for made in self._made) > self._many
