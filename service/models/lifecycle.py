"""The transitions of an import document; ``lading.service.models`` draws them.

``now`` is the time by the machine's clock, ``run_at`` by the store's, see ``lading.service.models.clock``.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from ...plugins.contracts.quick import copied, quick
from .clock import truncate_to_milliseconds
from .fields import ImportFields, next_key
from .ids import new_uuid
from .values import Failure, Image, Status

CLAIMED: Final = ("status", "updated_at", "revision", "attempts", "worker_id", "claim")
"""The fields that ``Import.claimed`` changes. All else that stores derive from an import stays as it is."""


@quick
@dataclass(frozen=True, slots=True)
class Import(ImportFields):
    """An import and its image: one document. ``ImportFields`` has its fields."""

    def claimed(self, worker_id: str, now: datetime) -> Self:
        """queued -> running: ``worker_id`` begins an attempt."""
        self._expect(Status.QUEUED)
        return self._begun(worker_id, now)

    @property
    def failures(self) -> int:
        """Attempts that failed by themselves, without those whose worker died or whose decoding hung."""
        return self.attempts - self.abandoned

    def succeeded(self, image: Image, import_type: str, now: datetime) -> Self:
        """running -> done."""
        self._expect(Status.RUNNING)
        return self._changed(
            now,
            status=Status.DONE,
            image=image,
            image_id=new_uuid(),
            duplicate=None,
            leftover_at=truncate_to_milliseconds(now) if self.earlier_keys else None,
            leftover_removed_at=None,
            import_type=import_type,
            error=None,
        )

    def failed(self, failure: Failure, import_type: str | None, now: datetime, *, counted: bool = True) -> Self:
        """running -> failed; not ``counted`` if no attempt was made."""
        self._expect(Status.RUNNING)
        return self._changed(
            now,
            status=Status.FAILED,
            error=failure,
            import_type=import_type,
            attempts=self.attempts if counted else self.attempts - 1,
            **self._ended(now),
        )

    def requeued(self, failure: Failure, run_at: datetime, now: datetime, *, counted: bool = True) -> Self:
        """Running -> queued after a retryable failure: due again at ``run_at``.

        An attempt that failed through an outage of Lading's own parts is not ``counted``.
        """
        self._expect(Status.RUNNING)
        return self._changed(
            now,
            status=Status.QUEUED,
            error=failure,
            attempts=self.attempts if counted else self.attempts - 1,
            run_at=truncate_to_milliseconds(run_at),
        )

    def stalled(self, failure: Failure, run_at: datetime, now: datetime) -> Self:
        """Running -> queued after an attempt without a result: due again at ``run_at``, and no failure."""
        return copied(self.requeued(failure, run_at, now), abandoned=self.abandoned + 1)

    def handed_back(self, run_at: datetime, now: datetime) -> Self:
        """running -> queued without an attempt: at shutdown, or at a limit.

        An import whose bytes the client sends waits again, and expires at the same time as before.
        """
        self._expect(Status.RUNNING)
        return self._back(now, run_at, attempts=self.attempts - 1)

    def recovered(self, now: datetime, run_at: datetime | None = None) -> Self:
        """running -> queued because its worker died: due at once; or waiting, see ``handed_back``.

        The worker may have stored an object, or may still store it, if it stood still and is not dead.

        Args:
            now: the time by the machine's clock.
            run_at: the time by the store's clock, if that differs.
        """
        self._expect(Status.RUNNING)
        back = self._back(now, run_at or now, abandoned=self.abandoned + 1)
        return copied(back, leftover_at=truncate_to_milliseconds(now), leftover_removed_at=None)

    def receiving(self, worker_id: str, now: datetime) -> Self:
        """waiting -> running: the process with the lease ``worker_id`` receives the bytes from the client."""
        self._expect(Status.WAITING)
        return self._begun(worker_id, now)

    def expired(self, failure: Failure, now: datetime) -> Self:
        """waiting -> failed: the bytes did not come in time."""
        self._expect(Status.WAITING)
        return self._changed(now, status=Status.FAILED, error=failure, **self._ended(now))

    def referring(self, image: Image, now: datetime) -> Self:
        """Running: the import may end with this image of another import, whose object is kept from now on."""
        self._expect(Status.RUNNING)
        return self._quietly(now, duplicate=image)

    def unreferring(self, now: datetime) -> Self:
        """Running: the import does not end with the image that it referred to."""
        self._expect(Status.RUNNING)
        return self._quietly(now, duplicate=None)

    def rekeyed(self, now: datetime) -> Self:
        """Running: attempts save under another key from now on, and the object at the earlier key must go."""
        self._expect(Status.RUNNING)
        return self._quietly(now, key=next_key(self.own_key)).with_leftover(now)

    def duplicated(self, image: Image, import_type: str, now: datetime) -> Self:
        """running -> done with the image that another import has stored; see ``referring``."""
        self._expect(Status.RUNNING)
        return self._changed(
            now,
            status=Status.DONE,
            duplicate=image,
            image_id=new_uuid(),
            import_type=import_type,
            error=None,
            **self._ended(now),
        )

    def adopted(self, image: Image, taken_id: str | None, now: datetime) -> Self:
        """Done with the image of another import, which is deleted: this import owns the object from now on.

        Args:
            image: as in the document of the owner.
            taken_id: the image id of another import. Earlier versions gave a duplicate the id of the import whose
                object it shares: such a duplicate gets an id of its own.
            now: the time.
        """
        self._expect(Status.DONE)
        if self.duplicate is None or self.image_deleted_at is not None:
            raise ValueError(f"import {self.id} refers to no image, or has deleted it")
        image_id = new_uuid() if self.image_id == taken_id else self.image_id
        own = self.duplicate  # other bytes may have come for it
        # When its own client deletes it, it goes.
        image = copied(image, is_kept=False, source_sha256=own.source_sha256, facts=own.facts)
        return self._changed(now, image=image, image_id=image_id, duplicate=None)

    def cancelled(self, now: datetime) -> Self:
        """waiting | queued | running -> cancelled. The object of a running attempt must go."""
        if self.status.is_final:
            raise ValueError(f"import {self.id} is {self.status}")
        is_running = self.status is Status.RUNNING
        ended = self._ended(now, may_leave=is_running)
        return self._changed(now, status=Status.CANCELLED, **ended)

    def retried(self, run_at: datetime, now: datetime, sealed: str | None = None) -> Self:
        """Failed | cancelled -> queued, due at ``run_at``; or waiting until then, if the client sends the bytes.

        Args:
            run_at: see above; by the store's clock.
            now: the time by the machine's clock.
            sealed: the secrets in its parameters, if the client sent them again.

        Raises:
            ValueError: the object of an earlier attempt may still exist (``is_stopping``).

        The document keeps a removed object that the purger looks for once more: attempts may finish with it.
        """
        if self.status not in (Status.FAILED, Status.CANCELLED) or self.is_stopping:
            raise ValueError(f"import {self.id} is {self.status}, or still being stopped")
        return self._changed(
            now,
            status=Status.QUEUED if self.url else Status.WAITING,
            run_at=truncate_to_milliseconds(run_at),
            due_since=truncate_to_milliseconds(run_at) if self.url else None,
            retried_at=truncate_to_milliseconds(now),
            attempts=0,
            abandoned=0,
            error=None,
            import_type=None,
            image_deleted_at=None,
            image_purged_at=None,
            leftover_removed_at=None,
            sealed=sealed,
        )

    def deleted(self, now: datetime) -> Self:
        """Any state: nobody can read the import any more, and it goes with its image. It is cancelled if not final."""
        if self.deleted_at is not None:
            raise ValueError(f"import {self.id} is deleted already")
        moment = truncate_to_milliseconds(now)
        after = self._changed(now) if self.status.is_final else self.cancelled(now)
        # Its bytes go first, like those of a deleted image; until then the purger finds it by these fields.
        deleted_at = after.image_deleted_at or moment
        return copied(after, deleted_at=moment, image_deleted_at=deleted_at)

    def retired(self, now: datetime, *, keeps_image: bool) -> Self:
        """Final -> deleted since it is old, see ``deleted``; its image too, or storage keeps that without an import."""
        if not self.status.is_final:
            raise ValueError(f"import {self.id} is {self.status}: it is not old, but unfinished")
        after = self.deleted(now)
        if self.image is None or self.image_deleted_at is not None or not keeps_image:
            return after
        return copied(after, image=copied(self.image, is_kept=True))

    def with_leftover(self, now: datetime) -> Self:
        """The same document after an attempt that had begun to save: storage may hold an object that did not become its
        image. This is no transition of its own.
        """
        if self.image is not None:
            return self
        return copied(self, leftover_at=truncate_to_milliseconds(now), leftover_removed_at=None)

    def leftover_found(self, now: datetime) -> Self:
        """Final: storage may hold an object that is not its image; whoever writes this removes the object."""
        if not self.status.is_final or not self.leftover_keys:
            raise ValueError(f"import {self.id} is {self.status}: the object at its key may be its image")
        return self._quietly(now, leftover_at=truncate_to_milliseconds(now), leftover_removed_at=None)

    def leftover_removed(self, now: datetime, *, for_good: bool) -> Self:
        """Final: the object is gone. Unless ``for_good``, the purger looks for it once more."""
        if not self.status.is_final or self.leftover_at is None:
            raise ValueError(f"import {self.id} has left nothing, or is {self.status}")
        if for_good:
            return self._quietly(now, leftover_at=None, leftover_removed_at=None)
        return self._quietly(now, leftover_removed_at=truncate_to_milliseconds(now))

    def image_moved(self, storage: str, now: datetime) -> Self:
        """Done, with an image: reads use ``storage`` from now on, which has its bytes already.

        A mirror that becomes the main storage is no mirror any more.
        """
        image = self._present_image()
        mirror, is_mirrored = (None, False) if image.mirror == storage else (image.mirror, image.is_mirrored)
        return self._changed(now, image=copied(image, storage=storage, mirror=mirror, is_mirrored=is_mirrored))

    def image_mirrored(self, mirror: str, now: datetime) -> Self:
        """Done, with an image: ``mirror`` has a second copy of it."""
        image = self._present_image()
        if mirror == image.storage:
            raise ValueError(f"the image of import {self.id} is in {mirror} itself")
        return self._changed(now, image=copied(image, mirror=mirror, is_mirrored=True))

    def image_deleted(self, now: datetime) -> Self:
        """Done, with an image: it is deleted. Its bytes may go only after this write is durable."""
        self._expect(Status.DONE)
        if self.image_deleted_at is not None:
            raise ValueError(f"the image of import {self.id} is deleted already")
        return self._changed(now, image_deleted_at=truncate_to_milliseconds(now))

    def image_purged(self, now: datetime) -> Self:
        """Done with a deleted image, or deleted: its bytes are gone, or another import has adopted them."""
        if not self.has_image_to_go:
            raise ValueError(f"the image of import {self.id} is not deleted, or purged already")
        return self._changed(now, image_purged_at=truncate_to_milliseconds(now))

    def _present_image(self) -> Image:
        """The image, unless it is deleted."""
        self._expect(Status.DONE)
        if self.image is None or self.image_deleted_at is not None:
            raise ValueError(f"import {self.id} has no image, or a deleted one")
        return self.image

    def _begun(self, worker_id: str, now: datetime) -> Self:
        """Queued or waiting -> running."""
        claim = self.revision + 1
        return self._changed(now, status=Status.RUNNING, worker_id=worker_id, claim=claim, attempts=self.attempts + 1)

    def _back(self, now: datetime, run_at: datetime, **changes: int) -> Self:
        """Running -> queued or waiting."""
        if self.url is None:
            return self._changed(now, status=Status.WAITING, **changes)
        due = truncate_to_milliseconds(run_at)
        return self._changed(now, status=Status.QUEUED, run_at=due, **changes)

    def _ended(self, now: datetime, *, may_leave: bool = False) -> dict[str, Any]:
        """The fields of every end without an own image, about an object that an attempt may have stored.

        Earlier versions counted lost workers and kept no ``leftover_at``.
        """
        if not may_leave and self.leftover_at is None and not self.abandoned:
            return {}
        return {"leftover_at": truncate_to_milliseconds(now), "leftover_removed_at": None}

    def _quietly(self, now: datetime, **changes: Any) -> Self:
        """A change that readers of the import do not see."""
        return copied(self._changed(now, **changes), updated_at=self.updated_at)

    def _expect(self, status: Status) -> None:
        if self.status is not status:
            raise ValueError(f"import {self.id} is {self.status}, not {status}")

    def _changed(self, now: datetime, **changes: Any) -> Self:
        status = changes.get("status", self.status)
        if status.is_final:
            changes["sealed"] = None
        if status is not Status.RUNNING:
            changes |= {"worker_id": None, "claim": None}
        if status not in (Status.RUNNING, Status.DONE):
            changes["duplicate"] = None
        moment = truncate_to_milliseconds(now)
        return copied(self, updated_at=moment, revision=self.revision + 1, new_events=(), **changes)
