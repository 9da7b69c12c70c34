"""What operations give that is no document of the service: outcomes, events, uploads, thumbnails."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from .errors import LadingError
from .models import Import


class ImportParams(TypedDict, total=False):
    """The parameters of an import; ``docs/reference/api/imports.md`` describes them. The service keeps further ones.

    Attributes:
        album_id: the album of the image.
        filename: the name of the image.
        metadata: an object, kept with the image.
        tags: labels, kept with the import.
        headers: request headers for the fetch.
        expect: requirements on the image, such as ``{"sha256": "…"}`` or ``{"min_width": 640}``.
        dedupe: ``album`` or ``organization``.
        webhook: ``{"url": …}``: the receiver of this import's events.
    """

    album_id: str
    filename: str
    metadata: Mapping[str, Any]
    tags: list[str]
    headers: Mapping[str, str]
    expect: Mapping[str, Any]
    dedupe: str
    webhook: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an item of ``import_many`` ended.

    Attributes:
        index: of the item, from 0, in the order of the items.
        params: the item.
        import_id: its import; empty if the service refused the item.
        document: the import when it ended; None if nobody waited for that.
        error: why there is no image: the refusal, ``ImportFailed``, or ``TimedOut``. None if the import is done, or if
            nobody waited for its end.
        is_replayed: whether an earlier request with the same key had made the import.
        batch_id: the batch of the import; empty if the import is replayed, or there is none.
    """

    index: int
    params: Mapping[str, Any] = field(repr=False)
    import_id: str = ""
    document: Import | None = None
    error: LadingError | None = None
    is_replayed: bool = False
    batch_id: str = ""

    @property
    def is_done(self) -> bool:
        """Whether the image is stored."""
        return self.document is not None and self.document.is_done


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event.

    Attributes:
        type: ``state`` or ``progress``; later versions of the service may send others.
        id: from which ``events`` continues, as ``last_event_id``.
        data: what the service sent: the import, or ``id``, ``received`` and ``total``.
    """

    type: str
    id: str
    data: Mapping[str, Any] = field(repr=False)

    @property
    def document(self) -> Import | None:
        """The import of a ``state``; None for other events."""
        return Import.of(self.data) if self.type == "state" else None


@dataclass(frozen=True, slots=True)
class Upload:
    """A resumable upload. Keep it, or its ``url``, and give it to ``import_file`` again after an interruption.

    Attributes:
        url: of the upload.
        offset: bytes that the service has.
        length: bytes in all.
    """

    url: str
    offset: int
    length: int

    @property
    def import_id(self) -> str:
        """The import that waits for the bytes; an upload has the same id."""
        return self.url.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small copy of an image.

    Attributes:
        content: its bytes.
        content_type: such as ``image/webp``.
        etag: for a later request; empty if the service gives none.
    """

    content: bytes = field(repr=False)
    content_type: str
    etag: str
