"""Searches of the MongoDB store. See ``ImportSearch``."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClientSession, AsyncIOMotorCollection

from ...models import Import, Status
from ..search import MAX_COUNTED, MAX_EXAMINED, AlbumCounts, AlbumPage, Changed, Filter, ImportSearch, Page, Position
from .changes import ChangeReader
from .connection import LOCAL, Connection
from .fields import metadata_pair, text, to_import
from .schema import (
    ALBUM,
    BATCH,
    CANCELLED_AT,
    DONE_AT,
    FAILED_AT,
    IMPORTS,
    LISTED,
    METADATA,
    OUTBOX,
    RUNNING,
    SHA256,
    SOURCE,
    STATE,
    WAITING,
    Index,
)

_IN_ALBUMS = 100
_WIDER = 8
_ENDED: Mapping[Status, Index] = {
    Status.DONE: DONE_AT,
    Status.FAILED: FAILED_AT,
    Status.CANCELLED: CANCELLED_AT,
}
_NEWEST_FIRST = {"created_at": -1, "_id": -1}


class MongoImportSearch(ImportSearch):
    """Finds imports through the store's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._changes = ChangeReader(connection)

    async def list(
        self, wanted: Filter, limit: int, after: Position | None = None, *, is_current: bool = False
    ) -> Page:
        """See ``ImportSearch.list``."""
        read = partial(self._aggregate, is_list=not is_current)
        index, driving = _driving(wanted)
        pick = {"$match": {"$and": _conditions(wanted)}}
        found: list[Import] = []
        for step in _steps(limit, is_exact=_is_exact(wanted)):
            walk: list[dict[str, Any]] = [
                {"$match": _stretch([driving, *_bounds(wanted)], after)},
                {"$sort": _NEWEST_FIRST},
                {"$limit": step},
            ]
            more = await read([*walk, pick, {"$limit": limit + 1 - len(found)}], index)
            found += map(to_import, more)
            if len(found) > limit:
                return Page(found[:limit], Position(found[limit - 1].created_at, found[limit - 1].id))
            # Whether the index has more entries beyond those that were read.
            ends = await read([*walk, {"$skip": step - 1}, {"$project": {"created_at": 1}}], index)
            if not ends:
                return Page(found, None)
            after = Position(ends[0]["created_at"], ends[0]["_id"])
        return Page(found, after)

    async def albums(
        self, organization_id: str, limit: int, after: str = "", among: Collection[str] | None = None
    ) -> AlbumPage:
        """See ``ImportSearch.albums``."""
        counts = AlbumCounts(limit, after)
        named = None if among is None else iter(sorted(album for album in among if album > after))
        while True:
            album = await self._album_after(organization_id, after) if named is None else next(named, None)
            if album is None:
                return counts.page(is_last=True)
            if counts.is_full:
                return counts.page(is_last=False)
            newest: list[dict[str, Any]] = [
                {"$match": _in_album(organization_id, album)},
                {"$sort": _NEWEST_FIRST},
                {"$limit": MAX_COUNTED},
                {"$project": {"shown_at": {"$cond": [{"$ifNull": ["$deleted_at", False]}, None, "$created_at"]}}},
            ]
            count = {"$sum": {"$cond": ["$shown_at", 1, 0]}}
            group = {"_id": None, "total": {"$sum": 1}, "count": count, "newest": {"$max": "$shown_at"}}
            rows = await self._aggregate([*newest, {"$group": group}], ALBUM, is_list=True)
            row: Mapping[str, Any] = rows[0] if rows else {"total": 0, "count": 0, "newest": None}
            counts.add(album, row["total"], row["count"], row["newest"])
            after = album

    async def changed_since(self, organization_id: str, position: str, limit: int) -> Changed:
        """See ``ImportSearch.changed_since``; a change stream, open for as long as the call takes."""
        return await self._changes.read(organization_id, position, limit)

    async def close(self) -> None:
        """Return when nothing is read any more that could outlive its caller."""
        await self._changes.close()

    async def by_sha256(
        self, organization_id: str, sha256: str, albums: Collection[str] | None = None
    ) -> Import | None:
        """See ``ImportSearch.by_sha256``."""
        imports = self._connection.collection(IMPORTS)
        return await self._connection.run(lambda: find_by_sha256(imports, organization_id, sha256, albums))

    async def by_source(
        self, organization_id: str, source: str, albums: Collection[str] | None = None
    ) -> Import | None:
        """See ``ImportSearch.by_source``."""
        imports = self._connection.collection(IMPORTS)
        wanted = _with_image(organization_id, "image.source", source)
        return await self._connection.run(lambda: _find_in(imports, wanted, albums, SOURCE, -1))

    async def batch_counts(self, batch_id: str) -> Mapping[tuple[Status, str | None], int]:
        """See ``ImportSearch.batch_counts``."""
        code = {"$cond": [{"$eq": ["$status", "failed"]}, "$error.code", None]}
        wanted = {"batch_id": {"$type": "string", "$eq": text(batch_id)}, "deleted_at": None}
        group = {"_id": {"status": "$status", "code": code}, "count": {"$sum": 1}}
        rows = await self._aggregate([{"$match": wanted}, {"$group": group}], BATCH)
        return {(Status(row["_id"]["status"]), row["_id"].get("code")): row["count"] for row in rows}

    async def held_by(self, worker_ids: Collection[str]) -> frozenset[str]:
        """See ``ImportSearch.held_by``."""
        wanted = {"status": "running", "worker_id": {"$in": [text(one) for one in worker_ids]}}
        cursor = self._connection.collection(IMPORTS).find(wanted, {"_id": 1}).hint(RUNNING.name)
        return frozenset(one["_id"] for one in await self._connection.run(lambda: cursor.to_list(None)))

    async def expired_waiting(self, now: datetime, limit: int) -> Sequence[Import]:
        """See ``ImportSearch.expired_waiting``."""
        return await self._find({"status": "waiting", "run_at": {"$lte": now}}, WAITING, [("run_at", 1)], limit)

    async def ended(
        self, status: Status, before: datetime, limit: int, after: Position | None = None
    ) -> Sequence[Import]:
        """See ``ImportSearch.ended``."""
        index, order = _ENDED[status], [("updated_at", 1), ("_id", 1)]
        wanted: dict[str, Any] = {"status": status.value, "deleted_at": None}
        found: list[Import] = []
        if after is not None:
            # The rest of that moment, then what is later: the index bounds each of the two.
            same = {**wanted, "updated_at": after.moment, "_id": {"$gt": text(after.id)}}
            if after.moment < before:
                found += await self._find(same, index, order, limit)
            if len(found) == limit:
                return found
        span = {"$lt": before} if after is None else {"$gt": after.moment, "$lt": before}
        return [*found, *await self._find({**wanted, "updated_at": span}, index, order, limit - len(found))]

    async def with_outbox(self, limit: int) -> Sequence[Import]:
        """See ``ImportSearch.with_outbox``."""
        return await self._find({"events.id": {"$type": "string"}}, OUTBOX, [("updated_at", 1)], limit)

    async def _find(
        self, wanted: Mapping[str, Any], index: Index, order: Sequence[tuple[str, int]], limit: int
    ) -> Sequence[Import]:
        cursor = self._connection.collection(IMPORTS).find(wanted).sort(order).limit(limit).hint(index.name)
        return [to_import(found) for found in await self._connection.run(lambda: cursor.to_list(None))]

    async def _album_after(self, organization_id: str, album_id: str) -> str | None:
        """The first album after an id, by the index alone."""
        wanted = {"organization_id": text(organization_id), "album_id": {"$type": "string", "$gt": text(album_id)}}
        cursor = self._connection.listing(IMPORTS).find(wanted, {"_id": 0, "album_id": 1}).limit(1)
        cursor = cursor.sort([("organization_id", 1), ("album_id", 1)]).hint(ALBUM.name)
        rows = await self._connection.run(lambda: cursor.to_list(None))
        return rows[0]["album_id"] if rows else None

    async def _aggregate(
        self, pipeline: Sequence[Mapping[str, Any]], index: Index, *, is_list: bool = False
    ) -> Sequence[Mapping[str, Any]]:
        """The rows; those of a list are not always read from the primary."""
        read = self._connection.listing if is_list else self._connection.collection
        cursor = read(IMPORTS, LOCAL if index is BATCH else None).aggregate(pipeline, hint=index.name)
        found: Sequence[Mapping[str, Any]] = await self._connection.run(lambda: cursor.to_list(None))
        return found


