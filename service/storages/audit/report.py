"""The findings and totals of an audit of a storage."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What was found. The first five are objects that no document needs here: orphans."""

    FOREIGN = "foreign"
    """Its key is none that Lading makes: whoever put it there may need it, so it is never deleted."""
    UNKNOWN = "unknown"
    """No import has its key."""
    UNUSED = "unused"
    """Its import failed."""
    PURGED = "purged"
    """Its image was deleted, and said to be gone."""
    COPY = "copy"
    """Its image is in another storage, by its document: it was moved."""
    MISSING = "missing"
    """The document of an image says that it is here, and it is not."""
    SIZE = "size"
    """An image has another size than its document says."""
    CONTENT = "content"
    """An image has other bytes than its document says; only seen where images are read."""
    UNREADABLE = "unreadable"
    """An image could not be read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        storage: name of the storage that was audited.
        key: of the object, there or missing.
        import_id, image_id: where known, else None.
        byte_size, last_modified: of the object, where there is one.
        detail: more about it, or the empty string.
        deleted: whether the object was deleted.
    """

    storage: str
    kind: Kind
    key: str
    import_id: str | None = None
    image_id: str | None = None
    byte_size: int | None = None
    last_modified: datetime | None = None
    detail: str = ""
    deleted: bool = False


@dataclass
class Totals:
    """What an audit has seen.

    Attributes:
        objects: how many the storage has; 0 where it cannot list them.
        images: how many the documents say that it has.
        findings: how many of each kind were found; ``deleted`` of them are no more.
    """

    objects: int = 0
    images: int = 0
    findings: dict[Kind, int] = field(default_factory=dict)
    deleted: int = 0

    @property
    def remaining(self) -> int:
        """Findings that are still there."""
        return sum(self.findings.values()) - self.deleted
