"""The values that an import document is made of."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


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
        code: stable code of the error, from ``docs/reference/errors.md``.
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
        format, content_type, width, height, frames: as detected; see ``lading.plugins.contracts.ImageInfo``.
        byte_size: size in bytes of the stored object.
        sha256: lower-case hexadecimal SHA-256 of the stored bytes.
        storage: name of the storage that it is in, as of its section in ``service.conf``.
        key: key of the object in that storage, and in the mirror.
        filename: the name that the client or else the origin gave, or None; data from a stranger, never a path.
        mirror: name of the storage that is to hold a second copy; None for none.
        is_mirrored: whether it does; until then a copy may be there or not.
        etag: the entity tag that the origin gave it, as sent; None for none.
        source: SHA-256 of the url that it came from, where nothing in that is secret; None for none.
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

    @property
    def places(self) -> tuple[str, ...]:
        """The storages that may hold its bytes, the main one first."""
        return (self.storage,) if self.mirror is None else (self.storage, self.mirror)

    @property
    def import_id(self) -> str:
        """Id of the import that has stored it, which its key ends with; another may have adopted it since."""
        return self.key.rpartition("/")[2]

    def readable_in(self, storage: str) -> bool:
        """Whether that storage is known to hold the whole of it."""
        return storage == self.storage or (self.is_mirrored and storage == self.mirror)


class Share(IntEnum):
    """The part that an import has in an object that another import has stored. The lowest number comes first."""

    OWNER = 0
    """It has adopted the object: that is its own image."""
    REFERRER = 1
    """It is done, and its image is the object of another."""
    CANDIDATE = 2
    """It runs, and may end with that object."""


class Held(StrEnum):
    """What a storage has of an image, as its document says."""

    MAIN = "main"
    """``Image.storage``: the copy that is read."""
    MIRRORED = "mirrored"
    """``Image.mirror``: the second copy."""
    PENDING = "pending"
    """``Image.mirror``: the second copy is still to be made; it may be there already."""
