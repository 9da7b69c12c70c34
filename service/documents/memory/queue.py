"""What operators see of the reference store's queue. See ``ImportQueue``; each reading looks at every import."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from ...models import Import, Status
from ..queue import EXAMINED, Entry, Figures, Group, ImportQueue, Selection, Summary, entry_of


class MemoryImportQueue(ImportQueue):
    """Counts imports in memory.

    Args:
        imports: all imports; it raises where the store is not open.
    """

    def __init__(self, imports: Callable[[], Iterable[Import]]) -> None:
        self._imports = imports

    async def summary(self, wanted: Selection, *, examine: int = EXAMINED) -> Summary:
        """See ``ImportQueue.summary``."""
        found, is_whole = self._find(wanted, examine)
        groups: defaultdict[tuple[str, str, str | None], list[Entry]] = defaultdict(list)
        for entry in found:
            groups[entry.issuer_id, entry.host, entry.code].append(entry)
        return Summary([_group(entries) for entries in groups.values()], is_whole)

    async def entries(self, wanted: Selection, limit: int, *, examine: int = EXAMINED) -> Sequence[Entry]:
        """See ``ImportQueue.entries``."""
        return self._find(wanted, examine)[0][:limit]

    async def figures(self, now: datetime) -> Figures:
        """See ``ImportQueue.figures``."""
        imports = [*self._imports()]
        statuses = Counter(document.status for document in imports)
        due = [one.run_at for one in imports if one.status is Status.QUEUED and one.run_at <= now]
        return Figures(
            waiting=statuses[Status.WAITING],
            queued=len(due),
            delayed=statuses[Status.QUEUED] - len(due),
            running=statuses[Status.RUNNING],
            oldest_seconds=(now - min(due, default=now)).total_seconds(),
        )

    def _find(self, wanted: Selection, examine: int) -> tuple[Sequence[Entry], bool]:
        """What is meant of the latest imports of the state, and whether there are no others to look at."""
        of_state = [
            entry_of(one)
            for one in self._imports()
            if one.status is wanted.status and one.deleted_at is None and _may_be_recent(one, wanted)
        ]
        looked_at = heapq.nlargest(examine, of_state, key=_place)
        return [one for one in looked_at if wanted.admits(one)], len(looked_at) == len(of_state)


def _may_be_recent(document: Import, wanted: Selection) -> bool:
    return document.status is not Status.FAILED or wanted.since is None or document.updated_at >= wanted.since


def _place(entry: Entry) -> tuple[object, str]:
    return entry.since, entry.id


def _group(entries: Sequence[Entry]) -> Group:
    first, last = min(entries, key=_place), max(entries, key=_place)
    return Group(
        issuer_id=last.issuer_id,
        host=last.host,
        code=last.code,
        count=len(entries),
        oldest=first.since,
        newest=last.since,
        example=last.id,
    )
