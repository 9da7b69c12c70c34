"""How much the images of an organisation may take up in storage.

The document store knows the sum; what it said is remembered for ``max_age`` seconds. An import holds its bytes from
before they are saved until its document is written, so that the imports of one process never exceed the quota together.
Those of several may, by what the others store within ``max_age`` seconds and hold at that time: at most the image size
limit times the imports that run in them.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from ...plugins.errors import StorageError, StorageUnavailable
from ..documents import DocumentStore, StoreUnavailable
from ..models import Import

MAX_ORGANIZATIONS = 4096
"""Organisations whose sum is remembered; another one's is asked for anew."""


class StorageQuotaExceeded(StorageError):
    """The image was not saved; no plugin's doing, but it ends an attempt as what plugins raise does."""

    code = "storage_quota_exceeded"
    public_text = "The image would exceed the organisation's limit of {limit} stored bytes."


@dataclass(slots=True)
class _Usage:
    """What is known of an organisation.

    Attributes:
        stored: bytes, as the store said at ``read_at``, and what this process has written since.
        released: bytes that this process has written, ever; only what it grows by means anything.
        held: bytes by import, of those that are being saved.
    """

    stored: int = 0
    released: int = 0
    read_at: float = float("-inf")
    held: dict[str, int] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def total(self) -> int:
        return self.stored + sum(self.held.values())

    @property
    def is_idle(self) -> bool:
        """Whether nothing is lost by forgetting it: the store can be asked again."""
        return not self.held and not self.lock.locked()


class Quotas:
    """The quota of every organisation.

    Args:
        store: knows what is stored.
        limit: bytes; 0 for none.
        max_age: seconds for which a sum is used.
        now: monotonic seconds.
    """

    def __init__(
        self, store: DocumentStore, limit: int, *, max_age: float = 2.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit = limit
        self._store = store
        self._max_age = max_age
        self._now = now
        self._usages: OrderedDict[str, _Usage] = OrderedDict()
        self._holders: dict[str, _Usage] = {}

    async def is_full(self, organization_id: str) -> bool:
        """Whether nothing more may be stored for the organisation.

        Raises:
            StoreUnavailable: it is not known.
        """
        return bool(self.limit) and (await self._usage(organization_id)).total >= self.limit

    async def hold(self, document: Import, byte_size: int) -> None:
        """Hold so many bytes for an import, until ``release``.

        Raises:
            StorageQuotaExceeded: they are too many.
            StorageUnavailable: it is not known.
        """
        if not self.limit:
            return
        try:
            usage = await self._usage(document.organization_id)
        except StoreUnavailable as error:
            raise StorageUnavailable(f"the quota is not known: {error}") from error
        if usage.total + byte_size > self.limit:
            raise StorageQuotaExceeded(limit=self.limit)
        usage.held[document.id] = byte_size
        self._holders[document.id] = usage

    def release(self, import_id: str, *, is_stored: bool) -> None:
        """Hold nothing more for the import. What is stored counts until the store is asked again, which then knows."""
        usage = self._holders.pop(import_id, None)
        if usage is not None:
            size = usage.held.pop(import_id)
            if not is_stored:
                return
            usage.stored += size
            usage.released += size

    async def _usage(self, organization_id: str) -> _Usage:
        usage = self._usages.setdefault(organization_id, _Usage())
        self._usages.move_to_end(organization_id)
        async with usage.lock:
            if self._now() - usage.read_at > self._max_age:
                asked_at = self._now()
                before = usage.released
                stored = await self._store.stored_bytes(organization_id)
                # What was written meanwhile may be in the answer or not: too much, until the next look, rather than too
                # little.
                usage.stored = stored + usage.released - before
                usage.read_at = asked_at
        self._forget_idle_ones(usage)
        return usage

    def _forget_idle_ones(self, kept: _Usage) -> None:
        while len(self._usages) > MAX_ORGANIZATIONS:
            idle = (name for name, one in self._usages.items() if one is not kept and one.is_idle)
            name = next(idle, None)
            if name is None:
                return
            del self._usages[name]
