"""The values in an import document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from ...plugins.contracts.quick import quick


class Status(StrEnum):
    """State of an import; the last three are final.

    Attributes:
        is_final: whether no transition leads out of this state.
    """

    is_final: bool

    WAITING = "waiting"
    """No url: the client has yet to send the bytes."""
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    def __init__(self, text: str) -> None:
        self.is_final = text in ("done", "failed", "cancelled")


@quick
@dataclass(frozen=True, slots=True)
class Failure:
    """Why the last attempt failed.

    Attributes:
        code: stable code of the error, from ``docs/reference/errors.md``.
        detail: the sentence for clients.
        retryable: whether the same import may succeed later.
    """

    code: str
    detail: str
    retryable: bool


@quick
@dataclass(frozen=True, slots=True)
class Image:
    """The stored image of a finished import.

    Attributes:
        format, content_type, width, height, frames: as detected; see ``lading.plugins.contracts.ImageInfo``.
        orientation: likewise; None for an image of a version that did not detect it.
        notes: likewise.
        byte_size: size in bytes of the stored object.
        sha256: lower-case hexadecimal SHA-256 of the stored bytes.
        storage: name of its storage, from the section in ``service.conf``.
        key: key of the object in that storage, and in the mirror.
        filename: the client's file name, else the origin's, or None; data from a stranger, never a path. Its ending is
            that of the stored format, if processors have changed the image.
        mirror: name of the storage for the second copy; None without a mirror.
        is_mirrored: whether the mirror has the copy; if not, it may have it or not.
        etag: the origin's entity tag, as sent; None without one.
        is_kept: whether storage keeps the object when the import is deleted, see ``Import.retired``.
        source: SHA-256 of the url, if the url contains no secret; else None.
        source_sha256: SHA-256 of the bytes that came, if processors made others of them; None if the stored bytes came.
        facts: the facts that processors found, by processor.
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
    etag: str | None = None
    source: str | None = None
    orientation: int | None = None
    notes: tuple[str, ...] = ()
    is_kept: bool = False
    source_sha256: str | None = None
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Image":
        """The image that a document store has kept, maybe without the fields of later versions. A process of a later
        version may have added fields, while both work on one database: they are left out.
        """
        known = {name: value for name, value in fields.items() if name in cls.__dataclass_fields__}
        return cls(**{**known, "notes": tuple(fields.get("notes", ()))})

    @property
    def places(self) -> tuple[str, ...]:
        """The storages that may hold its bytes, the main storage first."""
        return (self.storage,) if self.mirror is None else (self.storage, self.mirror)

    @property
    def import_id(self) -> str:
        """Id of the import that stored the object, which ends the key; another import may have adopted the object
        since.
        """
        return self.key.rpartition("/")[2]

    def readable_in(self, storage: str) -> bool:
        """Whether that storage is known to have the whole object."""
        return storage == self.storage or (self.is_mirrored and storage == self.mirror)


class Share(IntEnum):
    """The share of an import in an object that another import has stored. The lowest number comes first."""

    OWNER = 0
    """The import has adopted the object, which is its own image now."""
    REFERRER = 1
    """The import is done with the object of another import as its image."""
    CANDIDATE = 2
    """The import runs, and may end with that object."""


class Held(StrEnum):
    """The role of a storage for an image, as its document says."""

    MAIN = "main"
    """``Image.storage``: the copy for reads."""
    MIRRORED = "mirrored"
    """``Image.mirror``: the second copy."""
    PENDING = "pending"
    """``Image.mirror``: the second copy is pending, and may exist already."""
