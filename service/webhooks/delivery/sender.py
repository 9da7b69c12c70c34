"""Sends due deliveries, within the limits of a process and of each host, for the issuers in turn.

The sender leases a delivery: it moves ``due_at`` beyond the attempt. If the process dies during the attempt, the
delivery is due again.
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

import structlog

from ....plugins.host.turns import Turns
from ...documents import DocumentStore, StoreUnavailable
from ...models.clock import truncate_to_milliseconds
from ...observe.metrics.meter import NO_METER, Meter
from ...observe.outages import Outage
from .attempt import Attempting, leased_until
from .hosts import Hosts
from .record import DELIVERY, Delivery, DeliveryStatus

LOOK: Final = 256
"""Deliveries of one query."""
FEWEST_SECONDS: Final = 0.05
"""Between two queries of the store."""
GRACE: Final = 5.0
"""Seconds for which running attempts may continue when the process stops."""
WRITES: Final = 16
"""Deliveries that are postponed concurrently."""

_OUTCOMES: Final = {
    DeliveryStatus.DELIVERED: "delivered",
    DeliveryStatus.PENDING: "retried",
    DeliveryStatus.FAILED: "failed",
}

log = structlog.get_logger(__name__)


class Deliverer:
    """Sends deliveries. Created inside the running event loop; several processes may each have one.

    Args:
        store: keeps the deliveries.
        attempting: makes an attempt.
        rng: spreads the polls of several processes.
        concurrency: the largest number of concurrent attempts, of which an issuer has half at most.
        per_host: of them to one host and port.
        poll_interval: seconds between two polls if nothing is known to be due.
        timeout: seconds that an attempt may take.
        meter: counts the attempts.
    """

    def __init__(
        self,
        store: DocumentStore,
        attempting: Attempting,
        rng: random.Random,
        *,
        concurrency: int,
        per_host: int,
        poll_interval: float,
        timeout: float,
        meter: Meter = NO_METER,
    ) -> None:
        self._store = store
        self._meter = meter
        self._attempting = attempting
        self._rng = rng
        self._concurrency = concurrency
        self._places = Turns(concurrency, leaves_room=True, name="deliveries")
        self._hosts = Hosts(per_host, time.monotonic)
        self._issuers = Hosts(max(1, concurrency // 2), time.monotonic)
        """The pace of each issuer: what there is no room for comes back at that pace, as with hosts."""
        self._poll_interval = poll_interval
        self._timeout = timeout
        self._waiting: list[Delivery] = []
        self._is_full = False
        self._last_look = 0.0
        self._next_look = 0.0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Poll the store now: a delivery was made."""
        self._next_look = 0.0
        self._news.set()

    async def run(self) -> None:
        """Work until cancelled; running attempts then have ``GRACE`` seconds to end."""
        outage = Outage("the delivery of events")
        try:
            while True:
                self._news.clear()
                try:
                    await self._look()
                    outage.worked()
                except StoreUnavailable as error:
                    outage.failed(str(error))
                except Exception:
                    log.exception("delivering events failed unexpectedly")
                await self._idle()
        finally:
            await self._stop()

    async def _idle(self) -> None:
        """Wait for the end of an attempt, for a new delivery, or for the next poll."""
        if len(self._tasks) >= self._concurrency:
            await self._news.wait()
            return
        earliest = max(self._next_look, self._last_look + FEWEST_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(earliest - time.monotonic()):
                await self._news.wait()
                if time.monotonic() >= self._next_look:  # new deliveries may come again and again
                    await asyncio.sleep(self._last_look + FEWEST_SECONDS - time.monotonic())

    async def _stop(self) -> None:
        tasks = tuple(self._tasks.values())
        if not tasks:
            return
        try:
            await asyncio.wait(tasks, timeout=GRACE)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # --- choosing -----------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Begin the attempts that there is room for, and postpone deliveries without room, so that they hide no others.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        self._begin()
        while len(self._tasks) < self._concurrency and time.monotonic() >= self._next_look:
            self._last_look = time.monotonic()
            self._next_look = self._last_look + self._poll_interval * self._rng.uniform(0.8, 1.2)
            records = await self._store.records.due(DELIVERY, self._store.clock.now(), LOOK)
            found = map(Delivery.of, records)
            self._waiting = list(_in_turn(one for one in found if one.id not in self._tasks))
            self._is_full = len(records) == LOOK
            self._begin()
            if not self._is_full or len(self._tasks) >= self._concurrency:
                return
            # Other due deliveries come after these, which therefore make room.
            await self._postpone(self._waiting)
            self._waiting = []
            self._next_look = 0.0

    def _begin(self) -> None:
        """Begin the waiting deliveries that there is room for."""
        left = []
        for delivery in self._waiting:
            if delivery.id in self._tasks:
                continue
            give_back = self._places.take_now(delivery.issuer_id) if self._hosts.has_room(delivery.host) else None
            if give_back is None:
                left.append(delivery)
                continue
            self._hosts.begin(delivery.host)
            self._issuers.begin(delivery.issuer_id)
            attempt = self._deliver(delivery, give_back)
            self._tasks[delivery.id] = asyncio.create_task(attempt, name=f"webhook {delivery.id}")
        self._waiting = left
        if self._is_full and not left:
            self._next_look = 0.0

    async def _postpone(self, deliveries: Sequence[Delivery]) -> None:
        """Postpone deliveries whose hosts or issuers have no room, each to its turn."""
        now = self._store.clock.now()
        pauses = [
            timedelta(seconds=max(self._hosts.pause(delivery.host), self._issuers.pause(delivery.issuer_id)))
            for delivery in deliveries
        ]
        moved = [
            delivery.due(truncate_to_milliseconds(now + pause))
            for delivery, pause in zip(deliveries, pauses, strict=True)
        ]
        for begin in range(0, len(moved), WRITES):
            writes = (self._store.records.replace(one.record) for one in moved[begin : begin + WRITES])
            results = await asyncio.gather(*writes, return_exceptions=True)
            for failure in results:
                if isinstance(failure, BaseException):
                    raise failure

    # --- delivering ---------------------------------------------------------------------------------------------------

    async def _deliver(self, delivery: Delivery, give_back: Callable[[], None]) -> None:
        """Own one attempt, from its lease to its result, and the place that it has until then."""
        started = time.monotonic()
        try:
            leased = delivery.due(leased_until(self._store.clock.now(), self._timeout))
            if await self._store.records.replace(leased.record):
                after = await self._attempted(leased)
                if after.made > leased.made:
                    self._meter.delivery(_OUTCOMES[after.status], time.monotonic() - started)
                if not await self._store.records.replace(after.record):
                    log.info("discarded the result of an attempt: the delivery was replayed", delivery_id=delivery.id)
        except StoreUnavailable as error:
            log.warning("could not record an attempt; it will be repeated", delivery_id=delivery.id, reason=str(error))
        except Exception:
            log.exception("an attempt failed unexpectedly", delivery_id=delivery.id)
        finally:
            give_back()
            self._tasks.pop(delivery.id, None)
            for known, name in ((self._hosts, delivery.host), (self._issuers, delivery.issuer_id)):
                known.end(name, time.monotonic() - started)
            self._news.set()

    async def _attempted(self, delivery: Delivery) -> Delivery:
        """See ``Attempting.run``."""
        with self._meter.delivering(
            delivery.traceparent,
            delivery_id=delivery.id,
            event=delivery.kind,
            host=delivery.host,
            attempt=delivery.made + 1,
        ) as scope:
            after = await self._attempting.run(delivery)
            if after.made > delivery.made:
                result = after.attempts[-1]
                scope.note(http_status=result.status, code=result.error, outcome=_OUTCOMES[after.status])
            return after


def _in_turn(deliveries: Iterable[Delivery]) -> Iterator[Delivery]:
    """The deliveries of the issuers in turn; those of one issuer in their order."""
    of: dict[str, deque[Delivery]] = {}
    for delivery in deliveries:
        of.setdefault(delivery.issuer_id, deque()).append(delivery)
    while of:
        for issuer_id, queue in tuple(of.items()):
            yield queue.popleft()
            if not queue:
                del of[issuer_id]
