"""The heads of the issuers' queues: their first due imports, mostly by one command.

The command reads a page and branches. The page is a stretch of the index ``QUEUED``, which the issuers order. A long
queue would fill it, so the store remembers long queues and leaves them out of the page; a branch reads the head of
each. Where a page ends within a queue nevertheless, the next one begins with the next issuer, however long the queue
is. What is read is only a hint: the claim itself is a compare-and-set.
"""

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from ..connection import LOCAL, Connection
from ..fields import text
from ..schema import IMPORTS, QUEUED, WORKERS

MAX_PAGES = 8
"""How many pages one look reads at most; the next look goes on behind them."""
MIN_PAGE = 32
LONG_QUEUE = 16
"""How many entries in a page make a queue a long one."""
MAX_LONG_QUEUES = 10_000
"""How many long queues a store remembers."""

Queues = dict[str, list[str]]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Excluded:
    """The issuers and hosts of which a claim wants no import."""

    issuers: Collection[str] = ()
    hosts: Collection[str] = ()

    def conditions(self, begin: str | None, end: str | None, others: Collection[str] = ()) -> dict[str, Any]:
        """The condition on queued imports, of issuers after ``begin`` up to ``end`` (None for no such bound) that are
        not among the ``others`` either.

        Raises:
            TypeError: an id or a host is no text.
        """
        names = [text(one) for one in (*self.issuers, *others)]
        bounds: dict[str, Any] = {"$nin": names} if names else {}
        if begin is not None:
            bounds["$gt"] = begin
        if end is not None:
            bounds["$lte"] = end
        return {"status": "queued", **({"issuer_id": bounds} if bounds else {}), **self._hosts}

    def of(self, issuer_id: str) -> dict[str, Any]:
        """The condition on the queued imports of one issuer."""
        return {"status": "queued", "issuer_id": issuer_id, **self._hosts}

    @property
    def _hosts(self) -> dict[str, Any]:
        # The index does not have the host: as long as a host is excluded, the server reads documents.
        return {"host": {"$nin": [text(one) for one in self.hosts]}} if self.hosts else {}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a look is for.

    Attributes:
        worker_id: the same command tells whether this worker has a lease.
        now: what is due by then.
        limit: enough issuers with imports that are due.
        depth: how many imports of one issuer are of use.
        deep: how many are read of a long queue, up to ``depth``.
        has_documents: whether whole documents are read of long queues.
    """

    worker_id: str
    now: datetime
    limit: int
    excluded: Excluded
    depth: int
    deep: int
    has_documents: bool

    @property
    def page(self) -> int:
        """How many entries a page has: twice the depth, so that an issuer who fills it alone is never cut short."""
        return max(MIN_PAGE, 2 * self.depth)


@dataclass(slots=True)
class Look:
    """What was read.

    Attributes:
        queues: due imports of each issuer, in the order of turns.
        documents: those that were read as a whole, by their ids.
        has_lease: whether the worker has a lease.
        next_due: when the first import becomes due that was found not to be.
        is_whole: whether no issuer with imports was left out.
        is_cut: whether there were too many pages to read.
        end: the issuer up to whom was read, where ``is_cut``; None for the beginning.
        is_shallow: whether a long queue may have more of use.
    """

    queues: Queues = field(default_factory=dict)
    documents: dict[str, Row] = field(default_factory=dict)
    has_lease: bool = False
    next_due: datetime | None = None
    is_whole: bool = False
    is_cut: bool = False
    end: str | None = None
    is_shallow: bool = False

    def add(self, rows: Sequence[Row], now: datetime) -> None:
        """Sort imports of the queue in."""
        for row in rows:
            if row["run_at"] <= now:
                self.queues.setdefault(row["issuer_id"], []).append(row["_id"])
            elif self.next_due is None or row["run_at"] < self.next_due:
                self.next_due = row["run_at"]


class Heads:
    """Reads the heads of queues, and remembers which queues are long."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._long: list[str] = []  # sorted
        self._is_one_page = True

    async def look(self, wanted: Wanted, last: str | None) -> Look:
        """The heads of the queues of all issuers, from the one after ``last``, until enough of them have imports.

        Raises:
            StoreUnavailable: the queue cannot be read.
        """
        look, entries = Look(), 0
        is_whole = last is None or (self._is_one_page and len(self._long) <= wanted.limit)
        stretches: list[tuple[str | None, str | None]] = [(None, None)] if is_whole else [(last, None), (None, last)]
        begin, high = stretches.pop(0)
        read: set[str] = set()
        reached: tuple[bool, str] | None = None
        for number in range(MAX_PAGES):
            long, stop = self._next_long(wanted, begin, high)
            branches = [issuer_id for issuer_id in long if issuer_id not in read]
            rows = await self._read(wanted, (begin, stop), long, branches, is_first=number == 0)
            page = self._without_branches(rows, branches, wanted, look)
            read.update(branches)
            end = _end_of(page, wanted)
            if end is not None and is_whole and last is not None:
                # What was read from the beginning is of no use to those whose turn is after ``last``.
                is_whole, stretches, begin = False, [(None, last)], last
                continue
            look.add([row for row in page if end is None or row["issuer_id"] <= end], wanted.now)
            self._remember(page)
            entries += len(page)
            begin = stop if end is None else end
            if begin != high:
                reached = _place(begin or "", last)
            elif stretches:
                begin, high = stretches.pop(0)
                reached = (True, "")
            else:
                look.is_whole, self._is_one_page = True, entries < wanted.page
                return _ordered(look, last)
            if sum(_place(issuer_id, last) <= reached for issuer_id in look.queues) >= wanted.limit:
                break
        else:
            look.is_cut, look.end = True, begin
        self._is_one_page = False
        return _ordered(look, last, reached)

    def _next_long(self, wanted: Wanted, begin: str | None, high: str | None) -> tuple[list[str], str | None]:
        """The next long queues of a stretch, as many as are of use, and the end of the stretch that has no others."""
        first = 0 if begin is None else bisect_right(self._long, begin)
        beyond = len(self._long) if high is None else bisect_right(self._long, high)
        excluded = frozenset(wanted.excluded.issuers)
        others = (issuer_id for issuer_id in islice(self._long, first, beyond) if issuer_id not in excluded)
        long = list(islice(others, wanted.limit + 1))
        if len(long) <= wanted.limit:
            return long, high
        return long[:-1], long[-2]

    def _remember(self, page: Sequence[Row]) -> None:
        for issuer_id, entries in Counter(row["issuer_id"] for row in page).items():
            if entries >= LONG_QUEUE and len(self._long) < MAX_LONG_QUEUES and issuer_id not in self._long:
                insort(self._long, issuer_id)

    def _without_branches(
        self, rows: Sequence[Row], branches: Collection[str], wanted: Wanted, look: Look
    ) -> Sequence[Row]:
        """The page; what is not of it is sorted in."""
        heads = [row for row in rows if row.get("issuer_id") in branches]
        look.add(heads, wanted.now)
        if wanted.has_documents:
            look.documents |= {row["_id"]: row for row in heads}
        sizes = Counter(row["issuer_id"] for row in heads)
        for issuer_id in branches:
            if sizes[issuer_id] < wanted.deep:
                self._long.remove(issuer_id)
            elif wanted.deep < wanted.depth:
                look.is_shallow = True
        look.has_lease |= any("issuer_id" not in row for row in rows)
        return [row for row in rows if "issuer_id" in row and row["issuer_id"] not in branches]

    async def _read(
        self,
        wanted: Wanted,
        stretch: tuple[str | None, str | None],
        long: Collection[str],
        branches: Collection[str],
        *,
        is_first: bool,
    ) -> Sequence[Row]:
        """A page of a stretch of the issuers without the long queues, and the heads of the branches; the first time
        also a row that has no issuer, where the worker has a lease.
        """
        keys = {"$project": {"issuer_id": 1, "run_at": 1}}
        pipeline: list[dict[str, Any]] = [
            {"$match": wanted.excluded.conditions(*stretch, others=long)},
            {"$sort": {"issuer_id": 1, "run_at": 1}},
            {"$limit": wanted.page},
            keys,
        ]
        if is_first:
            lease = [{"$match": {"_id": text(wanted.worker_id)}}, {"$project": {"_id": 1}}]
            pipeline.append({"$unionWith": {"coll": WORKERS, "pipeline": lease}})
        for issuer_id in branches:
            head: list[dict[str, Any]] = [
                {"$match": wanted.excluded.of(issuer_id)},
                {"$sort": {"run_at": 1}},
                {"$limit": wanted.deep},
                *(() if wanted.has_documents else (keys,)),
            ]
            pipeline.append({"$unionWith": {"coll": IMPORTS, "pipeline": head}})
        most = wanted.page + len(branches) * wanted.deep + 1
        cursor = self._connection.collection(IMPORTS, LOCAL).aggregate(pipeline, hint=QUEUED.name, batchSize=most + 1)
        found: Sequence[Row] = await self._connection.run(lambda: cursor.to_list(None))
        return found


def _end_of(page: Sequence[Row], wanted: Wanted) -> str | None:
    """The last issuer of whom the page tells enough: all, or as much as is of use; None at the end of all."""
    if len(page) < wanted.page:
        return None
    last: str = page[-1]["issuer_id"]
    before = [row["issuer_id"] for row in page if row["issuer_id"] != last]
    return last if len(page) - len(before) >= wanted.depth or not before else before[-1]


def _place(issuer_id: str, last: str | None) -> tuple[bool, str]:
    """Where an issuer comes in the order of turns."""
    return (last is not None and issuer_id <= last, issuer_id)


def _ordered(look: Look, last: str | None, reached: tuple[bool, str] | None = None) -> Look:
    """The look with its queues in the order of turns, up to a place."""
    order = sorted(look.queues, key=lambda issuer_id: _place(issuer_id, last))
    kept = [issuer_id for issuer_id in order if reached is None or _place(issuer_id, last) <= reached]
    look.queues = {issuer_id: look.queues[issuer_id] for issuer_id in kept}
    return look
