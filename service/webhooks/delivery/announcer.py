"""Makes deliveries from the outboxes of imports, and clears the outboxes.

The order of effects: first the deliveries, then the outbox. A process that dies between them leaves an outbox that the
next run handles again. Ids are derived, so it makes the same deliveries, and existing deliveries stay unchanged.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from ....plugins.net.urls import authority_of
from ...documents import DocumentStore, DuplicateId, StoreUnavailable
from ...models import Import
from ...models.clock import Clock
from ...models.representation import encode
from ...observe.outages import Outage
from ...secrets.vault import SecretsUnreadable, Vault
from ..directory import EndpointDirectory
from .record import Delivery, delivery_id, import_owner

BATCH: Final = 100
AT_ONCE: Final = 8

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Announcer:
    """Polls again and again. Several processes may do so at once: deliveries that one makes are done for the others.

    Attributes:
        keep: how long a delivery is kept.
        poll_interval: seconds between two polls.
        announced: called when deliveries were made.
    """

    store: DocumentStore
    directory: EndpointDirectory
    vault: Vault
    clock: Clock
    rng: random.Random
    keep: timedelta
    poll_interval: float
    announced: Callable[[], None]
    _news: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def wake(self) -> None:
        """Poll now: an outbox was written."""
        self._news.set()

    async def run(self) -> None:
        """Work until cancelled."""
        outage = Outage("the announcement of events")
        while True:
            self._news.clear()
            try:
                while await self.sweep() == BATCH:
                    pass
                outage.worked()
            except StoreUnavailable as error:
                outage.failed(str(error))
            except Exception:
                log.exception("announcing events failed unexpectedly")
            try:
                async with asyncio.timeout(self.poll_interval * self.rng.uniform(0.8, 1.2)):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def sweep(self) -> int:
        """Announce the events in outboxes, up to a batch; the number of imports.

        Raises:
            StoreUnavailable: the database does not answer; each import was tried.
        """
        documents = list(await self.store.search.with_outbox(BATCH))
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(document: Import) -> None:
            async with turns:
                await self._announce(document)

        results = await asyncio.gather(*map(one, documents), return_exceptions=True)
        for failure in filter(None, results):
            raise failure
        return len(documents)

    async def _announce(self, document: Import) -> None:
        made = False
        for entry in document.outbox:
            for delivery in await self._deliveries(document, entry):
                try:
                    await self.store.records.add(delivery.record)
                    made = True
                except DuplicateId:
                    pass  # made before, by another process or by one that died
        # By their ids: events that were added meanwhile stay, and writers of the import are not disturbed.
        await self.store.announced(document.id, [entry["id"] for entry in document.outbox])
        if made:
            self.announced()

    async def _deliveries(self, document: Import, entry: Mapping[str, Any]) -> list[Delivery]:
        endpoints = await self.directory.of(document.issuer_id)
        kind = entry["event"]["type"]
        receivers: list[tuple[str, str, str | None]] = [
            *((one.id, authority_of(one.url), None) for one in endpoints if one.wants(kind)),
            *self._own(document, entry),
        ]
        body = encode(entry["event"]).decode()
        moment = datetime.fromisoformat(entry["event"]["timestamp"])
        now = self.store.clock.now()
        return [
            Delivery(
                id=delivery_id(entry["id"], owner, moment),
                owner=owner,
                event_id=entry["id"],
                kind=kind,
                body=body,
                issuer_id=document.issuer_id,
                url=url,
                host=host,
                created_at=moment,
                due_at=now,
                expires_at=now + self.keep,
                traceparent=document.traceparent,
            )
            for owner, host, url in receivers
        ]

    def _own(self, document: Import, entry: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """The receiver that the import itself names."""
        sealed = entry["url"]
        if sealed is None:
            return
        try:
            yield import_owner(document.id), authority_of(self.vault.open_text(sealed)), sealed
        except SecretsUnreadable:
            # The delivery is made nevertheless: the deliverer waits for the key.
            yield import_owner(document.id), "", sealed
