"""The fields of an import document, and what they tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .values import Failure, Image, Share, Status


@dataclass(frozen=True, slots=True)
class ImportFields:
    """An import and its image: one document, so that finishing it is one atomic write.

    Attributes:
        id: UUID of the import, lower case with hyphens.
        organization_id: the organisation that owns it.
        issuer_id: the issuer whose token created it; the unit of fairness.
        params: what the client sent, in the order sent, then ``controller`` and ``action``; without what is secret in
            it, see ``lading.service.models.redaction``. Documents of earlier versions hold that too: no repr.
        created_at, updated_at: UTC, whole milliseconds, as are all moments; by the clock of the machine that wrote it,
            as are all moments of which nothing else is said.
        run_at: when it is due to be claimed, while queued; when it expires, while waiting. By the store's clock.
        due_since: when it was first due in its present life, which begins when it is created and when it is retried.
            By the store's clock. None where it waits for bytes, and in documents of earlier versions.
        host: origin host of ``url`` in lower case, for the per-host limit; empty where there is none.
        request_id: id of the request that created it, so that the log's lines of both are found together.
        status: see ``Status``.
        attempts: how often a worker began it, not counting those that were handed back.
        abandoned: how many of those attempts came to no verdict: their worker died, or decoding stalled.
        revision: number of writes so far; the subject of compare-and-set.
        worker_id: who runs it; None unless running.
        claim: the revision with which its present run began; None unless running. A worker may be given the same import
            twice under one lease: this tells the runs apart.
        sealed: what is secret in the parameters, for the fetch, sealed by ``lading.service.secrets.vault``. None where
            nothing is secret, and as soon as the import is final.
        image_deleted_at: from when on the image is deleted for everyone who asks, UTC, whole milliseconds; None if not.
        image_purged_at: from when on its bytes are known to be gone from storage, or to be another import's; None if
            they are not. Earlier versions gave both to cancelled imports too, see ``leftover_at``.
        leftover_at: since when storage may hold an object of its own that is not its image: an attempt that did not
            finish has saved it, or is still saving it. None for none. While it is not final, another attempt may
            finish with that object; when it is final without, the object has to go.
        leftover_removed_at: when that was removed, for the first time: it is looked for once more, since an attempt may
            go on that was given up. None where it was not removed yet.
        batch_id: the batch that it came in, or None.
        retried_at: when it was last retried by a client, or None.
        deleted_at: from when on it does not exist for anyone who asks; None if it does.
        duplicate: the image of another import that this one ended with, in place of one of its own, as it was then.
            While it runs, the one that it is about to end with. None for none.
        outbox: events that are still to be announced, the earliest first, as ``lading.service.webhooks`` writes them.
            Stores keep it apart from the revision: see ``DocumentStore.update`` and ``DocumentStore.announced``.
        new_events: events that the next write adds to the outbox. Never read back; every transition begins with none.
        trace: what each of the last attempts did, the earliest first, as ``lading.service.observe.traces`` writes it.
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
    claim: int | None = None
    error: Failure | None = None
    image: Image | None = None
    sealed: str | None = field(default=None, repr=False)
    image_deleted_at: datetime | None = None
    image_purged_at: datetime | None = None
    batch_id: str | None = None
    retried_at: datetime | None = None
    deleted_at: datetime | None = None
    duplicate: Image | None = None
    leftover_at: datetime | None = None
    leftover_removed_at: datetime | None = None
    outbox: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    new_events: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    trace: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    due_since: datetime | None = None

    @property
    def url(self) -> str | None:
        """The source, of several the first, without what is secret in it; None where the client sends the bytes."""
        url = self.params.get("url")
        return (url or None) if isinstance(url, str) else next(iter(self.urls), None)

    @property
    def urls(self) -> tuple[str, ...]:
        """The sources in the order in which they are tried, without what is secret in them."""
        url = self.params.get("url")
        urls = url if isinstance(url, (list, tuple)) else (url,)
        return tuple(one for one in urls if isinstance(one, str) and one)

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
        """Where the image is stored, or is going to be."""
        return self.image.key if self.image is not None else self.own_key

    @property
    def own_key(self) -> str:
        """Where its attempts save: derived from the id alone, so that every attempt has the same key (P5).

        256 folders: few enough that a new one is rarely made, each small enough at some millions of images.
        """
        return f"{self.id[:2]}/{self.id}"

    @property
    def is_stopping(self) -> bool:
        """Whether bytes are to go from storage that may still be there: it is deleted, or its image is, or it has ended
        without the object that one of its attempts may have stored.
        """
        return self.has_image_to_go or self.has_leftover_to_go

    @property
    def has_image_to_go(self) -> bool:
        """Whether it is deleted, or its image is, and the bytes of the image may still be in storage."""
        return self.image_deleted_at is not None and self.image_purged_at is None

    def is_run_of(self, claimed: "ImportFields") -> bool:
        """Whether it runs, and this is the very run that ``claimed`` was given to a worker for."""
        return self.status is Status.RUNNING and (self.worker_id, self.claim) == (claimed.worker_id, claimed.claim)

    @property
    def has_leftover_to_go(self) -> bool:
        """Whether it has ended without an object that an attempt may have stored, and that was not removed yet."""
        return self._has_leftover and self.leftover_removed_at is None

    @property
    def unsettled_at(self) -> datetime | None:
        """Since when something of it is to be removed: bytes, an object that is looked for once more, or itself."""
        moments = (
            self.deleted_at,
            self.image_deleted_at if self.has_image_to_go else None,
            self.leftover_at if self._has_leftover else None,
        )
        return min((one for one in moments if one is not None), default=None)

    @property
    def _has_leftover(self) -> bool:
        return self.status.is_final and self.leftover_at is not None

    @property
    def share(self) -> Share | None:
        """Its part in an object whose key names another import; None where it has none, or its image is deleted."""
        if self.image_deleted_at is not None or self.deleted_at is not None:
            return None
        if self.image is not None:
            return None if self.image.import_id == self.id else Share.OWNER
        if self.duplicate is None or self.status not in (Status.RUNNING, Status.DONE):
            return None
        return Share.REFERRER if self.status is Status.DONE else Share.CANDIDATE

    @property
    def shared_key(self) -> str | None:
        """The key of the object that it has a ``share`` in."""
        image = self.image or self.duplicate
        return None if self.share is None or image is None else image.key

    @property
    def stored_bytes(self) -> int:
        """What the image takes up in storage, as far as the document tells; 0 where there is none, or none any more."""
        if self.status is not Status.DONE or self.image is None or self.image_purged_at is not None:
            return 0
        return self.image.byte_size

    @property
    def since(self) -> datetime:
        """Since when it has been due in its present life, by the store's clock."""
        return self.due_since or self.retried_at or self.created_at
