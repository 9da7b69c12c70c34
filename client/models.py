"""The service's documents as frozen values. Fields that this version does not know are in ``extra``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final, Self, TypeVar

from .errors import LadingError

FINAL: Final = frozenset({"done", "failed", "cancelled"})
"""The states of imports that have ended."""
_OWN: Final = frozenset({"extra", "raw"})

M = TypeVar("M", bound="Model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A document of the service.

    Attributes:
        extra: the fields that this version of the client does not know.
        raw: the whole document, as the service sent it.
    """

    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read a document.

        Raises:
            TypeError, ValueError: it lacks a field, or a field has another form.
        """
        known = {one.name: one.metadata.get("read") for one in fields(cls) if one.name not in _OWN}
        values = {
            name: value if value is None or (read := known[name]) is None else read(value)
            for name, value in document.items()
            if name in known
        }
        extra = {name: value for name, value in document.items() if name not in known}
        return cls(**values, extra=extra, raw=dict(document))


def one(model: type[M]) -> Mapping[str, Callable[[Any], M]]:
    """How a field with a document is read."""
    return {"read": model.of}


def many(model: type[M]) -> Mapping[str, Callable[[Any], tuple[M, ...]]]:
    """How a field with a list of documents is read."""
    return {"read": lambda documents: tuple(model.of(one) for one in documents)}


MOMENT: Final[Mapping[str, Any]] = {"read": datetime.fromisoformat}
TUPLE: Final[Mapping[str, Any]] = {"read": tuple}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Model):
    """Why an import failed, or would fail.

    Attributes:
        code: stable, for programs.
        detail: a sentence for people.
        retryable: whether the same import may succeed later.
        hint: the remedy, where the service tells it.
    """

    code: str
    detail: str
    retryable: bool | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts(Model):
    """What the service found out about an image.

    Attributes:
        storage: the name of the storage that has the bytes; None if there is none.
        notes: remarks, such as ``tail_missing``.
        deleted_at: when the image was deleted; None if it was not.
        duplicate_of: the import that stored the same bytes before; None if this one stored them.
        source_sha256: SHA-256 of the bytes that came, where the service's processors made others of them; None where
            they did not.
        facts: the facts that the service's processors found, by processor.
    """

    format: str
    content_type: str
    width: int
    height: int
    byte_size: int
    sha256: str
    orientation: int | None = None
    frames: int = 1
    storage: str | None = None
    notes: tuple[str, ...] = field(default=(), metadata=TUPLE)
    deleted_at: datetime | None = field(default=None, metadata=MOMENT)
    duplicate_of: str | None = None
    source_sha256: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(ImageFacts):
    """A stored image.

    Attributes:
        filename: that the client gave; ``get_image`` also knows the name that the origin gave.
    """

    id: str
    import_id: str
    organization_id: str
    album_id: str | None = None
    filename: str | None = None
    metadata: Any = None
    created_at: datetime = field(metadata=MOMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Import(Model):
    """An import.

    Attributes:
        image_id: of its image; None until it is done.
        import_type: kind of the fetcher, or ``upload``; None until it ran.
        params: as the client sent them, then ``controller`` and ``action``.
        status: ``waiting``, ``queued``, ``running``, ``done``, ``failed`` or ``cancelled``; None in the answer to a new
            import, which does not say it.
        error: of the last attempt; None without a failure.
        image: facts about its image; None until it is done.
    """

    id: str
    organization_id: str
    image_id: str | None = None
    import_type: str | None = None
    album_id: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    created_at: datetime = field(metadata=MOMENT)
    updated_at: datetime = field(metadata=MOMENT)
    status: str | None = None
    attempts: int = 0
    error: Problem | None = field(default=None, metadata=one(Problem))
    image: ImageFacts | None = field(default=None, metadata=one(ImageFacts))

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.status in FINAL

    @property
    def is_done(self) -> bool:
        """Whether its image is stored."""
        return self.status == "done"

    def checked(self) -> Self:
        """The import itself, unless it ended without an image.

        Raises:
            ImportFailed: it is ``failed`` or ``cancelled``.
        """
        if self.is_final and not self.is_done:
            raise ImportFailed(self)
        return self

    @property
    def stored(self) -> Image | None:
        """Its image; None if it has none, or if the image was deleted."""
        if self.image is None or self.image_id is None or self.image.deleted_at is not None:
            return None
        params = self.params
        return Image.of({
            **self.image.raw,
            "id": self.image_id,
            "import_id": self.id,
            "organization_id": self.organization_id,
            "album_id": self.album_id,
            "filename": params.get("filename"),
            "metadata": params.get("metadata", params.get("metadatas")),
            "created_at": self.raw["created_at"],
        })  # fmt: skip


class ImportFailed(LadingError):
    """An import ended as ``failed`` or ``cancelled``; ``code`` and ``detail`` are those of its ``error``.

    Attributes:
        document: the import.
    """

    def __init__(self, document: Import) -> None:
        error = document.error
        if document.status == "cancelled" or error is None:
            super().__init__(document.status or "failed", detail=f"Import {document.id} was {document.status}.")
        else:
            super().__init__(error.code, detail=f"Import {document.id} failed: {error.detail}")
        self.args = (document,)
        self.document = document
