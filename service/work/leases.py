"""The leases under which a worker claims imports.

The worker either knows a claimed import, or ``DocumentStore.recover`` returns it to the queue. If the worker and the
store may disagree, because the answer to a claim was lost or a result was not written, the worker retires the lease: it
makes new claims under a new lease. When the last known import of the retired lease has ended, the worker releases the
lease, and the store recovers every other import that it believes to run under it.
"""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from ...plugins.host.turns import on_behalf_of_all
from ..documents import DocumentStore, StoreUnavailable
from ..models import Import
from ..observe.outages import Outage

RELEASE_SECONDS = 2.0

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Lease:
    """An identity under which imports are claimed.

    Attributes:
        worker_id: the identity, as the store knows it.
        held: the claimed imports that run or wait, by id.
        retired: whether the worker makes no more claims under this lease.
        beginning: number of imports that begin to run, and that are not held yet.
    """

    worker_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    held: dict[str, Import] = field(default_factory=dict)
    retired: bool = False
    beginning: int = 0

    @property
    def is_needed(self) -> bool:
        """Whether imports run under this lease, or begin to."""
        return bool(self.held) or self.beginning > 0

    @contextmanager
    def begins(self) -> Iterator[None]:
        """Keep the lease for the block, which makes an import run. An import is held only when it does: another request
        may hold the same import meanwhile.
        """
        self.beginning += 1
        try:
            yield
        finally:
            self.beginning -= 1


def holder_of(lease_id: str) -> str:
    """The id of the worker that a lease belongs to."""
    return lease_id.partition(".")[0]


class Leases:
    """All leases of one worker; claims use the newest.

    Args:
        holder: the id of the worker, with which the ids of its leases begin; see ``holder_of``.
    """

    def __init__(self, store: DocumentStore, duration: timedelta, holder: str | None = None) -> None:
        self._store = store
        self._duration = duration
        self._holder = holder or str(uuid.uuid4())
        self._count = 0
        self._leases: list[Lease] = []
        self._beginning = asyncio.Lock()
        self._outage = Outage("the heartbeat")

    async def current(self) -> Lease:
        """The lease for new claims; registered if there is none. Concurrent callers wait for the same lease.

        Raises:
            StoreUnavailable: the lease cannot be registered.
        """
        async with self._beginning:
            if not self._leases or self._leases[-1].retired:
                with on_behalf_of_all():
                    await self._begin()
            return self._leases[-1]

    async def _begin(self) -> None:
        """Register a lease. No claim uses or renews it before the store knows it."""
        self._count += 1
        lease = Lease(f"{self._holder}.{self._count}")
        try:
            await self._store.register(lease.worker_id, self._duration)
        except StoreUnavailable:
            raise  # if the store registered it nevertheless, it expires by itself
        except BaseException:
            lease.retired = True  # the store may have registered it: it is released with the next heartbeat
            self._leases.append(lease)
            raise
        self._leases.append(lease)

    @property
    def are_over(self) -> bool:
        """Whether there is no lease, retired or not."""
        return not self._leases

    def retire(self) -> None:
        """Make no more claims under the present leases."""
        for lease in self._leases:
            lease.retired = True

    async def beat(self) -> Sequence[Lease]:
        """Renew every lease, and release the retired leases that no import needs.

        If the database fails to renew a lease, the next heartbeat tries again.

        Returns:
            the lost leases: the store has given their imports to others, or will.
        """
        return [lease for lease in tuple(self._leases) if not await self._keep(lease)]

    async def _keep(self, lease: Lease) -> bool:
        """Renew or release one lease; False if it is lost."""
        try:
            if lease.retired and not lease.is_needed:
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
        """End every lease at a clean stop. A lease that cannot be released in ``RELEASE_SECONDS`` expires by itself."""
        leases, self._leases = self._leases, []
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await asyncio.gather(*(self._store.release(lease.worker_id) for lease in leases))
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("could not release leases; they will expire", leases=len(leases), reason=str(error) or None)
