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

    def admits(self, issuer_id: str, number: int) -> bool:
        """Whether the worker may have one more import of the issuer, of whom it is given ``number`` already."""
        return issuer_id not in self.exclude_issuers and (self.per_issuer is None or number < self.per_issuer)

    def divide(self, queued: Iterable[Import], now: datetime) -> tuple[list[Import], list[Import]]:
        """Queued imports that may be claimed at the time ``now``, and the others; each in their order."""
        wanted: list[Import] = []
        left: list[Import] = []
        numbers: Counter[str] = Counter()
        for one in queued:
            is_admitted = self.admits(one.issuer_id, numbers[one.issuer_id]) and one.host not in self.exclude_hosts
            if not is_admitted or one.run_at > now:
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
