"""The queued imports that a claim tries to take: those of all issuers in turn, at a cost independent of the backlog.

The claim reads the index ``QUEUED`` in pages, from the issuer after the last served issuer. After a page that ends
within an issuer's queue, the next page begins with the next issuer, however long that queue is. The pages are only a
hint: the claim itself is a compare-and-set.
"""

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .connection import LOCAL, Connection
from .fields import text
from .schema import IMPORTS, QUEUED

MAX_PAGES = 8
"""How many pages one call reads at most; the next call goes on behind them."""
MIN_PAGE = 32
MAX_DEPTH = 2000
MAX_SPREAD = 16

Queues = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Excluded:
    """The issuers and hosts of which a claim wants no import."""

    issuers: Collection[str] = ()
    hosts: Collection[str] = ()

    def conditions(self, begin: str | None, end: str | None) -> dict[str, Any]:
        """The condition on queued imports, of issuers after ``begin`` up to ``end``; None for no such bound.

        Raises:
            TypeError: an id or a host is no text.
        """
        bounds: dict[str, Any] = {"$nin": [text(one) for one in self.issuers]} if self.issuers else {}
        if begin is not None:
            bounds["$gt"] = begin
        if end is not None:
            bounds["$lte"] = end
        # The index does not have the host: as long as a host is excluded, the server reads documents.
        hosts = {"host": {"$nin": [text(one) for one in self.hosts]}} if self.hosts else {}
        return {"status": "queued", **({"issuer_id": bounds} if bounds else {}), **hosts}


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
        self._connection = connection
        self._rng = rng
        self._last: str | None = None
        self._spread = 1
        self.next_due: datetime | None = None

    async def take(
        self, now: datetime, limit: int, excluded: Excluded, per_issuer: int | None, taken: Counter[str]
    ) -> list[str]:
        """Choose what to claim; arguments as of ``DocumentStore.claim``, and how many it has ``taken`` of each issuer
        already.

        Returns:
            the ids of up to ``limit`` queued imports that are due, in the order in which they are served.

        Raises:
            StoreUnavailable: the queue cannot be read.
        """
        most = limit if per_issuer is None else per_issuer
        full = {issuer_id for issuer_id, count in taken.items() if count >= most}
        excluded = Excluded({*excluded.issuers, *full}, excluded.hosts)
        depth = min(MAX_DEPTH, min(limit, most) * self._spread)
        queues, is_cut = await self._queues(now, limit, excluded, depth)
        share = -(-limit // max(1, len(queues)))
        order = {issuer_id: self._window(ids, share) for issuer_id, ids in queues.items()}
        chosen = list(_in_turn(order, {issuer_id: most - taken[issuer_id] for issuer_id in order}, limit))
        if chosen and not is_cut:
            self._last = chosen[-1][0]
        return [import_id for _, import_id in chosen]

    def adapt(self, tried: int, lost: int) -> None:
        """Learn from a claim how many others claim the same: of ``tried`` imports ``lost`` went to them."""
        if 4 * lost > tried:
            self._spread = min(MAX_SPREAD, 2 * self._spread)
        elif 20 * lost <= tried:
            self._spread = max(1, self._spread // 2)

    def _window(self, ids: list[str], share: int) -> list[str]:
        if self._spread == 1:
            return ids
        window = ids[: share * self._spread]
        self._rng.shuffle(window)
        return window + ids[share * self._spread :]

    async def _queues(self, now: datetime, limit: int, excluded: Excluded, depth: int) -> tuple[Queues, bool]:
        """The first due imports of each issuer, in the order of turns, until ``limit`` issuers have some.

        Returns:
            them, and whether there may be more beyond what one call reads.
        """
        self.next_due = None
        found: Queues = {}
        size = max(MIN_PAGE, 2 * depth)
        ranges = [(None, None)] if self._last is None else [(self._last, None), (None, self._last)]
        pages = 0
        for low, high in ranges:
            begin: str | None = low
            while begin is None or begin != high:
                if pages == MAX_PAGES:
                    # The next call goes on here: it must not read again what had nothing due.
                    self._last = begin
                    return found, True
                page = await self._page(begin, high, excluded, size)
                pages += 1
                begin = _end_of(page, size, depth)
                self._sort_in(found, page, begin, now)
                if len(found) >= limit:
                    return found, False
                if begin is None:
                    break
        return found, False

    def _sort_in(self, found: Queues, page: list[dict[str, Any]], end: str | None, now: datetime) -> None:
        for entry in page:
            issuer_id = entry["issuer_id"]
            if end is not None and issuer_id > end:
                return
            if entry["run_at"] <= now:
                found.setdefault(issuer_id, []).append(entry["_id"])
            elif self.next_due is None or entry["run_at"] < self.next_due:
                self.next_due = entry["run_at"]

    async def _page(self, begin: str | None, end: str | None, excluded: Excluded, size: int) -> list[dict[str, Any]]:
        cursor = (
            self._connection.collection(IMPORTS, LOCAL)
            .find(excluded.conditions(begin, end), {"issuer_id": 1, "run_at": 1})
            .sort([("issuer_id", 1), ("run_at", 1)])
            .limit(size)
            .hint(QUEUED.name)
        )
        return await self._connection.run(lambda: cursor.to_list(None))


def _end_of(page: list[dict[str, Any]], size: int, depth: int) -> str | None:
    """The last issuer of whom the page tells enough: all, or its first ``depth`` imports; None at the end of all."""
    if len(page) < size:
        return None
    last: str = page[-1]["issuer_id"]
    before = [entry["issuer_id"] for entry in page if entry["issuer_id"] != last]
    # A page holds twice the depth, so that an issuer who fills it alone is never cut short.
    return last if len(page) - len(before) >= depth or not before else before[-1]


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
