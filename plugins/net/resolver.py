"""Looks hosts up, within a time, in threads of its own, and refuses a host of which any address is denied."""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import Executor
from ipaddress import ip_address

from ..errors import AddressNotAllowed, DnsFailed, HostNotFound
from .addresses import AddressPolicy

Lookup = Callable[[str], tuple[str, ...]]
"""Gives the addresses of a host name as texts, in the order of preference. Blocks; raises ``socket.gaierror``."""

LOOKUP_THREADS = 16
MAX_PENDING = 256
MAX_ADDRESSES = 6

_NO_SUCH_HOST = frozenset(
    code for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY") if (code := getattr(socket, name, None)) is not None
)


def system_lookup(host: str) -> tuple[str, ...]:
    """Ask the system's resolver; blocks. See ``Lookup``."""
    # As bytes, so that Python's own IDNA 2003 codec has no say.
    infos = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    # An IPv6 address with a scope comes as address%zone, and is denied by that.
    return tuple(dict.fromkeys(str(info[4][0]) for info in infos))


class HostResolver:
    """Resolves host names to addresses that the policy allows.

    Concurrent lookups of one host are made once. At most 256 hosts are looked up or wait for a thread at a time: a
    thread cannot be interrupted, and must not be queued for without end when name servers do not answer.

    Args:
        policy: judges every address.
        timeout: seconds that a lookup may take.
        executor: where lookups block; owned by the caller, who shuts it down first at the end.
        lookup: asks the name service.
    """

    def __init__(self, policy: AddressPolicy, timeout: float, executor: Executor, lookup: Lookup) -> None:
        self._policy = policy
        self._timeout = timeout
        self._executor = executor
        self._lookup = lookup
        self._pending: dict[str, asyncio.Future[tuple[str, ...]]] = {}

    async def resolve(self, host: str) -> tuple[str, ...]:
        """Up to six addresses of a host name, each of them allowed, as are all those that were left out.

        Raises:
            AddressNotAllowed: any address is denied.
            HostNotFound: the name does not exist or has no address.
            DnsFailed: the name service did not answer in time, or could not say.
        """
        addresses = await self.look_up(host)
        for address in addresses:
            verdict = self._policy.verdict(address)
            if not verdict.allowed:
                raise AddressNotAllowed(f"{host}: {address}: {verdict.rule}")
        return tuple(str(ip_address(address)) for address in addresses[:MAX_ADDRESSES])

    async def look_up(self, host: str) -> tuple[str, ...]:
        """All addresses of a host name, at least one, as the name service gives them; none has been judged.

        Raises:
            HostNotFound, DnsFailed: as ``resolve``.
        """
        future = self._pending.get(host) or self._begin(host)
        # Not awaited itself: a waiter that is cancelled must not cancel the lookup of the others.
        await asyncio.wait((future,), timeout=self._timeout)
        if not future.done():
            raise DnsFailed(f"{host}: no answer within {self._timeout:g} s")
        if future.cancelled():
            raise DnsFailed(f"{host}: the resolver was closed")
        error = future.exception()
        if isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_HOST:
            raise HostNotFound(f"{host}: {error.strerror}") from error
        if error is not None:
            raise DnsFailed(f"{host}: {error}") from error
        if not (addresses := future.result()):
            raise HostNotFound(f"{host}: no address")
        return addresses

    def _begin(self, host: str) -> asyncio.Future[tuple[str, ...]]:
        if len(self._pending) >= MAX_PENDING:
            raise DnsFailed(f"{host}: {MAX_PENDING} lookups are under way already")
        loop = asyncio.get_running_loop()
        try:
            future = loop.run_in_executor(self._executor, self._lookup, host)
        except RuntimeError as error:
            raise DnsFailed(f"{host}: the resolver was closed") from error
        self._pending[host] = future
        future.add_done_callback(lambda done: self._end(host, done))
        return future

    def _end(self, host: str, future: asyncio.Future[tuple[str, ...]]) -> None:
        del self._pending[host]
        if not future.cancelled():
            future.exception()  # looked at, since every waiter may have left by now
