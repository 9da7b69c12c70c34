"""Completes interrupted deletions, and removes everything that has expired.

That is: images whose deletion began and was not completed, because a process died or storage failed; objects that
attempts left behind; expired previous keys of issuers; and expired records. It also fails imports whose bytes did not
arrive in time.

The age of a deletion counts from the poll that first found it, by the clock of the document store. The moment in the
document comes from the clock of some machine, which may be wrong, or may have been set since.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from ..documents import DocumentStore, StoreUnavailable
from ..errors.catalogue import CONTENT_EXPIRED, ApiError
from ..models import Import
from ..models.clock import Clock
from ..observe.outages import Outage
from .operations import Images

INTERVAL = 30.0
"""Seconds between two polls."""
AGE = timedelta(seconds=60)
"""The least age of a deletion: a younger deletion may still be under way."""
BATCH = 1000
"""Deletions that a poll completes at most, the oldest first. While so many fail, younger ones wait."""
FAILURES = 3
"""After this many failures in a row, a poll leaves the failed storages alone, since the images are not at fault."""

log = structlog.get_logger(__name__)

_Deletion = tuple[str, datetime | None]
"""The id of an import, and when the deletion began, since an import that was retried may be deleted again."""


@dataclass(frozen=True, slots=True)
class Purger:
    """Polls again and again. Several processes may do so at once: a deletion that one completes is done for the others.

    Attributes:
        found: when each deletion of the last poll was first found, by the clock of the store.
    """

    images: Images
    store: DocumentStore
    clock: Clock
    rng: random.Random
    found: dict["_Deletion", datetime] = field(default_factory=dict)

    async def run(self) -> None:
        """Work until cancelled."""
        outage = Outage("the removal of deleted images")
        while True:
            try:
                await self.drop_keys()
                await self.drop_records()
                await self.expire_waiting()
                await self.sweep()
                outage.worked()
            except (ApiError, StoreUnavailable) as error:
                outage.failed(str(error))
            except Exception:
                log.exception("removing deleted images failed unexpectedly")
            await asyncio.sleep(INTERVAL * self.rng.uniform(0.8, 1.2))

    async def drop_keys(self) -> None:
        """Drop the expired previous keys of issuers.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        if dropped := await self.store.drop_previous_keys():
            log.info("dropped previous keys of issuers", keys=dropped)

    async def drop_records(self) -> None:
        """Remove expired records, in batches.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        while await self.store.records.drop_expired(BATCH) == BATCH:
            pass

    async def expire_waiting(self) -> None:
        """Fail the imports whose bytes did not arrive in time.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        for document in await self.store.search.expired_waiting(self.store.clock.now(), BATCH):
            expired = document.expired(CONTENT_EXPIRED, self.clock.now())
            expired = await self.images.outbox.with_event(document, expired)
            if await self.store.update(expired):
                self.images.outbox.written(document, expired)
                log.info("an import expired: its bytes did not arrive", import_id=document.id)
                await self.images.removal.settle_quietly(expired)

    async def sweep(self) -> int:
        """Complete the pending deletions; the number of completed ones.

        Each deletion is tried, whatever becomes of the others, unless deletions in the same storages fail again and
        again: a storage that hangs would delay all. The order is random, so that the same ones do not always come
        first.

        Raises:
            StoreUnavailable: the database does not answer.
            ApiError: the last deletion that was not completed.
        """
        completed = 0
        failure: ApiError | None = None
        in_a_row: Counter[tuple[str, ...]] = Counter()
        documents = await self._old_ones()
        self.rng.shuffle(documents)
        for document in documents:
            places = document.image.places if document.image is not None else ()
            if in_a_row[places] == FAILURES:
                continue
            # Another process may have completed it since, and a retried import may have an image by now.
            present = await self.store.get(document.id)
            if present is None or _deletion(present) != _deletion(document):
                continue
            try:
                settled = await self.images.removal.settle_for_good(present)
            except ApiError as error:
                failure = error
                in_a_row[places] += 1
            else:
                in_a_row[places] = 0
                # It may wait for an import that shares the image, or for events in its outbox.
                if settled != present:
                    completed += 1
                    log.info("completed a deletion", import_id=document.id)
        if failure is not None:
            raise failure
        return completed

    async def _old_ones(self) -> list[Import]:
        """The deletions that were found ``AGE`` ago or earlier and are still pending."""
        documents = await self.store.unpurged(BATCH)
        now = self.store.clock.now()
        found = {_deletion(one): self.found.get(_deletion(one), now) for one in documents}
        self.found.clear()
        self.found.update(found)
        return [one for one in documents if now - found[_deletion(one)] >= AGE]


def _deletion(document: Import) -> _Deletion:
    return document.id, document.unsettled_at
