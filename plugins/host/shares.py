"""Places that tenants share: each has a bound of its own, and a free place goes to the tenants in turn (P7).

    with on_behalf_of(issuer_id):
        give_back = await shares.take(present_issuer(), seconds)   # waits while the tenant, or all, hold what they may

Waiting for a place is the service's own affair: it says nothing of an origin or an image, so no clock that judges
these runs meanwhile (``own_wait``).
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Final

MAX_WAIT: Final = 30.0
"""Seconds that a fetch waits for places, in all. The plugin's deadline must leave room for them."""

_pause: ContextVar[Callable[[float], AbstractContextManager[float]]] = ContextVar("lading_pause", default=nullcontext)


@contextmanager
def pausing(pause: Callable[[float], AbstractContextManager[float]]) -> Iterator[None]:
    """Within the block, ``own_wait`` enters ``pause(seconds)``, which stops clocks and says how long a wait may be."""
    token = _pause.set(pause)
    try:
        yield
    finally:
        _pause.reset(token)


def own_wait(seconds: float = MAX_WAIT) -> AbstractContextManager[float]:
    """Around a wait for a place of our own: the clocks of the present work stand still. It gives the seconds that the
    wait may take, at most ``seconds``.
    """
    return _pause.get()(seconds)


class Shares:
    """The places, of which each tenant holds a bounded number. It belongs to one event loop.

    Args:
        places: how many there are.
        per_tenant: how many one tenant may hold; fewer than ``places``, so that no tenant can hold them all.
    """

    def __init__(self, places: int, per_tenant: int) -> None:
        self._free = places
        self._per_tenant = per_tenant
        self._held: Counter[str] = Counter()
        # In the order in which the tenants are served next.
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    def has_room(self, tenant: str) -> bool:
        """Whether ``take`` has nothing to wait for."""
        return self._free > 0 and self._held[tenant] < self._per_tenant and not self._waiting.get(tenant)

    async def take(self, tenant: str, seconds: float) -> Callable[[], None]:
        """Wait for a place, and hold it.

        Returns:
            what gives the place back; to be called exactly once, in the event loop.

        Raises:
            TimeoutError: there was none for so many seconds.
        """
        if self.has_room(tenant):
            self._hold(tenant)
            return partial(self._give_back, tenant)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._give_back(tenant)  # it came at the moment at which the wait ended
            else:
                self._leave(tenant, turn)
            raise
        return partial(self._give_back, tenant)

    def _hold(self, tenant: str) -> None:
        self._free -= 1
        self._held[tenant] += 1

    def _give_back(self, tenant: str) -> None:
        self._free += 1
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]  # tenants are without number
        self._serve()

    def _leave(self, tenant: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(tenant)
        if queue is None or turn not in queue:
            return  # it was passed over, since its wait had ended
        queue.remove(turn)
        if not queue:
            del self._waiting[tenant]

    def _serve(self) -> None:
        while self._free:
            tenant = next((one for one in self._waiting if self._held[one] < self._per_tenant), None)
            if tenant is None:
                return
            queue = self._waiting[tenant]
            turn = queue.popleft()
            if queue:
                self._waiting.move_to_end(tenant)
            else:
                del self._waiting[tenant]
            if not turn.done():  # its wait has just ended
                self._hold(tenant)
                turn.set_result(None)