async def find_by_sha256(
    imports: AsyncIOMotorCollection[dict[str, Any]],
    organization_id: str,
    sha256: str,
    albums: Collection[str] | None,
    *,
    but: str | None = None,
    session: AsyncIOMotorClientSession | None = None,
) -> Import | None:
    """See ``ImportSearch.by_sha256``; ``but`` is the id of an import that is not meant."""
    wanted = _with_image(organization_id, "image.sha256", sha256)
    if but is not None:
        wanted["_id"] = {"$ne": text(but)}
    return await _find_in(imports, wanted, albums, SHA256, 1, session)


async def _find_in(
    imports: AsyncIOMotorCollection[dict[str, Any]],
    wanted: Mapping[str, Any],
    albums: Collection[str] | None,
    index: Index,
    order: int,
    session: AsyncIOMotorClientSession | None = None,
) -> Import | None:
    cursor = imports.find(wanted, session=session).sort("created_at", order).hint(index.name)
    found = map(to_import, await cursor.limit(1 if albums is None else _IN_ALBUMS).to_list(None))
    return next((one for one in found if albums is None or one.album_id in albums), None)


def _with_image(organization_id: str, field: str, value: str) -> dict[str, Any]:
    """The query for imports whose own image is not deleted, by one of its fields."""
    return {
        "organization_id": text(organization_id),
        field: {"$type": "string", "$eq": text(value)},
        "image_deleted_at": None,
    }


