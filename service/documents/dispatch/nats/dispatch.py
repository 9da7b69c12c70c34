"""What a worker claims where NATS dispatches: imports that the broker names, and those that it does not know.

A message is a hint. The import is taken by a compare-and-set of its document, and the message is acknowledged when the
next state of the import is written. A *sweep* claims from the database itself, as ``ByDocuments`` does: at least once
in ``sweep_seconds``, and without a pause while the broker is away or has nothing. So the database alone dispatches what
the broker lost, has not got yet, or holds back behind the backlog of another issuer.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final

from ....models import Import, Status
from ... import Bounds, DocumentStore, SupportsWaiting
from .. import BrokerUnavailable, Dispatch
from .broker import Broker, Message
from .stream import ACK_SECONDS, SHARDS, shard_of

PREFETCH: Final = 64
"""Messages of a shard that a worker keeps ready, at most."""
SWEPT: Final = 8
"""Imports that a sweep takes at most where the broker may name them too."""
UNUSED_SECONDS: Final = 2.0
"""A worker that claims nothing for so long hands its messages back, and asks for no others."""
LEFT_SECONDS: Final = 2.0
"""Seconds, before jitter, after which the broker tells again of an import that nobody may start now."""


class NatsDispatch(Dispatch):
    """Dispatches by a broker and by the documents. ``run`` keeps it going; without it, the documents dispatch.

    Args:
        sweep_seconds: between two sweeps of a worker that the broker keeps busy.
        count: as of ``Broker``; told of ``swept`` imports.
    """

    def __init__(
        self,
        store: DocumentStore,
        broker: Broker,
        sweep_seconds: float,
        rng: random.Random,
        count: Callable[[str, int], None] = lambda _event, _number: None,
    ) -> None:
        self._store = store
        self._broker = broker
        self._sweep_seconds = sweep_seconds
        self._rng = rng
        self._count = count
        self._ready: list[dict[str, Message]] = [{} for _ in range(SHARDS)]
        self._held: dict[str, Message] = {}
        self._wanted = [asyncio.Event() for _ in range(SHARDS)]
        self._empty = set(range(SHARDS))
        self._arrived = asyncio.Event()
        self._next = 0
        self._sweeps, self._sweep_at, self._has_swept = 0, 0.0, False
        self._claimed_at = self._short_at = float("-inf")
        self._store_news = store if isinstance(store, SupportsWaiting) else None

    @property
    def news(self) -> SupportsWaiting:
        """See ``Dispatch.news``."""
        return self

    # --- what happens to an import ------------------------------------------------------------------------------------

    def queued(self, document: Import) -> None:
        """See ``Dispatch.queued``."""
        if document.run_at <= self._store.clock.now():
            self._broker.publish(document.id, document.issuer_id)

    async def claim(self, worker_id: str, limit: int, bounds: Bounds) -> Sequence[Import]:
        """See ``Dispatch.claim``; a call claims either by a sweep or by messages."""
        self._claimed_at = time.monotonic()
        self._ask(limit)
        if self._is_sweep_due() and (found := await self._sweep(worker_id, limit, bounds)):
            return found
        while messages := self._choose(limit, bounds):
            if claimed := await self._take(worker_id, messages, bounds):
                return claimed
        return ()

    def written(self, import_id: str, document: Import | None) -> None:
        """See ``Dispatch.written``."""
        message = self._held.pop(import_id, None)
        if message is None:
            return
        if document is None or document.status is not Status.QUEUED:
            self._broker.acknowledge(message)
        else:
            self._broker.put_off(message, (document.run_at - self._store.clock.now()).total_seconds())

    def let_go(self, import_id: str) -> None:
        """See ``Dispatch.let_go``."""
        message = self._held.pop(import_id, None)
        if message is not None:
            self._broker.put_off(message, self._later())

    async def wait_for_work(self, timeout: float) -> None:
        """See ``SupportsWaiting.wait_for_work``."""
        if not self._broker.came_up.is_set() and self._store_news is not None:
            await self._store_news.wait_for_work(timeout)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._arrived.wait()
        self._arrived.clear()

    # --- sweeps -------------------------------------------------------------------------------------------------------

    def _is_sweep_due(self) -> bool:
        if not self._broker.came_up.is_set() or time.monotonic() >= self._sweep_at:
            return True
        return self._has_swept and len(self._empty) == SHARDS and not any(self._ready)

    async def _sweep(self, worker_id: str, limit: int, bounds: Bounds) -> Sequence[Import]:
        """Claim from the database. Every other sweep leaves out the issuers whose imports the broker names just now, so
        that those whose imports it does not name have their turn; the others take a few imports of anybody, which the
        broker mostly names too.
        """
        self._sweeps += 1
        named = {one.issuer_id for ready in self._ready for one in ready.values()}
        is_of_others = self._sweeps % 2 == 1
        found = await self._store.claim(
            worker_id,
            limit if is_of_others or not named else min(limit, SWEPT),
            exclude_issuers={*bounds.exclude_issuers, *(named if is_of_others else ())},
            exclude_hosts=bounds.exclude_hosts,
            per_issuer=bounds.per_issuer,
        )
        self._sweep_at = time.monotonic() + self._sweep_seconds * self._rng.uniform(0.8, 1.2)
        self._has_swept = bool(found)
        self._count("swept", len(found))
        for one in found:
            if (message := self._ready[shard_of(one.issuer_id)].pop(one.id, None)) is not None:
                self._held[one.id] = message
        return found

    # --- messages -----------------------------------------------------------------------------------------------------

    def _choose(self, limit: int, bounds: Bounds) -> Sequence[Message]:
        """Up to ``limit`` messages that may be claimed, of the shards in turn."""
        order = [(self._next + place) % SHARDS for place in range(SHARDS)]
        self._next = (self._next + 1) % SHARDS
        numbers: Counter[str] = Counter()

        def admitted(shard: int) -> Iterator[Message]:
            for one in tuple(self._ready[shard].values()):
                if bounds.admits(one.issuer_id, numbers[one.issuer_id]):
                    numbers[one.issuer_id] += 1
                    yield one

        chosen = list(islice(_in_turn([admitted(shard) for shard in order if self._ready[shard]]), limit))
        for one in chosen:
            del self._ready[shard_of(one.issuer_id)][one.import_id]
        return chosen

    def _ask(self, limit: int) -> None:
        """Ask for messages where few are left, unless there are enough for this claim and the next one."""
        if sum(map(len, self._ready)) < 2 * limit:
            self._short_at = time.monotonic()
            for shard in range(SHARDS):
                if len(self._ready[shard]) <= PREFETCH // 2:
                    self._wanted[shard].set()

    async def _take(self, worker_id: str, messages: Sequence[Message], bounds: Bounds) -> Sequence[Import]:
        try:
            taken = await self._store.claim_these(worker_id, [one.import_id for one in messages], bounds)
        except BaseException:
            for one in messages:
                self._broker.put_off(one, self._later())
            raise
        now = self._store.clock.now()
        left = {one.id: (one.run_at - now).total_seconds() for one in taken.left}
        claimed = {one.id for one in taken.claimed}
        for one in messages:
            if one.import_id in claimed:
                self._held[one.import_id] = one
            elif one.import_id in left:
                self._broker.put_off(one, max(left[one.import_id], self._later()))
            else:
                self._broker.acknowledge(one)
        return taken.claimed

    def _later(self) -> float:
        return LEFT_SECONDS * self._rng.uniform(0.5, 1.5)

    # --- in the background --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the connection, pull messages and keep those that are held, until cancelled."""
        pulls = [self._pull_forever(shard) for shard in range(SHARDS)]
        broker = asyncio.create_task(self._broker.run(), name="broker")
        try:
            async with asyncio.TaskGroup() as group:
                for pull in (*pulls, self._keep_forever()):
                    group.create_task(pull)
        finally:
            self._hand_back()
            await self._broker.drain()
            broker.cancel()
            await asyncio.wait({broker})

    async def _pull_forever(self, shard: int) -> None:
        ready, wanted = self._ready[shard], self._wanted[shard]
        while True:
            if time.monotonic() - self._short_at > UNUSED_SECONDS or len(ready) > PREFETCH // 2:
                wanted.clear()
                await wanted.wait()
            await self._broker.came_up.wait()
            try:
                messages = await self._broker.pull(shard, PREFETCH - len(ready))
            except BrokerUnavailable:
                await asyncio.sleep(1.0)
                continue
            if messages:
                for one in messages:
                    (self._held if one.import_id in self._held else ready)[one.import_id] = one
                self._empty.discard(shard)
                self._arrived.set()
            else:
                self._empty.add(shard)

    async def _keep_forever(self) -> None:
        kept_at = time.monotonic()
        while True:
            await asyncio.sleep(UNUSED_SECONDS / 2)
            if time.monotonic() - self._claimed_at > UNUSED_SECONDS:
                self._hand_back()
            if time.monotonic() - kept_at > ACK_SECONDS / 3:
                kept_at = time.monotonic()
                for message in (*self._held.values(), *(one for ready in self._ready for one in ready.values())):
                    self._broker.keep(message)

    def _hand_back(self) -> None:
        """Leave the messages that are ready to other workers."""
        for ready in self._ready:
            for message in ready.values():
                self._broker.put_off(message)
            ready.clear()


def _in_turn(queues: Sequence[Iterator[Message]]) -> Iterator[Message]:
    """A message of each shard, then another of each, and so on."""
    while queues:
        left = []
        for queue in queues:
            if (message := next(queue, None)) is not None:
                left.append(queue)
                yield message
        queues = left
