"""The leases under which a worker claims.

Whatever a worker claimed is either known to it or returned to the queue by ``DocumentStore.recover``. Where the two
might differ (the answer to a claim was lost, a result could not be written), the lease is retired: new claims go under
a new one, and when the last import known to run under the old one has ended, it is released, so that whatever else the
store believes to run under it is recovered.
"""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from ..documents import DocumentStore, StoreUnavailable
from ..models import Import
from ..observe.outages import Outage

RELEASE_SECONDS = 2.0

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Lease:
    """An identity under which imports are claimed.

    Attributes:
        worker_id: known to the store.
        held: the imports claimed under it that are running or waiting, by id.
        retired: whether nothing more is claimed under it.
    """

    worker_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    held: dict[str, Import] = field(default_factory=dict)
    retired: bool = False


class Leases:
    """All leases of one worker; the newest is the one to claim under."""

    def __init__(self, store: DocumentStore, duration: timedelta) -> None:
        self._store = store
        self._duration = duration
        self._leases: list[Lease] = []
        self._beginning = asyncio.Lock()
        self._outage = Outage("the heartbeat")

    async def current(self) -> Lease:
        """The lease to claim under; begun where there is none. Callers of the same time wait for the same one.

        Raises:
            StoreUnavailable: it cannot be begun.
        """
        async with self._beginning:
            if not self._leases or self._leases[-1].retired:
                await self._begin()
            return self._leases[-1]

    async def _begin(self) -> None:
        """Register a lease. Nobody works under it, or renews it, before the store knows it."""
        lease = Lease()
        try:
            await self._store.register(lease.worker_id, self._duration)
        except StoreUnavailable:
            raise  # if it began all the same, it expires by itself
        except BaseException:
            lease.retired = True  # whether it began is not known: it is released with the next heartbeat
            self._leases.append(lease)
            raise
        self._leases.append(lease)

    async def beat(self) -> Sequence[Lease]:
        """Renew every lease, and release the retired ones under which nothing is held.

        One that the database does not let be renewed is tried again with the next heartbeat.

        Returns:
            leases that were lost: the store has given, or will give, their imports to others.
        """
        return [lease for lease in tuple(self._leases) if not await self._keep(lease)]

    async def _keep(self, lease: Lease) -> bool:
        """Renew or release one lease; False where it was lost."""
        try:
            if lease.retired and not lease.held:
                await self._store.release(lease.worker_id)
                self._leases.remove(lease)
            elif not await self._store.heartbeat(lease.worker_id, self._duration):
                lease.retired = True
                self._leases.remove(lease)
                return False
        except StoreUnavailable as error:
            self._outage.failed(str(error))
        else:
            self._outage.worked()
        return True

    async def release_all(self) -> None:
        """End every lease at a clean stop; one that cannot be released in ``RELEASE_SECONDS`` expires by itself."""
        leases, self._leases = self._leases, []
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await asyncio.gather(*(self._store.release(lease.worker_id) for lease in leases))
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("could not release leases; they will expire", leases=len(leases), reason=str(error) or None)
