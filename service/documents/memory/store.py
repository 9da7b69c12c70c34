"""The reference of the ``DocumentStore`` contract: dictionaries, for tests. The process keeps nothing on disk.

No method awaits, so each method is one step of the event loop, and therefore atomic.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ...models import Held, Import, Status
from ...models.clock import Clock, SteadyClock, SystemClock, TimeCounter, count_nanoseconds
from ...models.issuers import Issuer
from .. import Bounds, DocumentStore, DuplicateId, StoredAlready, StoreUnavailable, Taken
from .copies import as_stored, detached, is_held
from .queue import MemoryImportQueue
from .records import MemoryRecordStore
from .search import MemoryImportSearch, Writes


class MemoryDocumentStore(DocumentStore):
    """Keeps documents in memory. See ``DocumentStore``; a claim looks at every import, whatever its limit.

    Args:
        clock: the machine's. Unless it is ``SystemClock``, or ``counter`` is given, it is the store's clock too: tests
            set both at once.
        counter: the store's clock goes on by it.
    """

    def __init__(self, clock: Clock, counter: TimeCounter | None = None) -> None:
        self._clock = clock
        self.clock = clock
        if counter is not None or isinstance(clock, SystemClock):
            self.clock = SteadyClock(clock.now(), counter or count_nanoseconds)
        self._is_open = False
        self._imports: dict[str, Import] = {}
        self._writes = Writes()
        self._leases: dict[str, datetime] = {}
        self._issuers: dict[str, Issuer] = {}
        self._last_issuer = ""
        self.search: MemoryImportSearch = MemoryImportSearch(self._all, self._writes)
        self.queue = MemoryImportQueue(self._all)
        self.records = MemoryRecordStore(self.clock, self._check_open)

    async def open(self) -> None:
        """See ``DocumentStore.open``."""
        self._is_open = True

    async def close(self) -> None:
        """See ``DocumentStore.close``."""
        self._is_open = False

    async def ping(self) -> None:
        """See ``DocumentStore.ping``."""
        self._check_open()

    # --- imports ------------------------------------------------------------------------------------------------------

    async def add(self, document: Import) -> None:
        """See ``DocumentStore.add``."""
        self._check_open()
        if document.id in self._imports:
            raise DuplicateId(f"import {document.id} exists already")
        self._put(as_stored(document, document.outbox))

    async def get(self, import_id: str) -> Import | None:
        """See ``DocumentStore.get``."""
        self._check_open()
        document = self._imports.get(import_id)
        return None if document is None else detached(document)

    async def get_by_image(self, image_id: str) -> Import | None:
        """See ``DocumentStore.get_by_image``; it looks at every import."""
        self._check_open()
        found = [one for one in self._imports.values() if one.status is Status.DONE and one.image_id == image_id]
        first = min(found, key=lambda one: one.duplicate is not None, default=None)
        return None if first is None else detached(first)

    async def heir(self, key: str) -> Import | None:
        """See ``DocumentStore.heir``; it looks at every import."""
        self._check_open()
        shares = [(one.share, one) for one in self._imports.values() if one.share is not None and one.shared_key == key]
        return detached(min(shares, key=lambda one: one[0])[1]) if shares else None

    async def shared_keys(self, after: str, limit: int) -> Sequence[str]:
        """See ``DocumentStore.shared_keys``."""
        self._check_open()
        keys = {key for one in self._imports.values() if (key := one.shared_key) is not None and key > after}
        return sorted(keys)[:limit]

    async def unpurged(self, limit: int) -> Sequence[Import]:
        """See ``DocumentStore.unpurged``; it looks at every import."""
        self._check_open()
        found = [(moment, one) for one in self._imports.values() if (moment := one.unsettled_at) is not None]
        found.sort(key=lambda one: one[0])
        return [detached(document) for _, document in found[:limit]]

    async def images_in(
        self, storage: str, held: Held, after: str, limit: int, organization_id: str | None = None
    ) -> Sequence[Import]:
        """See ``DocumentStore.images_in``; it looks at every import."""
        self._check_open()
        found = [
            document
            for document in self._imports.values()
            if document.id > after
            and document.image_purged_at is None
            and is_held(document.image, storage, held)
            and organization_id in (None, document.organization_id)
        ]
        return [detached(document) for document in sorted(found, key=lambda one: one.id)[:limit]]

    async def count_images_in(self, storage: str, organization_id: str | None = None) -> int:
        """See ``DocumentStore.count_images_in``."""
        return len(await self.images_in(storage, Held.MAIN, "", len(self._imports), organization_id))

    async def stored_bytes(self, organization_id: str) -> int:
        """See ``DocumentStore.stored_bytes``; it looks at every import."""
        self._check_open()
        documents = self._imports.values()
        return sum(one.stored_bytes for one in documents if one.organization_id == organization_id)

    async def update(self, document: Import) -> bool:
        """See ``DocumentStore.update``."""
        self._check_open()
        stored = self._imports.get(document.id)
        if stored is None or stored.revision != document.revision - 1:
            return False
        self._put(as_stored(document, stored.outbox))
        return True

    async def update_unless_stored(self, document: Import, albums: Collection[str] | None) -> bool:
        """See ``DocumentStore.update_unless_stored``."""
        self._check_open()
        stored = self._imports.get(document.id)
        if document.image is None or stored is None or stored.revision != document.revision - 1:
            return False
        found = self.search.with_bytes(document.organization_id, document.image.sha256, albums)
        if found is not None:
            raise StoredAlready(found)
        self._put(as_stored(document, stored.outbox))
        return True

    async def announced(self, import_id: str, event_ids: Collection[str]) -> None:
        """See ``DocumentStore.announced``."""
        self._check_open()
        document = self._imports.get(import_id)
        if document is not None:
            outbox = tuple(event for event in document.outbox if event["id"] not in event_ids)
            self._imports[import_id] = replace(document, outbox=outbox)

    async def remove(self, document: Import) -> bool:
        """See ``DocumentStore.remove``."""
        self._check_open()
        stored = self._imports.get(document.id)
        if stored is None or stored.revision != document.revision or stored.outbox:
            return False
        del self._imports[document.id]
        self._writes.forget(document.id)
        return True

    async def claim(
        self,
        worker_id: str,
        limit: int,
        *,
        exclude_issuers: Collection[str] = (),
        exclude_hosts: Collection[str] = (),
        per_issuer: int | None = None,
    ) -> Sequence[Import]:
        """See ``DocumentStore.claim``."""
        self._check_open()
        if worker_id not in self._leases:
            return ()
        now = self.clock.now()
        due: defaultdict[str, list[Import]] = defaultdict(list)
        for document in sorted(self._imports.values(), key=lambda document: document.run_at):
            if document.status is Status.QUEUED and document.run_at <= now and document.host not in exclude_hosts:
                due[document.issuer_id].append(document)
        # From the issuer after the one served last: False sorts before True.
        issuers = sorted(due.keys() - set(exclude_issuers), key=lambda issuer: (issuer <= self._last_issuer, issuer))
        in_turn = [
            queue[turn]
            for turn in range(max(map(len, due.values()), default=0) if per_issuer is None else per_issuer)
            for queue in (due[issuer] for issuer in issuers)
            if turn < len(queue)
        ]
        claimed = [document.claimed(worker_id, self._clock.now()) for document in in_turn[:limit]]
        for document in claimed:
            self._put(document)
            self._last_issuer = document.issuer_id
        return [detached(document) for document in claimed]

    async def claim_these(self, worker_id: str, ids: Sequence[str], bounds: Bounds) -> Taken:
        """See ``DocumentStore.claim_these``."""
        self._check_open()
        found = (self._imports[import_id] for import_id in dict.fromkeys(ids) if import_id in self._imports)
        queued = [detached(document) for document in found if document.status is Status.QUEUED]
        if worker_id not in self._leases:
            return Taken((), queued)
        wanted, left = bounds.divide(queued, self.clock.now())
        claimed = [document.claimed(worker_id, self._clock.now()) for document in wanted]
        for document in claimed:
            self._put(detached(document))
        return Taken(claimed, left)

    async def unfinished(self, limit: int, issuer_id: str | None = None) -> int:
        """See ``DocumentStore.unfinished``."""
        self._check_open()
        unfinished = (one for one in self._imports.values() if not one.status.is_final)
        return min(limit, sum(issuer_id in (None, one.issuer_id) for one in unfinished))

    # --- workers ------------------------------------------------------------------------------------------------------

    async def register(self, worker_id: str, lease: timedelta) -> None:
        """See ``DocumentStore.register``."""
        self._check_open()
        if worker_id in self._leases:
            raise DuplicateId(f"worker {worker_id} has a lease already")
        self._leases[worker_id] = self.clock.now() + lease

    async def heartbeat(self, worker_id: str, lease: timedelta) -> bool:
        """See ``DocumentStore.heartbeat``."""
        self._check_open()
        if worker_id not in self._leases:
            return False
        self._leases[worker_id] = self.clock.now() + lease
        return True

    async def recover(self, limit: int) -> int:
        """See ``DocumentStore.recover``."""
        self._check_open()
        now = self.clock.now()
        self._leases = {worker_id: expires_at for worker_id, expires_at in self._leases.items() if expires_at > now}
        orphans = [
            document
            for document in self._imports.values()
            if document.status is Status.RUNNING and document.worker_id not in self._leases
        ][:limit]
        for document in orphans:
            self._put(document.recovered(self._clock.now(), now))
        return len(orphans)

    async def release(self, worker_id: str) -> None:
        """See ``DocumentStore.release``."""
        self._check_open()
        self._leases.pop(worker_id, None)

    # --- issuers ------------------------------------------------------------------------------------------------------

    async def add_issuer(self, issuer: Issuer) -> None:
        """See ``DocumentStore.add_issuer``."""
        self._check_open()
        if issuer.id in self._issuers:
            raise DuplicateId(f"issuer {issuer.id} exists already")
        self._issuers[issuer.id] = issuer

    async def get_issuer(self, issuer_id: str) -> Issuer | None:
        """See ``DocumentStore.get_issuer``."""
        self._check_open()
        return self._issuers.get(issuer_id)

    async def list_issuers(self) -> Sequence[Issuer]:
        """See ``DocumentStore.list_issuers``."""
        self._check_open()
        return [issuer for _, issuer in sorted(self._issuers.items())]

    async def set_issuer_enabled(self, issuer_id: str, enabled: bool) -> bool:
        """See ``DocumentStore.set_issuer_enabled``."""
        self._check_open()
        if issuer_id not in self._issuers:
            return False
        self._issuers[issuer_id] = replace(self._issuers[issuer_id], enabled=enabled)
        return True

    async def rotate_issuer(self, issuer_id: str, key: str, keep_until: datetime | None) -> bool:
        """See ``DocumentStore.rotate_issuer``."""
        self._check_open()
        issuer = self._issuers.get(issuer_id)
        if issuer is None:
            return False
        previous = None if keep_until is None else issuer.key
        self._issuers[issuer_id] = replace(issuer, key=key, previous_key=previous, previous_until=keep_until)
        return True

    async def drop_previous_keys(self) -> int:
        """See ``DocumentStore.drop_previous_keys``."""
        self._check_open()
        now = self.clock.now()
        ended = [
            issuer
            for issuer in self._issuers.values()
            if issuer.previous_until is not None and issuer.previous_until <= now
        ]
        self._issuers |= {issuer.id: replace(issuer, previous_key=None, previous_until=None) for issuer in ended}
        return len(ended)

    def _put(self, document: Import) -> None:
        self._imports[document.id] = document
        self._writes.number(document.id)

    def _all(self) -> list[Import]:
        self._check_open()
        return [detached(document) for document in self._imports.values()]

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreUnavailable("the memory store is not open")
