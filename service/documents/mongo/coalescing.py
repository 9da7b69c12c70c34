"""Concurrent writes share one command: writes that arrive during a command go out together in the next."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from ....plugins.host.turns import Turns
from .. import StoreUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


class Coalescer(Generic[Item, Result]):
    """Gathers items into batches. An item that is alone waits for nobody.

    Args:
        send: writes a batch, which is never empty; gives an outcome for every item, in order: a result, or an exception
            that is raised where the item was submitted. What ``send`` raises itself is the outcome of every item.
        size: size of an item in bytes.
        max_items, max_bytes: bounds of a batch; an item that is larger than ``max_bytes`` goes alone.
        in_flight: how many batches are under way at most.
        capacity: how many items wait or are under way at most; further callers wait for a place, in turn by issuer.
        patience: seconds for which a caller waits for a place.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        size: Callable[[Item], int],
        patience: float,
        max_items: int = 500,
        max_bytes: int = 8 * 1024**2,
        in_flight: int = 2,
        capacity: int = 1000,
    ) -> None:
        self._send = send
        self._size = size
        self._patience = patience
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._in_flight = in_flight
        self._places = Turns(capacity)
        self._waiting: dict[asyncio.Future[Result], Item] = {}
        self._senders: set[asyncio.Task[None]] = set()
        self._sending = 0
        self._starting = False
        self._closed = False

    async def submit(self, item: Item) -> Result:
        """Write the item with others, and return its result.

        A caller that is cancelled leaves the others alone; its item is withdrawn where it was not under way yet.

        Raises:
            StoreUnavailable: there was no place in time, or the coalescer is closed.
            Exception: the item's own outcome.
        """
        give_back = await self._take_place()
        try:
            future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
            self._waiting[future] = item
            self._begin()
            try:
                return await future
            finally:
                self._waiting.pop(future, None)
        finally:
            give_back()

    async def close(self) -> None:
        """Take nothing more, and return when all that was taken has its outcome. May be called twice."""
        self._closed = True
        while self._senders:
            await asyncio.wait(tuple(self._senders))

    async def _take_place(self) -> Callable[[], None]:
        try:
            give_back = await self._places.take(self._patience)
        except TimeoutError:
            raise StoreUnavailable("too many writes are waiting for the database") from None
        if self._closed:
            give_back()
            raise StoreUnavailable("the document store is closed")
        return give_back

    def _begin(self) -> None:
        # A task begins with the next turn of the loop, so that what is submitted in this one goes together.
        if self._sending < self._in_flight and not self._starting:
            self._starting = True
            self._sending += 1
            # Without the context of the caller: the task writes for all issuers, and takes its turns as none of them.
            context = contextvars.Context()
            sender = asyncio.create_task(self._send_waiting(), name="coalesced writes", context=context)
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)

    async def _send_waiting(self) -> None:
        self._starting = False
        try:
            while self._waiting:
                await self._send_batch(self._take())
        finally:
            # Nothing may come between this and the last look at what is waiting, or it would wait for ever.
            self._sending -= 1

    async def _send_batch(self, batch: Mapping[asyncio.Future[Result], Item]) -> None:
        try:
            outcomes = await self._send(tuple(batch.values()))
        except asyncio.CancelledError:
            _deliver(batch, [StoreUnavailable("the write was interrupted") for _ in batch])
            raise
        except Exception as error:  # noqa: BLE001  # it is raised where the items were submitted
            outcomes = [_copy(error) for _ in batch]
        _deliver(batch, outcomes)

    def _take(self) -> dict[asyncio.Future[Result], Item]:
        batch: dict[asyncio.Future[Result], Item] = {}
        size = 0
        for future, item in self._waiting.items():
            size += self._size(item)
            if batch and (size > self._max_bytes or len(batch) == self._max_items):
                break
            batch[future] = item
        for future in batch:
            del self._waiting[future]
        return batch


def _deliver(futures: Iterable[asyncio.Future[Result]], outcomes: Sequence[Result | Exception]) -> None:
    for future, outcome in zip(futures, outcomes, strict=True):
        if future.done():
            continue  # its caller was cancelled
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _copy(error: Exception) -> Exception:
    """An error to raise in one task: an exception that several tasks raise collects the tracebacks of all."""
    copy = StoreUnavailable(*error.args) if isinstance(error, StoreUnavailable) else RuntimeError("a batch failed")
    copy.__cause__ = error
    return copy
