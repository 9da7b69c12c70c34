"""The quota of stored bytes of each organisation.

The document store knows the sum, and a process remembers it for ``max_age`` seconds. An import reserves its bytes
before the save until its document is written, so the imports of one process never exceed the quota together. Imports
that save equal bytes, of which one object stays, reserve these once (``group``). Several
processes may exceed it by the bytes that the other processes store and reserve within ``max_age`` seconds: at most the
largest size of an image times the imports that run in them.
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
"""Number of organisations with a remembered sum; the sum of another organisation is read again."""


class StorageQuotaExceeded(StorageError):
    """The organisation has no bytes left. No plugin raises this error, but it ends an attempt like a plugin's error."""

    code = "storage_quota_exceeded"
    public_text = "The image would exceed the organisation's limit of {limit} stored bytes."


@dataclass(slots=True)
class _Usage:
    """The bytes of an organisation.

    Attributes:
        stored: the sum that the store reported at ``read_at``, plus the bytes that this process has written since.
        released: all bytes that this process has ever written; only its growth matters.
        held: reserved bytes and their group, by import.
    """

    stored: int = 0
    released: int = 0
    read_at: float = float("-inf")
    held: dict[str, tuple[str, int]] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def total(self) -> int:
        return self.stored + sum(dict(self.held.values()).values())

    def has(self, group: str) -> bool:
        """Whether an import of the group has reserved the bytes of the group."""
        return any(group == one for one, _ in self.held.values())

    @property
    def is_idle(self) -> bool:
        """Whether this may be forgotten, since the store can be asked again."""
        return not self.held and not self.lock.locked()


class Quotas:
    """The quotas of all organisations.

    Args:
        store: knows the stored bytes.
        limit: bytes; 0 for no limit.
        max_age: seconds for which a sum is used.
        now: gives monotonic seconds.
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

    def take_over(self, limit: int) -> None:
        """Judge by another limit from now on."""
        self.limit = limit

    async def is_full(self, organization_id: str) -> bool:
        """Whether the organisation may store nothing more.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        return bool(self.limit) and (await self._usage(organization_id)).total >= self.limit

    async def hold(self, document: Import, byte_size: int, group: str | None = None) -> None:
        """Reserve bytes for an import, until ``release``.

        Args:
            document: the import.
            byte_size: the number of bytes.
            group: the imports that save the same bytes and of which one keeps its object, by any name; None for an
                import that keeps its object in any case.

        Raises:
            StorageQuotaExceeded: the quota does not have them.
            StorageUnavailable: the database does not answer.
        """
        if not self.limit:
            return
        try:
            usage = await self._usage(document.organization_id)
        except StoreUnavailable as error:
            raise StorageUnavailable(f"the quota is not known: {error}") from error
        group = group or document.id
        if not usage.has(group) and usage.total + byte_size > self.limit:
            raise StorageQuotaExceeded(limit=self.limit)
        usage.held[document.id] = group, byte_size
        self._holders[document.id] = usage

    def release(self, import_id: str, *, is_stored: bool | None) -> None:
        """Release the reservation of the import. Stored bytes count here until the store reports them.

        Args:
            import_id: of the import.
            is_stored: whether its document is written with an image. None if that is unknown: its bytes count as
                stored, and the other imports of its group keep their reservation, since they may store theirs.
        """
        usage = self._holders.pop(import_id, None)
        if usage is not None:
            group, size = usage.held.pop(import_id)
            if is_stored is False:
                return
            if is_stored:
                # The others of the group end with this object: nothing is reserved for them any more.
                usage.held |= {one: (group, 0) for one, (name, _) in usage.held.items() if name == group}
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
                # Bytes written meanwhile may be in the sum or not. Count them: too much until the next sum is better
                # than too little.
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
