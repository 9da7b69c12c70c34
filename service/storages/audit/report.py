"""The findings and totals of an audit of a storage."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """The kind of a finding. The first five are objects that no document needs here: orphans."""

    FOREIGN = "foreign"
    """Lading makes no such keys: somebody else may need the object, so it is never deleted."""
    UNKNOWN = "unknown"
    """No import has its key."""
    UNUSED = "unused"
    """Its import failed."""
    PURGED = "purged"
    """Its image was deleted, and the document says that the bytes are gone."""
    COPY = "copy"
    """Its image moved to another storage, as its document says."""
    MISSING = "missing"
    """The document of an image names this storage, which does not have the object."""
    SIZE = "size"
    """An image has another size than its document says."""
    CONTENT = "content"
    """An image has other bytes than its document says; only seen where images are read."""
    UNREADABLE = "unreadable"
    """An image could not be read."""
    UNFINISHED = "unfinished"
    """A save has begun, and has neither ended nor been removed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of an audit.

    Attributes:
        storage: name of the audited storage.
        key: of the object, present or missing.
        import_id, image_id: if known, else None.
        byte_size, last_modified: of the object, if there is one; of an unfinished save its beginning.
        detail: further text, or empty.
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
    """The totals of an audit.

    Attributes:
        objects: number of objects in the storage; 0 if it cannot list them.
        images: number of images that the documents name.
        findings: number of findings of each kind; ``deleted`` of them are gone.
    """

    objects: int = 0
    images: int = 0
    findings: dict[Kind, int] = field(default_factory=dict)
    deleted: int = 0

    @property
    def remaining(self) -> int:
        """Number of findings that remain."""
        return sum(self.findings.values()) - self.deleted
