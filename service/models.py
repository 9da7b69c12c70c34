"""The import document: its fields, its states and the transitions between them. No I/O.

    waiting -> queued <-> running -> done | failed;  waiting | queued | running -> cancelled

The image of a done import may be moved to another storage, mirrored, deleted, and then purged; the import stays done,
and says so.

Every transition returns a new value whose ``revision`` is one higher; ``DocumentStore.update`` writes it only over the
revision before it, so a worker that lost its lease can change nothing.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from service.clock import truncate_to_milliseconds

MAX_ID_LENGTH = 64
"""Characters of an id that are looked up; there are no longer ones."""


class Status(StrEnum):
    """State of an import; the last three are final."""

    WAITING = "waiting"
    """No url: its bytes are still to come."""
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether no transition leads out of this state."""
        return self in (Status.DONE, Status.FAILED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the last attempt failed.

    Attributes:
        code: stable code of the error, from ``docs/errors.md``.
        detail: the sentence a client may read.
        retryable: whether the same import might succeed at another time.
    """

    code: str
    detail: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Image:
    """The stored image of a finished import.

    Attributes:
        format, content_type, width, height, frames: as detected; see ``plugins.contracts.ImageInfo``.
        byte_size: size in bytes of the stored object.
        sha256: lower-case hexadecimal SHA-256 of the stored bytes.
        storage: name of the storage that it is in, as of its section in ``service.conf``.
        key: key of the object in that storage, and in the mirror.
        filename: the name that the client or else the origin gave, or None; data from a stranger, never a path.
        mirror: name of the storage that is to hold a second copy; None for none.
        is_mirrored: whether it does; until then a copy may be there or not.
    """

    format: str
    content_type: str
    width: int
    height: int
    frames: int
    byte_size: int
    sha256: str
    storage: str
    key: str
    filename: str | None = None
    mirror: str | None = None
    is_mirrored: bool = False

    @property
    def places(self) -> tuple[str, ...]:
        """The storages that may hold its bytes, the main one first."""
        return (self.storage,) if self.mirror is None else (self.storage, self.mirror)

    def readable_in(self, storage: str) -> bool:
        """Whether that storage is known to hold the whole of it."""
        return storage == self.storage or (self.is_mirrored and storage == self.mirror)


class Held(StrEnum):
    """What a storage has of an image, as its document says."""

    MAIN = "main"
    """``Image.storage``: the copy that is read."""
    MIRRORED = "mirrored"
    """``Image.mirror``: the second copy."""
    PENDING = "pending"
    """``Image.mirror``: the second copy is still to be made; it may be there already."""


@dataclass(frozen=True, slots=True)
class Import:
    """An import and its image: one document, so that finishing it is one atomic write.

    Attributes:
        id: UUID of the import, lower case with hyphens.
        organization_id: the organisation that owns it.
        issuer_id: the issuer whose token created it; the unit of fairness.
        params: what the client sent, in the order sent, then ``controller`` and ``action``; without what is secret in
            it, see ``service.redaction``. Documents of earlier versions hold that too: no repr.
        created_at, updated_at: UTC, whole milliseconds.
        run_at: when it is due to be claimed; meaningful while queued.
        host: origin host of ``url`` in lower case, for the per-host limit; empty where there is none.
        request_id: id of the request that created it, so that the log's lines of both are found together.
        status: see ``Status``.
        attempts: how often a worker began it, not counting those that were handed back.
        abandoned: how many of those attempts ended with the death of the worker.
        revision: number of writes so far; the subject of compare-and-set.
        worker_id: who runs it; None unless running.
        sealed: what is secret in the parameters, for the fetch, as ``service.vault`` sealed it. None where nothing is,
            and as soon as the import is final.
        image_deleted_at: from when on the image is deleted for everyone who asks, UTC, whole milliseconds; None if not.
        image_purged_at: from when on its bytes are known to be gone from storage; None if they are not.
    """

    id: str
    organization_id: str
    issuer_id: str
    params: Mapping[str, Any] = field(repr=False)
    created_at: datetime
    updated_at: datetime
    run_at: datetime
    status: Status
    host: str = ""
    request_id: str = ""
    image_id: str | None = None
    import_type: str | None = None
    attempts: int = 0
    abandoned: int = 0
    revision: int = 0
    worker_id: str | None = None
    error: Failure | None = None
    image: Image | None = None
    sealed: str | None = field(default=None, repr=False)
    image_deleted_at: datetime | None = None
    image_purged_at: datetime | None = None

    @property
    def url(self) -> str | None:
        """The source, without what is secret in it; None while the bytes are still to come from the client."""
        url = self.params.get("url")
        return url if isinstance(url, str) and url else None

    @property
    def album_id(self) -> str | None:
        """Album as sent, or None."""
        album_id = self.params.get("album_id")
        return album_id if isinstance(album_id, str) else None

    @property
    def filename(self) -> str | None:
        """File name as sent, or None; data from a stranger, never a path."""
        filename = self.params.get("filename")
        return filename if isinstance(filename, str) and filename else None

    @property
    def metadata(self) -> Any:
        """What the client keeps beside the image, as sent, or None."""
        return self.params.get("metadata", self.params.get("metadatas"))

    @property
    def headers(self) -> Mapping[str, str]:
        """Request headers to send with the fetch, without their values unless an earlier version wrote them."""
        headers = self.params.get("headers")
        return headers if isinstance(headers, Mapping) else {}

    @property
    def storage_key(self) -> str:
        """Where the image is stored: derived from the id alone, so that every attempt has the same one (P5)."""
        return f"{self.id[0:2]}/{self.id[2:4]}/{self.id}"

    @property
    def stored_bytes(self) -> int:
        """What the image takes up in storage, as far as the document tells; 0 where there is none, or none any more."""
        if self.status is not Status.DONE or self.image is None or self.image_purged_at is not None:
            return 0
        return self.image.byte_size

    # --- transitions --------------------------------------------------------------------------------------------------

    def claimed(self, worker_id: str, now: datetime) -> Self:
        """queued -> running: ``worker_id`` begins an attempt."""
        self._expect(Status.QUEUED)
        return self._changed(now, status=Status.RUNNING, worker_id=worker_id, attempts=self.attempts + 1)

    @property
    def failures(self) -> int:
        """Attempts that failed by themselves, rather than with their worker."""
        return self.attempts - self.abandoned

    def succeeded(self, image: Image, import_type: str, now: datetime) -> Self:
        """running -> done."""
        self._expect(Status.RUNNING)
        return self._changed(
            now,
            status=Status.DONE,
            worker_id=None,
            image=image,
            image_id=str(uuid.uuid4()),
            import_type=import_type,
            error=None,
        )

    def failed(self, failure: Failure, import_type: str | None, now: datetime, *, counted: bool = True) -> Self:
        """running -> failed; not ``counted`` where no attempt was made."""
        self._expect(Status.RUNNING)
        return self._changed(
            now,
            status=Status.FAILED,
            worker_id=None,
            error=failure,
            import_type=import_type,
            attempts=self.attempts if counted else self.attempts - 1,
        )

    def requeued(self, failure: Failure, run_at: datetime, now: datetime, *, counted: bool = True) -> Self:
        """Running -> queued after a retryable failure: due again at ``run_at``.

        An attempt that failed through an outage of our own is not ``counted``.
        """
        self._expect(Status.RUNNING)
        return self._changed(
            now,
            status=Status.QUEUED,
            worker_id=None,
            error=failure,
            attempts=self.attempts if counted else self.attempts - 1,
            run_at=truncate_to_milliseconds(run_at),
        )

    def handed_back(self, run_at: datetime, now: datetime) -> Self:
        """running -> queued without an attempt having been made: at shutdown, or where a limit was reached."""
        self._expect(Status.RUNNING)
        return self._changed(
            now,
            status=Status.QUEUED,
            worker_id=None,
            attempts=self.attempts - 1,
            run_at=truncate_to_milliseconds(run_at),
        )

    def recovered(self, now: datetime) -> Self:
        """running -> queued because its worker died: due at once."""
        self._expect(Status.RUNNING)
        return self._changed(
            now,
            status=Status.QUEUED,
            worker_id=None,
            abandoned=self.abandoned + 1,
            run_at=truncate_to_milliseconds(now),
        )

    def image_moved(self, storage: str, now: datetime) -> Self:
        """Done, with an image: it is read from ``storage`` from now on, which holds its bytes already.

        A mirror that becomes the main storage is no mirror any more.
        """
        image = self._present_image()
        mirror, is_mirrored = (None, False) if image.mirror == storage else (image.mirror, image.is_mirrored)
        return self._changed(now, image=replace(image, storage=storage, mirror=mirror, is_mirrored=is_mirrored))

    def image_mirrored(self, mirror: str, now: datetime) -> Self:
        """Done, with an image: ``mirror`` holds a second copy of it."""
        image = self._present_image()
        if mirror == image.storage:
            raise ValueError(f"the image of import {self.id} is in {mirror} itself")
        return self._changed(now, image=replace(image, mirror=mirror, is_mirrored=True))

    def image_deleted(self, now: datetime) -> Self:
        """Done, with an image: it is deleted. Its bytes are to be removed from storage only when this is durable."""
        self._expect(Status.DONE)
        if self.image_deleted_at is not None:
            raise ValueError(f"the image of import {self.id} is deleted already")
        return self._changed(now, image_deleted_at=truncate_to_milliseconds(now))

    def image_purged(self, now: datetime) -> Self:
        """Done, with a deleted image: its bytes are gone from storage."""
        self._expect(Status.DONE)
        if self.image_deleted_at is None or self.image_purged_at is not None:
            raise ValueError(f"the image of import {self.id} is not deleted, or purged already")
        return self._changed(now, image_purged_at=truncate_to_milliseconds(now))

    def _present_image(self) -> Image:
        """The image, where it is not deleted."""
        self._expect(Status.DONE)
        if self.image is None or self.image_deleted_at is not None:
            raise ValueError(f"import {self.id} has no image, or a deleted one")
        return self.image

    def _expect(self, status: Status) -> None:
        if self.status is not status:
            raise ValueError(f"import {self.id} is {self.status}, not {status}")

    def _changed(self, now: datetime, **changes: Any) -> Self:
        changed = replace(self, updated_at=truncate_to_milliseconds(now), revision=self.revision + 1, **changes)
        return replace(changed, sealed=None) if changed.status.is_final else changed
