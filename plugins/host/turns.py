"""Places that issuers get in turn: an issuer with a thousand calls delays another's single call by one (P7).

with on_behalf_of(issuer_id):
    async with turns.turn(): ...
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import NamedTuple
from weakref import WeakSet

_issuer: ContextVar[str] = ContextVar("lading_issuer", default="")


class on_behalf_of:  # noqa: N801  # called like a function
    """What the block asks for, it asks for this issuer; calls outside of any such block count as those of one more.

    A class, since a generator of contextlib costs more.
    """

    __slots__ = ("_issuer_id", "_token")

    def __init__(self, issuer_id: str) -> None:
        self._issuer_id = issuer_id

    def __enter__(self) -> None:
        self._token = _issuer.set(self._issuer_id)

    def __exit__(self, *_: object) -> None:
        _issuer.reset(self._token)


def on_behalf_of_all() -> AbstractContextManager[None]:
    """What the block asks for serves every issuer, so it waits in no issuer's queue."""
    return on_behalf_of("")


def act_for(issuer_id: str) -> None:
    """What the present task asks for from now on, and what the tasks that it begins ask for, is for this issuer."""
    _issuer.set(issuer_id)


def present_issuer() -> str:
    """The issuer for which the present task asks; empty outside of any ``on_behalf_of``."""
    return _issuer.get()


class Occupancy(NamedTuple):
    """How many places are in use, how many are free, and how many calls wait for one."""

    in_use: int
    free: int
    waiting: int = 0


class Turns:
    """So many places. A place that becomes free goes to the issuer that was served longest ago and may have one more.

    Calls of one issuer are served in their order. Nobody waits for a free place that its issuer may have. Cancelling a
    wait loses no place. The places belong to one event loop.

    Args:
        places: how many calls have a place at once, at least 1.
        per_issuer: how many one issuer may hold, so that no issuer can hold them all; without it, all of them.
        leaves_room: whether an issuer may have one more only while it holds fewer places than are free. One issuer
            then holds half of the places at most, and leaves the other half to further issuers. It is for places that
            are held for long, where a turn would come too late.
        name: under which operators see them, see ``named_places``; None for places that nobody asks for.
    """

    def __init__(
        self, places: int, per_issuer: int | None = None, *, leaves_room: bool = False, name: str | None = None
    ) -> None:
        self.name = name
        if name is not None:
            _named.add(self)
        self._free = places
        self._per_issuer = per_issuer or places
        self._leaves_room = leaves_room
        self._held: dict[str, int] = {}  # no Counter, whose methods are not of C
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """By issuer, in the order in which the issuers are served. No queue is empty."""

    def has_room(self, issuer: str | None = None) -> bool:
        """Whether an issuer, the present one unless given, gets a place without a wait."""
        return self._free > 0 and self._may_hold(present_issuer() if issuer is None else issuer)

    @property
    def taken(self) -> int:
        """The number of places that are held."""
        return sum(self._held.values())

    @property
    def occupancy(self) -> Occupancy:
        """The places of this moment."""
        return Occupancy(self.taken, self._free, sum(map(len, self._waiting.values())))

    def take_now(self, issuer: str | None = None) -> Callable[[], None] | None:
        """A place for an issuer, the present one unless given, as ``take`` gives it, or None where that would be a
        wait.
        """
        issuer = present_issuer() if issuer is None else issuer
        if not self.has_room(issuer):
            return None
        self._hold(issuer)
        return partial(self._give_back, issuer)

    async def take(self, seconds: float | None = None) -> Callable[[], None]:
        """Wait for a place for the present issuer, and hold it.

        Args:
            seconds: how long to wait; without end where it is None.

        Returns:
            what gives the place back; to be called exactly once, in the event loop.

        Raises:
            TimeoutError: there was none for so many seconds.
        """
        give_back = self.take_now()
        if give_back is not None:
            return give_back
        issuer = present_issuer()
        await self._wait(issuer, seconds)
        return partial(self._give_back, issuer)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Have a place for the block."""
        give_back = await self.take()
        try:
            yield
        finally:
            give_back()

    async def _wait(self, issuer: str, seconds: float | None) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(issuer, deque()).append(place)
        try:
            async with asyncio.timeout(seconds):
                await place
        except BaseException:
            if place.done() and not place.cancelled():
                self._give_back(issuer)  # it came at the moment at which the wait ended
            else:
                self._leave(issuer, place)
            raise

    def _may_hold(self, issuer: str) -> bool:
        held = self._held.get(issuer, 0)
        return held < self._per_issuer and (not self._leaves_room or held < self._free)

    def _hold(self, issuer: str) -> None:
        self._free -= 1
        self._held[issuer] = self._held.get(issuer, 0) + 1

    def _give_back(self, issuer: str) -> None:
        self._free += 1
        held = self._held[issuer] - 1
        if held:
            self._held[issuer] = held
        else:
            del self._held[issuer]  # issuers are without number
        if self._waiting:
            self._serve()

    def _leave(self, issuer: str, place: asyncio.Future[None]) -> None:
        queue = self._waiting.get(issuer)
        if queue is None or place not in queue:
            return  # it was passed over, since its wait had ended
        queue.remove(place)
        if not queue:
            del self._waiting[issuer]

    def _serve(self) -> None:
        while self._free:
            issuer = next(filter(self._may_hold, self._waiting), None)
            if issuer is None:
                return
            queue = self._waiting[issuer]
            place = queue.popleft()
            if queue:
                self._waiting.move_to_end(issuer)
            else:
                del self._waiting[issuer]
            if not place.done():  # its wait has just ended
                self._hold(issuer)
                place.set_result(None)


_named: WeakSet[Turns] = WeakSet()


def named_places() -> Mapping[str, Occupancy]:
    """The places of this process that have a name, wherever they are; those of one name are added up."""
    found: dict[str, Occupancy] = {}
    for turns in tuple(_named):
        if turns.name is not None:  # which is true of all of them, and not known to mypy
            more = turns.occupancy
            found[turns.name] = Occupancy(*map(sum, zip(found.get(turns.name, (0, 0, 0)), more, strict=True)))
    return found
