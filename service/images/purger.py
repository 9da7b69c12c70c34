"""Removes what is to be gone: images whose deletion was begun and not completed, since its process died or storage
failed; objects that attempts have left behind; the previous keys of issuers whose time has ended; and records that have
expired. Ends the wait of imports for bytes that do not come.

How old a deletion is, is counted from the look that has found it first, by the clock of the document store. The moment
in the document is by the clock of some machine, which may be wrong, or may have been set since.
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
"""Seconds between two looks."""
AGE = timedelta(seconds=60)
"""How long ago a deletion was found at least: a younger one may still be under way."""
BATCH = 1000
"""How many deletions are completed at a look, at most: the oldest. While so many cannot be, younger ones wait."""
FAILURES = 3
"""Failures in a row after which a look leaves the storages alone that failed: what fails then is not the images."""

log = structlog.get_logger(__name__)

_Deletion = tuple[str, datetime | None]
"""The id of an import, and what it says of when the deletion began: an import that was retried may leave another."""


@dataclass(frozen=True, slots=True)
class Purger:
    """Looks again and again. Several processes may do so at once: what one does, another finds done.

    Attributes:
        found: when each deletion that the last look has found was found first, by the clock of the store.
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
        """Forget the keys that verify nothing any more.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        if dropped := await self.store.drop_previous_keys():
            log.info("dropped previous keys of issuers", keys=dropped)

    async def drop_records(self) -> None:
        """Remove records that have expired, in batches.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        while await self.store.records.drop_expired(BATCH) == BATCH:
            pass

    async def expire_waiting(self) -> None:
        """Fail the imports whose bytes did not come in time.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        for document in await self.store.search.expired_waiting(self.store.clock.now(), BATCH):
            expired = document.expired(CONTENT_EXPIRED, self.clock.now())
            expired = await self.images.outbox.with_event(document, expired)
            if await self.store.update(expired):
                self.images.outbox.written(expired)
                log.info("an import expired: its bytes did not arrive", import_id=document.id)
                await self.images.removal.settle_quietly(expired)

    async def sweep(self) -> int:
        """Complete what there is to complete; how many deletions that were.

        Each is tried, whatever becomes of others, unless those in the same storages fail again and again: a storage
        that hangs would hold up all. The order is random, so that the same ones do not always come first.

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
            # Others may have completed it since, and the import may have been retried, and have an image by now.
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
                # It may wait for an import that shares the image, or for what is still to be announced.
                if settled != present:
                    completed += 1
                    log.info("completed a deletion", import_id=document.id)
        if failure is not None:
            raise failure
        return completed

    async def _old_ones(self) -> list[Import]:
        """What was found ``AGE`` ago, or earlier, and is still to be completed."""
        documents = await self.store.unpurged(BATCH)
        now = self.store.clock.now()
        found = {_deletion(one): self.found.get(_deletion(one), now) for one in documents}
        self.found.clear()
        self.found.update(found)
        return [one for one in documents if now - found[_deletion(one)] >= AGE]


def _deletion(document: Import) -> _Deletion:
    return document.id, document.unsettled_at
