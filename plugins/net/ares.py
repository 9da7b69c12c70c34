"""Asks name servers through c-ares, with no thread of ours that blocks. This is the only module that knows pycares.

c-ares reads ``/etc/resolv.conf`` (name servers, search domains, options) and the ``files`` and ``dns`` of
``/etc/nsswitch.conf``, looks into ``/etc/hosts`` first where that says so, asks for IPv4 and IPv6 at once, and sorts by
RFC 6724. It knows no other services of ``nsswitch.conf`` (mDNS, LDAP, NIS).
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple, cast

import pycares

from ..errors import DnsFailed, HostNotFound
from .system import SystemNames

KEPT_CHANNELS: Final = 4
USES: Final = 8
"""Look-ups that a channel serves: c-ares keeps all its answers for as long as a name server likes, without bound."""

TRIES: Final = 6
"""Questions to each name server. c-ares repeats them the sooner the faster the server was before, down to 250 ms; with
its usual three it would give up on a slow answer long before the look-up's time is over."""

_NO_SUCH_HOST: Final = frozenset(
    {pycares.errno.ARES_ENOTFOUND, pycares.errno.ARES_ENODATA, pycares.errno.ARES_EBADNAME}
)
_Answer = tuple[pycares.AddrInfoResult | None, int | None]


class _Used(NamedTuple):
    channel: pycares.Channel
    uses: int


class AresNames:
    """See ``lading.plugins.net.resolver.Names``.

    A channel serves one look-up at a time, since c-ares can cancel the look-ups of a channel only together, and counts
    the silence of a name server against the whole channel. Each has a thread of c-ares' own, in which also an answer of
    thousands of addresses is read: it does not hold up the event loop. That thread follows changes of
    ``/etc/resolv.conf``.

    Args:
        timeout: seconds that a look-up has; another name server, or the same once more, is asked after a third of them.
        make: makes a channel, for tests.
        otherwise: looks up where no channel can be made: the system lends a user few watches of ``resolv.conf``
            (``fs.inotify.max_user_instances``).
    """

    def __init__(
        self,
        timeout: float,
        make: Callable[..., pycares.Channel] = pycares.Channel,
        otherwise: SystemNames | None = None,
    ) -> None:
        self._seconds = timeout / 3
        self._make = make
        self._otherwise = otherwise or SystemNames()
        self._idle: list[_Used] = []
        self._answers: set[asyncio.Future[_Answer]] = set()
        self._closed = False

    async def look_up(self, host: str, ended: Callable[[], None]) -> tuple[str, ...]:
        """See ``Names.look_up``."""
        if host == "localhost":
            # c-ares gives ::1 besides 127.0.0.1 whatever ``/etc/hosts`` says; the system reads it there and waits for
            # no name server.
            return await self._otherwise.look_up(host, ended)
        try:
            used = self._idle.pop() if self._idle else _Used(self._make(timeout=self._seconds, tries=TRIES), 0)
        except (pycares.AresError, RuntimeError):  # no watch, no descriptor, no thread
            return await self._otherwise.look_up(host, ended)
        is_settled = False
        try:
            result, error = await self._ask(used.channel, host)
            # A channel whose name server was silent may have more to come.
            is_settled = error is None or error in _NO_SUCH_HOST
        finally:
            ended()
            self._put_back(used, is_settled=is_settled)
        if error is None and result is not None:
            return tuple(dict.fromkeys(_text(node.addr) for node in result.nodes))
        reason = f"{host}: {cast('str', pycares.errno.strerror(error or 0))}"
        raise HostNotFound(reason) if error in _NO_SUCH_HOST else DnsFailed(reason)

    def close(self) -> None:
        """End every wait with ``DnsFailed``, and every look-up."""
        self._closed = True
        for used in self._idle:
            used.channel.close()
        self._idle.clear()
        for answer in self._answers:
            if not answer.done():
                answer.set_exception(DnsFailed("the resolver was closed"))
        self._otherwise.close()

    async def _ask(self, channel: pycares.Channel, host: str) -> _Answer:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_Answer] = loop.create_future()

        def settle(result: pycares.AddrInfoResult | None, error: int | None) -> None:
            if not answer.done():
                answer.set_result((result, error))

        def told(result: pycares.AddrInfoResult | None, error: int | None) -> None:
            """In the channel's thread, or in this one before the call returns."""
            with suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(settle, result, error)

        self._answers.add(answer)
        try:
            channel.getaddrinfo(host, None, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM, callback=told)
            return await answer
        except pycares.AresError as error:
            return None, int(error.args[0])
        finally:
            self._answers.discard(answer)

    def _put_back(self, used: _Used, *, is_settled: bool) -> None:
        used = _Used(used.channel, used.uses + 1)
        if is_settled and not self._closed and used.uses < USES and len(self._idle) < KEPT_CHANNELS:
            self._idle.append(used)
        else:
            used.channel.close()  # which cancels, in a thread of pycares' own


def _text(address: tuple[bytes, int] | tuple[bytes, int, int, int]) -> str:
    """An address as the policy reads it; one with a zone is denied by that (RFC 4007)."""
    text = address[0].decode("ascii")
    is_scoped = len(address) == 4 and address[3]  # noqa: PLR2004 - a socket address of IPv6
    return text + "%zone" if is_scoped else text
