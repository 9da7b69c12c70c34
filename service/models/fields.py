"""The fields of an import document, and the facts that follow from them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from .values import Failure, Image, Share, Status

LONGEST_REKEYED: Final = len("again-999/")
"""Characters by which ``Import.rekeyed`` may make a key longer."""
_REKEYED: Final = re.compile(r"again-(?P<number>[1-9][0-9]{0,2})/(?P<first>.+)")

MAX_KEYS: Final = 3
"""Keys under which one attempt saves at most: its own, and those of ``Import.rekeyed``."""


def rekeyed(first: str, number: int) -> str:
    """The key that an import has after its first key was changed so many times. The id of the import still ends it."""
    return f"again-{number}/{first}"


def first_key(key: str) -> str:
    """The key that an import had first."""
    found = _REKEYED.fullmatch(key)
    return key if found is None else found["first"]


def next_key(key: str) -> str:
    """The key after this one."""
    found = _REKEYED.fullmatch(key)
    return rekeyed(key, 1) if found is None else rekeyed(found["first"], int(found["number"]) + 1)


@dataclass(frozen=True, slots=True)
class ImportFields:
    """An import and its image: one document, so that finishing it is one atomic write.

    All moments are UTC with whole milliseconds, by the clock of the machine that wrote them, unless this says
    otherwise.

    Attributes:
        id: UUID of the import, lower case with hyphens.
        organization_id: the organisation that owns the import.
        issuer_id: the issuer whose token created the import; the unit of fairness.
        params: as the client sent them, in that order, then ``controller`` and ``action``; without secrets, see
            ``lading.service.models.redaction``. Documents of earlier versions contain secrets too: no repr.
        created_at, updated_at: of the document.
        run_at: when the import is due, while queued; when it expires, while waiting. By the store's clock.
        due_since: when the import was first due since its creation or its last retry. By the store's clock. None while
            it waits for bytes, and in documents of earlier versions.
        host: origin host of ``url`` in lower case, for the limit on hosts; empty without a host.
        request_id: id of the request that created the import, so that the log links both.
        status: see ``Status``.
        attempts: number of attempts that a worker began, without those that it handed back.
        abandoned: number of attempts without a result: their worker died, or decoding hung.
        revision: number of writes so far; compare-and-set compares it.
        worker_id: the lease that the import runs under; None unless running.
        claim: the revision with which the present run began; None unless running. A worker may get an import twice
            under one lease: this separates the runs.
        sealed: the secrets in the parameters, encrypted by ``lading.service.secrets.vault``. None without secrets, and
            as soon as the import is final.
        image_deleted_at: since when nobody can read the image; None if it is not deleted.
        image_purged_at: since when its bytes are known to be gone from storage, or to belong to another import; None if
            they are not. Earlier versions gave both to cancelled imports too, see ``leftover_at``.
        leftover_at: since when storage may hold an object of this import that is not its image, because an attempt that
            did not finish has saved the object, or is still saving it. None without one. Until the import is final,
            another attempt may finish with that object; after that, the object must go.
        leftover_removed_at: when that object was first removed. The purger looks for it once more, since an abandoned
            attempt may continue. None if it was not removed yet.
        batch_id: id of the batch of the import, or None.
        dedupe_albums: the albums in which ``dedupe=organization`` looks for images: its token may see no other. None
            for the whole organisation.
        retried_at: when a client or an operator last retried the import, or None.
        deleted_at: since when nobody can read the import; None if it is not deleted.
        duplicate: the image of another import, which this import ended with instead of an image of its own; while
            running, the image that it may end with. None without one.
        outbox: events that wait for the announcer, the earliest first, as ``lading.service.webhooks`` writes them.
            Stores keep it apart from the revision: see ``DocumentStore.update`` and ``DocumentStore.announced``.
        new_events: events that the next write adds to the outbox. Never read back; every transition begins with none.
        trace: the last attempts, the earliest first, as ``lading.service.observe.traces`` writes them.
        traceparent: the span of OpenTelemetry that accepted the import, as the ``traceparent`` of W3C Trace Context;
            after a space its ``tracestate``, if it has one, which a client may have chosen. None without telemetry.
        key: the storage key of its attempts, if the operator's template made one when the import was accepted: another
            template moves no object, but ``Import.rekeyed`` does. None for the key that the id gives, see ``own_key``.
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
    dedupe_albums: tuple[str, ...] | None = None
    traceparent: str | None = field(default=None, repr=False)
    key: str | None = None

    @property
    def url(self) -> str | None:
        """The first source, without its secrets; None if the client sends the bytes."""
        url = self.params.get("url")
        return (url or None) if isinstance(url, str) else next(iter(self.urls), None)

    @property
    def urls(self) -> tuple[str, ...]:
        """The sources in the order of the attempts, without their secrets."""
        url = self.params.get("url")
        urls = url if isinstance(url, (list, tuple)) else (url,)
        return tuple(one for one in urls if isinstance(one, str) and one)

    @property
    def album_id(self) -> str | None:
        """Album as sent, or None."""
        album_id = self.params.get("album_id")
        return album_id if isinstance(album_id, str) else None

    @property
    def trace_id(self) -> str | None:
        """The id of the import's trace in OpenTelemetry, 32 hexadecimal digits; None without telemetry."""
        return None if self.traceparent is None else self.traceparent.split("-", 2)[1]

    @property
    def filename(self) -> str | None:
        """File name as sent, or None; data from a stranger, never a path."""
        filename = self.params.get("filename")
        return filename if isinstance(filename, str) and filename else None

    @property
    def metadata(self) -> Any:
        """Metadata that the client keeps with the image, as sent, or None."""
        return self.params.get("metadata", self.params.get("metadatas"))

    @property
    def headers(self) -> Mapping[str, str]:
        """Request headers for the fetch, without their values unless an earlier version wrote them."""
        headers = self.params.get("headers")
        return headers if isinstance(headers, Mapping) else {}

    @property
    def storage_key(self) -> str:
        """The storage that has the image, or will have it."""
        return self.image.key if self.image is not None else self.own_key

    @property
    def own_key(self) -> str:
        """The key of its attempts. Every attempt has the same key (P5), until ``Import.rekeyed``.

        Without a template, 256 folders: few enough that a new folder is rarely made, and small enough with millions of
        images.
        """
        return self.key or f"{self.id[:2]}/{self.id}"

    @property
    def earlier_keys(self) -> tuple[str, ...]:
        """The keys that its attempts had before ``Import.rekeyed``: no attempt can end with an object there."""
        found = _REKEYED.fullmatch(self.own_key)
        if found is None:
            return ()
        first = found["first"]
        return (first, *(rekeyed(first, number) for number in range(1, int(found["number"]))))

    @property
    def leftover_keys(self) -> tuple[str, ...]:
        """The keys whose objects are not its image, if the import is final."""
        own = () if self.image is not None and self.image.key == self.own_key else (self.own_key,)
        return (*self.earlier_keys, *own)

    @property
    def is_stopping(self) -> bool:
        """Whether storage may still hold bytes that must go: the import or its image is deleted, or the import has
        ended without the object that one of its attempts may have stored.
        """
        return self.has_image_to_go or self.has_leftover_to_go

    @property
    def has_image_to_go(self) -> bool:
        """Whether the import or its image is deleted, and storage may still hold the bytes of the image."""
        return self.image_deleted_at is not None and self.image_purged_at is None

    def is_run_of(self, claimed: "ImportFields") -> bool:
        """Whether this is the very run that a worker got ``claimed`` for."""
        return self.status is Status.RUNNING and (self.worker_id, self.claim) == (claimed.worker_id, claimed.claim)

    @property
    def has_leftover_to_go(self) -> bool:
        """Whether the import has ended without an object that an attempt may have stored and that is not removed."""
        return self._has_leftover and self.leftover_removed_at is None

    @property
    def unsettled_at(self) -> datetime | None:
        """Since when something of the import must go: bytes, an object that the purger looks for once more, or the
        import itself.
        """
        if self.deleted_at is None and self.image_deleted_at is None and self.leftover_at is None:
            return None  # as of nearly every import
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
        """The share in an object whose key names another import; None without a share, or if the image is deleted."""
        if self.image_deleted_at is not None or self.deleted_at is not None:
            return None
        if self.image is not None:
            return None if self.image.import_id == self.id else Share.OWNER
        if self.duplicate is None or self.status not in (Status.RUNNING, Status.DONE):
            return None
        return Share.REFERRER if self.status is Status.DONE else Share.CANDIDATE

    @property
    def shared_key(self) -> str | None:
        """The key of the object that the import has a ``share`` in."""
        image = self.image or self.duplicate
        return None if self.share is None or image is None else image.key

    @property
    def stored_bytes(self) -> int:
        """The bytes of the image in storage, as the document knows; 0 without an image."""
        if self.status is not Status.DONE or self.image is None or self.image_purged_at is not None:
            return 0
        return self.image.byte_size

    @property
    def since(self) -> datetime:
        """Since when the import has been due, counted from its creation or its last retry, by the store's clock."""
        return self.due_since or self.retried_at or self.created_at
