"""What the ``DocumentStore`` contract needs to hand out imports beside ``claim``."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable

from ..models import Import


@runtime_checkable
class SupportsWaiting(Protocol):
    """Optional capability of a store: idle workers need not ask again and again whether there is work."""

    async def wait_for_work(self, timeout: float) -> None:
        """Return when imports may have been queued or become due since ``claim`` last looked; or after ``timeout``
        seconds at the latest. It may return for nothing. Never raises ``StoreError``; may be cancelled.
        """
        ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a worker leaves queued; see the arguments of ``DocumentStore.claim``."""

    exclude_issuers: Collection[str] = ()
    exclude_hosts: Collection[str] = ()
    per_issuer: int | None = None

    def divide(self, queued: Iterable[Import], now: datetime) -> tuple[list[Import], list[Import]]:
        """Queued imports that may be claimed at the time ``now``, and the others; each in their order."""
        wanted: list[Import] = []
        left: list[Import] = []
        numbers: Counter[str] = Counter()
        for one in queued:
            is_excluded = one.issuer_id in self.exclude_issuers or one.host in self.exclude_hosts
            is_full = self.per_issuer is not None and numbers[one.issuer_id] >= self.per_issuer
            if is_excluded or is_full or one.run_at > now:
                left.append(one)
            else:
                numbers[one.issuer_id] += 1
                wanted.append(one)
        return wanted, left


class Taken(NamedTuple):
    """What ``DocumentStore.claim_these`` has done.

    Attributes:
        claimed: the imports that the worker has now.
        left: those that are queued still. All others are not queued: others run them, or they have ended.
    """

    claimed: Sequence[Import]
    left: Sequence[Import]
