"""The queued imports that a claim tries to take: those of all issuers in turn, at a cost independent of the backlog."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..connection import Connection
from .heads import Excluded, Heads, Queues, Wanted

MAX_DEPTH = 2000
MAX_SPREAD = 16


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a claim tries to take.

    Attributes:
        ids: of queued imports that are due, in the order in which they are served.
        documents, has_lease: see ``Look``.
    """

    ids: Sequence[str]
    documents: Mapping[str, Mapping[str, Any]]
    has_lease: bool


class Turns:
    """Whose turn it is. Each store keeps its own place in the order of the issuers.

    Several nodes that all take the head of a queue would get in each other's way. So where imports were lost to others,
    a store chooses at random among the first few times as many; where none is, it takes the earliest.

    Args:
        rng: makes these choices.

    Attributes:
        next_due: when the first import becomes due that the last call found not to be; None where it found none.
    """

    def __init__(self, connection: Connection, rng: random.Random) -> None:
        self._heads = Heads(connection)
        self._rng = rng
        self._last: str | None = None
        self._spread = 1
        self._served = 0
        self.next_due: datetime | None = None

    async def take(
        self,
        worker_id: str,
        now: datetime,
        limit: int,
        excluded: Excluded,
        per_issuer: int | None,
        taken: Counter[str],
    ) -> Chosen:
        """Choose what to claim; arguments as of ``DocumentStore.claim``, and how many it has ``taken`` of each issuer
        already.

        Raises:
            StoreUnavailable: the queue cannot be read.
        """
        most = limit if per_issuer is None else per_issuer
        full = {issuer_id for issuer_id, count in taken.items() if count >= most}
        excluded = Excluded({*excluded.issuers, *full}, excluded.hosts)
        depth = min(MAX_DEPTH, min(limit, most) * self._spread)
        # What each issuer is asked for if as many have imports as at the last call.
        share = min(depth, -(-limit // self._served) * self._spread) if self._served else depth
        for deep in dict.fromkeys((share, depth)):
            wanted = Wanted(worker_id, now, limit, excluded, depth, deep, has_documents=self._spread == 1)
            look = await self._heads.look(wanted, self._last)
            chosen = self._choose(look.queues, limit, most, taken)
            if len(chosen) == limit or not look.is_shallow:
                break
        self._served = len(look.queues) if look.is_whole else max(self._served, len(look.queues))
        self.next_due = look.next_due
        if look.is_cut:
            # The next call goes on there: it must not read again what had nothing due.
            self._last = look.end
        elif chosen:
            self._last = chosen[-1][0]
        return Chosen([import_id for _, import_id in chosen], look.documents, look.has_lease)

    def adapt(self, tried: int, lost: int) -> None:
        """Learn from a claim how many others claim the same: of ``tried`` imports ``lost`` went to them."""
        if 4 * lost > tried:
            self._spread = min(MAX_SPREAD, 2 * self._spread)
        elif 20 * lost <= tried:
            self._spread = max(1, self._spread // 2)

    def _choose(self, queues: Queues, limit: int, most: int, taken: Counter[str]) -> list[tuple[str, str]]:
        share = -(-limit // max(1, len(queues)))
        order = {issuer_id: self._window(ids, share) for issuer_id, ids in queues.items()}
        return list(_in_turn(order, {issuer_id: most - taken[issuer_id] for issuer_id in order}, limit))

    def _window(self, ids: list[str], share: int) -> list[str]:
        if self._spread == 1:
            return ids
        window = ids[: share * self._spread]
        self._rng.shuffle(window)
        return window + ids[share * self._spread :]


def _in_turn(queues: Mapping[str, list[str]], most: Mapping[str, int], limit: int) -> Iterator[tuple[str, str]]:
    """An import of each issuer, then another of each, and so on: the issuer and the import's id."""
    turns = max((min(len(ids), most[issuer_id]) for issuer_id, ids in queues.items()), default=0)
    for turn in range(turns):
        for issuer_id, ids in queues.items():
            if turn < min(len(ids), most[issuer_id]):
                yield issuer_id, ids[turn]
                limit -= 1
                if limit == 0:
                    return
