"""The ``DocumentStore`` contract: everything that the service requires of its database.

``sqlite`` is the embedded default, ``mongo`` serves several nodes, ``memory`` is the reference. The store is the truth:
workers share the work only through the store. One conformance suite (``tests/conformance/documents/suite.py``) tests
every store.

It may use ``models`` only. ``runtime.wiring`` picks the store; no other room knows which store is configured.
Begin with ``DocumentStore`` below, then ``search``, ``records``, ``queue``, ``upkeep`` and ``planning``.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from ..models import Held, Import
from ..models.clock import Clock
from ..models.issuers import Issuer
from .errors import DuplicateId, StoredAlready, StoreError, StoreRefused, StoreUnavailable, TooManyRecords
from .handing import Bounds, SupportsWaiting, Taken
from .planning import Planning
from .queue import ImportQueue
from .records import RecordStore
from .search import ImportSearch
from .upkeep import Copying, Upgrading

__all__ = [
    "Bounds",
    "DocumentStore",
    "DuplicateId",
    "StoreError",
    "StoreRefused",
    "StoreUnavailable",
    "StoredAlready",
    "SupportsWaiting",
    "Taken",
    "TooManyRecords",
]


class DocumentStore(ABC):
    """Keeps imports, workers and issuers.

    Attributes:
        search: finds imports.
        records: keeps small documents of other kinds.
        queue: counts imports which are not done, for operators.
        copying: copies the database; None if the database's own tools are to be used.
        upgrading: tells what ``open`` will change; None if it never changes anything.
        planning: tells how the database serves the store; None if there is no database.
        clock: judges what is due, which lease has expired and what need not be kept any more. All processes that share
            the documents have the same one, and it does not step when the clock of a machine is set. Whoever computes
            such a moment takes it from there; it tells the right time once the store is open.

    Common to all methods: they may be called concurrently from several tasks of one event loop, never block it, and
    raise ``StoreUnavailable`` where the database does not answer. A write has been made durable when its method returns
    (P1: survives kill -9 and loss of power). A cancelled write may or may not have been made, but never in part.
    Concurrent writes may share one transaction; a write that fails fails alone. Leases begin and
    end by ``clock``; ``updated_at`` of what a store itself changes is told by the machine's own clock.
    """

    search: ImportSearch
    records: RecordStore
    queue: ImportQueue
    copying: Copying | None = None
    upgrading: Upgrading | None = None
    planning: Planning | None = None
    clock: Clock

    @abstractmethod
    async def open(self) -> None:
        """Connect, and create or check the schema. Called again after ``StoreUnavailable``, until it returns.

        Until then every other method raises ``StoreUnavailable`` at once.

        Raises:
            StoreRefused: the configuration or the database must be changed first.
            StoreUnavailable: the database does not answer, or does not work, at present.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finish the writes under way and release everything. May be called twice."""

    @abstractmethod
    async def ping(self) -> None:
        """Make sure that the database reads and writes.

        Raises:
            StoreUnavailable: it does not.
        """

    # --- imports ------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def add(self, document: Import) -> None:
        """Insert a new import; durable when this returns. Its outbox is ``document.outbox`` and, after that,
        ``document.new_events``.

        Raises:
            DuplicateId: an import with this id exists; nothing was changed.
        """

    @abstractmethod
    async def get(self, import_id: str) -> Import | None:
        """The import, exactly as written, ``params`` in their order; None where there is none."""

    @abstractmethod
    async def get_by_image(self, image_id: str) -> Import | None:
        """The done import whose image has this id, exactly as written; None where there is none.

        Image ids are as unique as the transitions make them. In documents of earlier versions duplicates have the id of
        the import that stored the image: that one is answered then, as long as it exists. Its cost does not depend on
        how many imports exist.
        """

    @abstractmethod
    async def heir(self, key: str) -> Import | None:
        """The import with the first ``Import.share`` in the object under this key; None where nobody has one.

        The import that has stored the object is not meant. What was written before the call is seen. Its cost depends
        neither on how many imports exist nor on how many share the object.
        """

    @abstractmethod
    async def shared_keys(self, after: str, limit: int) -> Sequence[str]:
        """Up to ``limit`` keys of objects that have a ``heir``, in their order, beginning after the key ``after``; none
        where there are no more. Its cost depends on how many imports share them.
        """

    @abstractmethod
    async def unpurged(self, limit: int) -> Sequence[Import]:
        """Up to ``limit`` imports with something to be removed, in the order of ``Import.unsettled_at``.

        Its cost depends on ``limit``, not on how many imports exist.
        """

    @abstractmethod
    async def images_in(
        self, storage: str, held: Held, after: str, limit: int, organization_id: str | None = None
    ) -> Sequence[Import]:
        """Up to ``limit`` imports of whose image ``storage`` has what ``held`` says, and that are not purged, in the
        order of their ids, beginning after the id ``after``; the empty string begins with the first. With
        ``organization_id``, only those of the organisation.

        Deleted images are among them. Its cost depends on ``limit``, not on how many imports exist; with
        ``organization_id``, also on how many images of others the storage has between them.
        """

    @abstractmethod
    async def count_images_in(self, storage: str, organization_id: str | None = None) -> int:
        """How many images ``images_in`` would tell of in all, as their main storage. Without ``organization_id``, no
        document is read for it.
        """

    @abstractmethod
    async def stored_bytes(self, organization_id: str) -> int:
        """``Import.stored_bytes`` of all imports of the organisation together, exactly, as of a moment of the call.

        It follows the documents, and can never differ from them: what ``update`` has written it has counted. Its cost
        may depend on how many images the organisation has stored; callers remember what they were told for a while.
        """

    @abstractmethod
    async def update(self, document: Import) -> bool:
        """Compare and set: replace the stored import if its revision is ``document.revision - 1``.

        ``id``, ``organization_id``, ``issuer_id``, ``params``, ``host``, ``request_id`` and ``created_at``, which no
        transition changes, are as they were added; a store need not write them again.

        The outbox is not replaced: ``document.new_events`` are appended to what is stored, and ``document.outbox`` is
        ignored. So an event that was announced since the import was read does not come back, and none is lost.

        Returns:
            False where the stored revision is another or the import does not exist; nothing was changed then.
        """

    @abstractmethod
    async def update_unless_stored(self, document: Import, albums: Collection[str] | None) -> bool:
        """``update`` an import that is done with an image of its own, unless another import has stored its bytes.

        The other import is the one that ``ImportSearch.by_sha256`` finds in these albums. The look and the write are
        one step: of several imports with the same bytes that would find each other, one is written, however many calls
        there are at once, in however many processes. No call waits for another import.

        Returns:
            as ``update``.

        Raises:
            StoredAlready: with the other import; nothing was changed.
        """

    @abstractmethod
    async def announced(self, import_id: str, event_ids: Collection[str]) -> None:
        """Remove the events with these ids from the outbox of the import; those that are not there are ignored.

        Nothing else of the import changes, neither ``revision`` nor ``updated_at``, nor its place in
        ``ImportSearch.changed_since``: whoever runs the import, or writes it, takes no notice. Idempotent.
        """

    @abstractmethod
    async def remove(self, document: Import) -> bool:
        """Remove the import, if its stored revision is ``document.revision`` and its stored outbox is empty.

        Returns:
            False where the stored revision is another, where events are still to be announced, or where the import does
            not exist; nothing was changed then.
        """

    @abstractmethod
    async def claim(
        self,
        worker_id: str,
        limit: int,
        *,
        exclude_issuers: Collection[str] = (),
        exclude_hosts: Collection[str] = (),
        per_issuer: int | None = None,
    ) -> Sequence[Import]:
        """Give ``worker_id`` up to ``limit`` queued imports that are due; each becomes ``Import.claimed``.

        No import is ever given to two workers. Fair: due imports are taken from the issuers in turn, so that no
        issuer's backlog delays another's; within an issuer the earliest ``run_at`` goes first. Its cost depends on
        ``limit``, not on how many imports are queued, except those of ``exclude_hosts``, which it passes over.

        Args:
            worker_id: a worker with a lease (see ``register``); one whose lease was ended is given nothing.
            limit: how many at most, at least 1.
            exclude_issuers: issuers of which none is wanted now.
            exclude_hosts: hosts of which none is wanted now.
            per_issuer: how many at most of one issuer in this call; None for no such bound.
        """

    @abstractmethod
    async def claim_these(self, worker_id: str, ids: Sequence[str], bounds: Bounds) -> Taken:
        """Give ``worker_id`` those imports with these ids that are queued and due, as far as ``bounds`` allow.

        As ``claim``: no import is ever given to two workers, and one whose lease was ended is given nothing. Its cost
        depends on the number of ids alone. An id without an import is ignored. A worker makes one claim at a time, of
        either kind.
        """

    @abstractmethod
    async def unfinished(self, limit: int, issuer_id: str | None = None) -> int:
        """Number of imports that are not final, of one issuer or of all, counted no further than ``limit``.

        Its cost depends on that number alone; no document is read for it.
        """

    # --- workers ------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def register(self, worker_id: str, lease: timedelta) -> None:
        """Begin the lease of a new worker, for ``lease`` from now. A worker id is used once.

        Raises:
            DuplicateId: the id has a lease already.
        """

    @abstractmethod
    async def heartbeat(self, worker_id: str, lease: timedelta) -> bool:
        """Renew the worker's lease for ``lease`` from now. One call covers all that the worker runs.

        Returns:
            False where ``recover`` or ``release`` has ended the lease (it does not begin again): the worker must stop
            what it runs, whose results it could not write any more, and register under a new id.
        """

    @abstractmethod
    async def recover(self, limit: int) -> int:
        """End the leases that have expired, and return to the queue (``Import.recovered``) up to ``limit`` running
        imports whose worker has no lease.

        Returns:
            how many imports were returned.
        """

    @abstractmethod
    async def release(self, worker_id: str) -> None:
        """End the worker's lease at once, at a clean stop. What it still runs is up to ``recover``. Idempotent."""

    # --- issuers ------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def add_issuer(self, issuer: Issuer) -> None:
        """Insert a new issuer.

        Raises:
            DuplicateId: an issuer with this id exists; nothing was changed.
        """

    @abstractmethod
    async def get_issuer(self, issuer_id: str) -> Issuer | None:
        """The issuer, or None."""

    @abstractmethod
    async def list_issuers(self) -> Sequence[Issuer]:
        """All issuers, in the order of their ids."""

    @abstractmethod
    async def set_issuer_enabled(self, issuer_id: str, enabled: bool) -> bool:
        """Enable or disable an issuer; False where there is none."""

    @abstractmethod
    async def rotate_issuer(self, issuer_id: str, key: str, keep_until: datetime | None) -> bool:
        """Give an issuer a new key. The one that it had becomes ``previous_key`` until ``keep_until`` (whole
        milliseconds, by ``clock``), in place of any other; for None there is no previous key then. Of several calls at
        once, each finds the key that the one before it gave.

        Returns:
            False where there is no such issuer.
        """

    @abstractmethod
    async def drop_previous_keys(self) -> int:
        """Forget the previous keys whose time has ended, by ``clock``; how many they were."""
