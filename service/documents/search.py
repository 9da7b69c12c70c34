"""Searches for imports by their content: the part of the ``DocumentStore`` contract that reads and never writes.

No cost depends on the number of imports, except where a method says so. Searches do not find deleted imports
(``Import.deleted_at``), except ``expired_waiting``, ``with_outbox`` and ``held_by``, which serve the service itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from ..models import Import, Status

MAX_EXAMINED: Final = 10_000
"""Imports that one page of a list looks at, at most: it may hold fewer than asked for, even none, and not be the last.
"""
MAX_COUNTED: Final = 1000
"""Imports that are counted of an album, at most."""
MAX_PAIRS: Final = 32
MAX_PAIR_LENGTH: Final = 512


class Position(NamedTuple):
    """A place in an order by time, which the id completes."""

    moment: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which imports of an organisation are meant; None is no condition.

    Attributes:
        albums: they are in one of these.
        created_from: created then or later.
        created_before: created before then.
        metadata: they have this text under this name in ``metadata``; see ``metadata_pairs``.
        batch_id: they came in this batch.
    """

    organization_id: str
    albums: Collection[str] | None = None
    status: Status | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    metadata: tuple[str, str] | None = None
    batch_id: str | None = None

    def admits(self, document: Import) -> bool:
        """Whether the import is meant."""
        return (
            document.deleted_at is None
            and document.organization_id == self.organization_id
            and (self.albums is None or document.album_id in self.albums)
            and self.status in (None, document.status)
            and (self.created_from is None or document.created_at >= self.created_from)
            and (self.created_before is None or document.created_at < self.created_before)
            and (self.metadata is None or self.metadata in metadata_pairs(document))
            and self.batch_id in (None, document.batch_id)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a list.

    Attributes:
        documents: the imports, in the order of the list.
        next: where the rest begins: after this place; None where there is none.
    """

    documents: Sequence[Import]
    next: Position | None


class Album(NamedTuple):
    """An album that has imports.

    Attributes:
        album_id: its id.
        imports: how many it has, among the ``MAX_COUNTED`` newest ones.
        is_exact: whether it certainly has no more.
        newest_at: when the newest of them was created.
    """

    album_id: str
    imports: int
    is_exact: bool
    newest_at: datetime


@dataclass(frozen=True, slots=True)
class AlbumPage:
    """Some of the albums.

    Attributes:
        albums: in the order of their ids in UTF-8.
        next: the id after which the rest begins; None where there is none.
    """

    albums: Sequence[Album]
    next: str | None


class AlbumCounts:
    """A page of albums while a store counts their imports: it ends with ``limit`` albums, or ``MAX_EXAMINED`` imports.

    Args:
        limit: how many albums at most.
        after: the id after which the page begins.
    """

    def __init__(self, limit: int, after: str) -> None:
        self._limit = limit
        self._after = after
        self._albums: list[Album] = []
        self._examined = 0

    @property
    def is_full(self) -> bool:
        """Whether the page takes no further album."""
        return len(self._albums) == self._limit or self._examined >= MAX_EXAMINED

    def add(self, album_id: str, examined: int, imports: int, newest_at: datetime | None) -> None:
        """Go on by an album.

        Args:
            album_id: the next one.
            examined: its newest imports, up to ``MAX_COUNTED``.
            imports: those among them that are not deleted; without any, the album is left out.
            newest_at: when the newest of these was created.
        """
        if newest_at is not None:
            self._albums.append(Album(album_id, imports, examined < MAX_COUNTED, newest_at))
        self._examined += examined + 1
        self._after = album_id

    def page(self, *, is_last: bool) -> AlbumPage:
        """What was counted."""
        return AlbumPage(self._albums, None if is_last else self._after)


class Change(NamedTuple):
    """An import that was written.

    Attributes:
        document: as it is now.
        position: the place after this write.
    """

    document: Import
    position: str


@dataclass(frozen=True, slots=True)
class Changed:
    """What was written after a place.

    Attributes:
        changes: in the order in which the writes were committed.
        position: the place after everything that was looked at, ``changes`` and more: the next reading begins there.
        has_more: whether the next reading may find more at once.
    """

    changes: Sequence[Change]
    position: str
    has_more: bool = False


class ImportSearch(ABC):
    """Finds imports. Its methods raise ``StoreUnavailable``, and may be called concurrently, as ``DocumentStore``'s."""

    @abstractmethod
    async def list(
        self, wanted: Filter, limit: int, after: Position | None = None, *, is_current: bool = False
    ) -> Page:
        """Up to ``limit`` imports, the newest first (``created_at``, then ``id``), beginning after a place.

        With ``is_current`` it has every write that was made before the call. Without it, operators may have lists read
        where the latest writes come later; so may those of ``albums``.
        """

    @abstractmethod
    async def albums(
        self, organization_id: str, limit: int, after: str = "", among: Collection[str] | None = None
    ) -> AlbumPage:
        """Up to ``limit`` albums that have imports, beginning after an id.

        All albums of a page have ``MAX_EXAMINED`` counted imports and a few more, at most: a page may be short, and
        have a next one. An album whose ``MAX_COUNTED`` newest imports are all deleted may be left out until they are
        gone.

        Args:
            organization_id: of the imports.
            limit: how many albums at most.
            after: an id.
            among: only these albums; None for all.
        """

    @abstractmethod
    async def changed_since(self, organization_id: str, position: str, limit: int) -> Changed:
        """Imports of the organisation, as they are now, whose last write was committed after a place.

        ``DocumentStore.add``, ``update``, ``claim`` and ``recover`` give an import a place after all that were
        committed before, whatever ``updated_at`` says. No place is given twice, also after a removal. Every import is
        found at the place of its last write, and at none before it. Positions of an organisation are ordered as their
        texts are.

        Args:
            organization_id: the organisation.
            position: ``Changed.position`` or ``Change.position`` of an earlier call, also of another process. Anything
                else, such as the empty text, is the present: nothing is found then. A position of an earlier version of
                Lading, or one that the database no longer knows, is read by ``updated_at`` from
                ``positions.OVERLAP`` before it: imports may be found again.
            limit: how many imports at most. Fewer may be found, even none, where there are more.
        """

    @abstractmethod
    async def by_sha256(
        self, organization_id: str, sha256: str, albums: Collection[str] | None = None
    ) -> Import | None:
        """The earliest done import of the organisation, or of some albums of it, whose own image has these bytes and is
        not deleted. In albums it is found among the first 100 of the organisation.
        """

    @abstractmethod
    async def by_source(
        self, organization_id: str, source: str, albums: Collection[str] | None = None
    ) -> Import | None:
        """The latest done import whose own image came from that source (``Image.source``) and is not deleted; else as
        ``by_sha256``.
        """

    @abstractmethod
    async def batch_counts(self, batch_id: str) -> Mapping[tuple[Status, str | None], int]:
        """How many imports of the batch are in each state, the failed ones by the code of their error.

        Its cost depends on the size of the batch.
        """

    @abstractmethod
    async def held_by(self, worker_ids: Collection[str]) -> frozenset[str]:
        """Ids of the imports that run under these leases."""

    @abstractmethod
    async def expired_waiting(self, now: datetime, limit: int) -> Sequence[Import]:
        """Up to ``limit`` waiting imports whose time (``run_at``) has come, the earliest first."""

    @abstractmethod
    async def ended(
        self, status: Status, before: datetime, limit: int, after: Position | None = None
    ) -> Sequence[Import]:
        """Up to ``limit`` imports in a final state that have not changed since a moment.

        They come in the order of ``updated_at``, then ``id``, beginning after a place in it. Its cost depends on
        ``limit``, and on how many deleted imports lie between.

        Args:
            status: a final state.
            before: ``Import.updated_at`` is earlier.
            limit: how many at most.
            after: the ``updated_at`` and the id of an import; None for the beginning.
        """

    @abstractmethod
    async def with_outbox(self, limit: int) -> Sequence[Import]:
        """Up to ``limit`` imports that have something to be announced, the longest unchanged first."""


def metadata_pairs(document: Import) -> Sequence[tuple[str, str]]:
    """The names and texts by which an import is found: the first members of its metadata that are text and not long."""
    metadata = document.metadata
    if not isinstance(metadata, Mapping):
        return ()
    pairs = [(name, value) for name, value in metadata.items() if isinstance(value, str)]
    return [(name, value) for name, value in pairs if len(name) + len(value) <= MAX_PAIR_LENGTH][:MAX_PAIRS]
