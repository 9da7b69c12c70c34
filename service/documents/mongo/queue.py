"""What operators see of the MongoDB store's queue. See ``ImportQueue``."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ...models import Status
from ..queue import COUNTED, EXAMINED, Entry, Figures, Group, ImportQueue, Selection, Summary
from .connection import LOCAL, Connection
from .fields import text
from .schema import FAILED_AT, IMPORTS, QUEUED, RUNNING, WAITING, Index

_WALKS: Final[Mapping[Status, Index]] = {
    Status.QUEUED: QUEUED,
    Status.RUNNING: RUNNING,
    Status.WAITING: WAITING,
    Status.FAILED: FAILED_AT,
}


class MongoImportQueue(ImportQueue):
    """Counts imports through the store's connection. A reading sees what the server has, acknowledged or not."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def summary(self, wanted: Selection, *, examine: int = EXAMINED) -> Summary:
        """See ``ImportQueue.summary``."""
        group = {
            "_id": {"issuer_id": "$issuer_id", "host": "$host", "code": "$code"},
            "count": {"$sum": 1},
            "oldest": {"$min": "$since"},
            "last": {"$max": {"since": "$since", "id": "$_id"}},
        }
        rows = await self._aggregate([*_chosen(wanted, examine), {"$group": group}], wanted.status)
        beyond = [*_walk(wanted), {"$skip": examine}, {"$limit": 1}, {"$project": {"_id": 1}}]
        groups = [
            Group(
                issuer_id=row["_id"]["issuer_id"],
                host=row["_id"]["host"],
                code=row["_id"].get("code"),
                count=row["count"],
                oldest=row["oldest"],
                newest=row["last"]["since"],
                example=row["last"]["id"],
            )
            for row in rows
        ]
        return Summary(groups, not await self._aggregate(beyond, wanted.status))

    async def entries(self, wanted: Selection, limit: int, *, examine: int = EXAMINED) -> Sequence[Entry]:
        """See ``ImportQueue.entries``."""
        return [
            Entry(
                id=row["_id"],
                status=wanted.status,
                issuer_id=row["issuer_id"],
                host=row["host"],
                code=row.get("code"),
                since=row["since"],
                attempts=int(row["attempts"]),
                worker_id=row["worker_id"],
            )
            for row in await self._aggregate([*_chosen(wanted, examine), {"$limit": limit}], wanted.status)
        ]

    async def figures(self, now: datetime) -> Figures:
        """See ``ImportQueue.figures``. Each count reads an index alone; they are of slightly different moments."""
        waiting, running, queued = [
            await self._count(status) for status in (Status.WAITING, Status.RUNNING, Status.QUEUED)
        ]
        due = {"$match": {"status": Status.QUEUED.value, "run_at": {"$lte": now}}}
        group = {"$group": {"_id": None, "count": {"$sum": 1}, "first": {"$min": "$run_at"}}}
        found = await self._aggregate([due, {"$limit": COUNTED}, group], Status.QUEUED)
        count, first = (found[0]["count"], found[0]["first"]) if found else (0, now)
        oldest = max(0.0, (now - first).total_seconds())
        return Figures(waiting, count, max(0, queued - count), running, oldest)

    async def _count(self, status: Status) -> int:
        imports = self._connection.collection(IMPORTS, LOCAL)
        wanted, index = {"status": status.value}, _WALKS[status].name
        return await self._connection.run(lambda: imports.count_documents(wanted, hint=index, limit=COUNTED))

    async def _aggregate(self, pipeline: Sequence[Mapping[str, Any]], status: Status) -> Sequence[Mapping[str, Any]]:
        cursor = self._connection.collection(IMPORTS, LOCAL).aggregate(pipeline, hint=_WALKS[status].name)
        found: Sequence[Mapping[str, Any]] = await self._connection.run(lambda: cursor.to_list(None))
        return found


def _walk(wanted: Selection) -> list[dict[str, Any]]:
    of_state: dict[str, Any] = {"status": wanted.status.value}
    if wanted.status is not Status.FAILED:
        return [{"$match": of_state}]
    recent = {} if wanted.since is None else {"updated_at": {"$gte": wanted.since}}
    return [{"$match": {**of_state, **recent}}, {"$sort": {"updated_at": -1}}]


def _chosen(wanted: Selection, examine: int) -> list[dict[str, Any]]:
    """What is meant of the imports that are looked at."""
    is_as_old_as_its_state = wanted.status in (Status.FAILED, Status.RUNNING)
    since = "$updated_at" if is_as_old_as_its_state else {"$ifNull": ["$retried_at", "$created_at"]}
    kept = dict.fromkeys(("issuer_id", "host", "attempts", "worker_id", "deleted_at"), 1)
    conditions: dict[str, Any] = {"deleted_at": None}
    for name in ("issuer_id", "host", "code"):
        if (value := getattr(wanted, name)) is not None:
            conditions[name] = text(value)
    if wanted.since is not None:
        conditions["since"] = {"$gte": wanted.since}
    return [
        *_walk(wanted),
        {"$limit": examine},
        {"$project": {**kept, "code": "$error.code", "since": since}},
        {"$match": conditions},
    ]