def _driving(wanted: Filter) -> tuple[Index, dict[str, Any]]:
    """The index to walk, and the condition that it serves, which repeats that of the index."""
    of_organization = {"organization_id": text(wanted.organization_id)}
    if wanted.metadata is not None:
        return METADATA, {**of_organization, "metadata_pairs": metadata_pair(*wanted.metadata)}
    if wanted.batch_id is not None:
        return BATCH, {"batch_id": {"$type": "string", "$eq": text(wanted.batch_id)}}
    if wanted.albums is not None and len(wanted.albums) == 1:
        return ALBUM, _in_album(wanted.organization_id, *wanted.albums)
    if wanted.status is not None and wanted.status is not Status.DONE:
        return STATE, {**of_organization, "status": wanted.status.value}
    return LISTED, of_organization


def _in_album(organization_id: str, album_id: str) -> dict[str, Any]:
    """The query for imports of an album, which repeats the condition of its index."""
    return {"organization_id": text(organization_id), "album_id": {"$type": "string", "$eq": text(album_id)}}


def _is_exact(wanted: Filter) -> bool:
    """Whether the walk comes to nothing but what is wanted, save for deleted imports."""
    given = [one for one in (wanted.albums, wanted.status, wanted.metadata, wanted.batch_id) if one is not None]
    if wanted.albums is not None and len(wanted.albums) != 1:
        return False
    return not given or (len(given) == 1 and wanted.status is not Status.DONE)


def _steps(limit: int, *, is_exact: bool) -> Iterator[int]:
    """How many imports to look at, one time after another: ``MAX_EXAMINED`` in all.

    The server reads as many as it is told to look at, up to some megabytes of them, before it looks at the first one;
    so it is told few where a page needs few, and then ever more.
    """
    left, step = MAX_EXAMINED, (limit + 1) * (1 if is_exact else _WIDER)
    while left > 0:
        yield min(step, left)
        left -= step
        step *= _WIDER


def _bounds(wanted: Filter) -> list[dict[str, Any]]:
    """What the index bounds besides."""
    bounds: list[dict[str, Any]] = []
    if wanted.created_from is not None:
        bounds.append({"created_at": {"$gte": wanted.created_from}})
    if wanted.created_before is not None:
        bounds.append({"created_at": {"$lt": wanted.created_before}})
    return bounds


def _stretch(conditions: Sequence[Mapping[str, Any]], after: Position | None) -> dict[str, Any]:
    """The stretch of the index that is walked.

    Two stretches that the server merges, rather than one whose first moment is left to a condition: that one would not
    be judged by the index, and every document be read.
    """
    if after is None:
        return {"$and": [*conditions]}
    earlier = {"created_at": {"$lt": after.moment}}
    same = {"created_at": after.moment, "_id": {"$lt": text(after.id)}}
    return {"$or": [{"$and": [*conditions, earlier]}, {"$and": [*conditions, same]}]}


def _conditions(wanted: Filter) -> list[dict[str, Any]]:
    """The condition for each import of the walk."""
    conditions: list[dict[str, Any]] = [{"organization_id": text(wanted.organization_id), "deleted_at": None}]
    if wanted.albums is not None:
        conditions.append({"album_id": {"$in": [text(album) for album in wanted.albums]}})
    if wanted.status is not None:
        conditions.append({"status": wanted.status.value})
    if wanted.batch_id is not None:
        conditions.append({"batch_id": text(wanted.batch_id)})
    return conditions
