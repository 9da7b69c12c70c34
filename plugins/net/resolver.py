"""Looks hosts up, within a time and in turn with other tenants, and refuses a host of which any address is denied."""

import asyncio
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final, Protocol

from ..errors import AddressNotAllowed, DnsFailed, FetcherBusy, HostNotFound
from ..host.record import enter
from ..host.turns import Turns
from ..host.waits import own_wait
from .addresses import AddressPolicy

LOOKUPS: Final = 16
"""Look-ups at once; with ``resolver = system`` each of them blocks a thread."""
LOOKUPS_PER_TENANT: Final = 4
MAX_ADDRESSES: Final = 6


class Names(Protocol):
    """What asks the name service."""

    async def look_up(self, host: str, ended: Callable[[], None]) -> tuple[str, ...]:
        """The addresses of a host name as texts, in the order of preference.

        Args:
            host: canonical, as ``HttpUrl.host`` has it.
            ended: called once, in the event loop, when the look-up holds nothing any more, whether or not it was
                cancelled before.

        Raises:
            HostNotFound: the name does not exist or has no address.
            DnsFailed: the name service could not say.
            FetcherBusy: it was not asked.
        """
        ...

    def close(self) -> None:
        """End every look-up under way with ``DnsFailed``."""
        ...


class HostResolver:
    """Resolves host names to addresses that the policy allows.

    A look-up waits for one of ``LOOKUPS`` places, of which a tenant holds ``LOOKUPS_PER_TENANT`` at most. That wait is
    no part of its time.

    Args:
        policy: judges every address.
        timeout: seconds that a look-up may take.
        names: asks the name service.
    """

    def __init__(self, policy: AddressPolicy, timeout: float, names: Names) -> None:
        self._policy = policy
        self._timeout = timeout
        self._names = names
        self._turns = Turns(LOOKUPS, LOOKUPS_PER_TENANT, name="lookups")

    async def resolve(self, host: str) -> tuple[str, ...]:
        """Up to six addresses of a host name, each of them allowed, as are all those that were left out.

        Raises:
            AddressNotAllowed: any address is denied.
            HostNotFound: the name does not exist or has no address.
            DnsFailed: the name service did not answer in time, or could not say.
            FetcherBusy: no place for a look-up was free.
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
            HostNotFound, DnsFailed, FetcherBusy: as ``resolve``.
        """
        ended = await self._place(host)
        enter("dns")
        try:
            async with asyncio.timeout(self._timeout):
                addresses = await self._names.look_up(host, ended)
        except TimeoutError as error:
            raise DnsFailed(f"{host}: no answer within {self._timeout:g} s") from error
        if not addresses:
            raise HostNotFound(f"{host}: no address")
        return addresses

    async def _place(self, host: str) -> Callable[[], None]:
        """A place for one look-up."""
        if not self._turns.has_room():
            enter("turn")
        with own_wait() as seconds:
            try:
                return await self._turns.take(seconds)
            except TimeoutError as error:
                raise FetcherBusy(f"{host}: no place for a name look-up was free") from error
