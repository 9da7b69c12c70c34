"""Searches of the reference store, which scan every import. See ``ImportSearch``."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

from ...models import Import, Status
from ..positions import OVERLAP, moment_of, number_of, numbered
from ..search import (
    MAX_COUNTED,
    MAX_EXAMINED,
    AlbumCounts,
    AlbumPage,
    Change,
    Changed,
    Filter,
    ImportSearch,
    Page,
    Position,
)


class Writes:
    """Numbers the writes of imports.

    Attributes:
        numbers: of each import, that of its last write.
        last: the highest number that was ever given.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.last = 0

    def number(self, import_id: str) -> None:
        """An import was written."""
        self.last += 1
        self.numbers[import_id] = self.last

    def forget(self, import_id: str) -> None:
        """An import was removed; its number is given to no other."""
        self.numbers.pop(import_id, None)


class MemoryImportSearch(ImportSearch):
    """Finds imports.

    Args:
        imports: gives all imports, and raises where the store is not open.
        writes: the numbers of their writes.
    """

    def __init__(self, imports: Callable[[], Iterable[Import]], writes: Writes) -> None:
        self._imports = imports
        self._writes = writes

    async def list(
        self,
        wanted: Filter,
        limit: int,
        after: Position | None = None,
        *,
        is_current: bool = False,  # noqa: ARG002 - there is one copy
    ) -> Page:
        """See ``ImportSearch.list``."""
        found = sorted((one for one in self._imports() if wanted.admits(one)), key=_created, reverse=True)
        rest = [one for one in found if after is None or _created(one) < after]
        page = rest[: min(limit, MAX_EXAMINED)]
        return Page(page, _created(page[-1]) if len(rest) > len(page) else None)

    async def albums(
        self, organization_id: str, limit: int, after: str = "", among: Collection[str] | None = None
    ) -> AlbumPage:
        """See ``ImportSearch.albums``."""
        moments: dict[str, list[datetime]] = {}
        for one in self._imports():
            if one.organization_id == organization_id and one.deleted_at is None and one.album_id is not None:
                moments.setdefault(one.album_id, []).append(one.created_at)
        rest = sorted(album for album in moments if album > after and (among is None or album in among))
        counts = AlbumCounts(limit, after)
        for album in rest:
            if counts.is_full:
                return counts.page(is_last=False)
            number = min(len(moments[album]), MAX_COUNTED)
            counts.add(album, number, number, max(moments[album]))
        return counts.page(is_last=True)

    async def changed_since(self, organization_id: str, position: str, limit: int) -> Changed:
        """See ``ImportSearch.changed_since``."""
        found = [
            (self._writes.numbers.get(one.id, 0), one)
            for one in self._imports()
            if one.organization_id == organization_id and one.deleted_at is None
        ]
        since = self._since(found, position)
        later = sorted((one for one in found if one[0] > since), key=lambda one: one[0])
        changes = [Change(one, numbered(number)) for number, one in later[:limit]]
        if len(later) > limit:
            return Changed(changes, changes[-1].position, has_more=True)
        return Changed(changes, numbered(self._writes.last))

    def _since(self, found: Iterable[tuple[int, Import]], position: str) -> int:
        """The number after which the reading begins."""
        number, moment = number_of(position), moment_of(position)
        if moment is not None:
            later = [number for number, one in found if one.updated_at >= moment - OVERLAP]
            return min(later, default=self._writes.last + 1) - 1
        return self._writes.last if number is None else min(number, self._writes.last)

    async def by_sha256(
        self, organization_id: str, sha256: str, albums: Collection[str] | None = None
    ) -> Import | None:
        """See ``ImportSearch.by_sha256``."""
        return self.with_bytes(organization_id, sha256, albums)

    def with_bytes(self, organization_id: str, sha256: str, albums: Collection[str] | None) -> Import | None:
        """The same, within one step of the event loop."""
        found = self._with_image(organization_id, albums)
        same = [one for one in found if one.image is not None and one.image.sha256 == sha256]
        return min(same, key=_created, default=None)

    async def by_source(
        self, organization_id: str, source: str, albums: Collection[str] | None = None
    ) -> Import | None:
        """See ``ImportSearch.by_source``."""
        found = self._with_image(organization_id, albums)
        same = [one for one in found if one.image is not None and one.image.source == source]
        return max(same, key=_created, default=None)

    async def batch_counts(self, batch_id: str) -> Mapping[tuple[Status, str | None], int]:
        """See ``ImportSearch.batch_counts``."""
        found = [one for one in self._imports() if one.batch_id == batch_id and one.deleted_at is None]
        return Counter((one.status, _code(one)) for one in found)

    async def held_by(self, worker_ids: Collection[str]) -> frozenset[str]:
        """See ``ImportSearch.held_by``."""
        return frozenset(
            one.id for one in self._imports() if one.status is Status.RUNNING and one.worker_id in worker_ids
        )

    async def expired_waiting(self, now: datetime, limit: int) -> Sequence[Import]:
        """See ``ImportSearch.expired_waiting``."""
        found = [one for one in self._imports() if one.status is Status.WAITING and one.run_at <= now]
        return sorted(found, key=lambda one: one.run_at)[:limit]

    async def ended(
        self, status: Status, before: datetime, limit: int, after: Position | None = None
    ) -> Sequence[Import]:
        """See ``ImportSearch.ended``."""
        found = [
            one
            for one in self._imports()
            if one.status is status
            and one.deleted_at is None
            and one.updated_at < before
            and (after is None or _updated(one) > after)
        ]
        return sorted(found, key=_updated)[:limit]

    async def with_outbox(self, limit: int) -> Sequence[Import]:
        """See ``ImportSearch.with_outbox``."""
        return sorted((one for one in self._imports() if one.outbox), key=_updated)[:limit]

    def _with_image(self, organization_id: str, albums: Collection[str] | None) -> Iterable[Import]:
        return [
            one
            for one in self._imports()
            if one.organization_id == organization_id
            and (albums is None or one.album_id in albums)
            and one.image is not None
            and one.image_deleted_at is None
        ]


def _created(document: Import) -> Position:
    return Position(document.created_at, document.id)


def _updated(document: Import) -> Position:
    return Position(document.updated_at, document.id)


def _code(document: Import) -> str | None:
    return document.error.code if document.status is Status.FAILED and document.error is not None else None
