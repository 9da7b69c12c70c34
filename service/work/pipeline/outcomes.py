"""What an attempt at an import, or a trial of one, comes to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ....plugins.contracts import ImageInfo, Source
from ...models import Image, Import
from ...storages.spool import Spool
from .expectations import Facts


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished import's document learns.

    Attributes:
        image: the image.
        import_type: the kind of the fetcher.
        document: the import as it was written last: an attempt may write it while it runs. It refers to ``image``
            (``Import.duplicate``) where that was there already, and was not stored for this import.
    """

    image: Image
    import_type: str
    document: Import

    @property
    def is_duplicate(self) -> bool:
        """Whether the image was there already."""
        return self.document.duplicate is not None

    def ending(self, now: datetime) -> Callable[[Import], Import]:
        """What makes the import done."""
        if self.is_duplicate:
            return lambda one: one.duplicated(self.image, self.import_type, now)
        return lambda one: one.succeeded(self.image, self.import_type, now)


@dataclass(frozen=True, slots=True)
class Preview:
    """What an attempt that stores nothing has found.

    Attributes:
        facts: of the image, see ``Facts``.
        source: the one that has led to it.
        fetcher: the kind of the fetcher.
    """

    facts: dict[str, Any]
    source: Source
    fetcher: str


def facts_of(info: ImageInfo, spool: Spool) -> Facts:
    """What is to be as expected, of bytes that were recognised."""
    sizes = {"width": info.width, "height": info.height, "frames": info.frames, "byte_size": spool.byte_size}
    return Facts(format=info.format, content_type=info.content_type, sha256=spool.sha256, **sizes)


def facts_in(image: Image) -> Facts:
    """The same, of an image that is stored already."""
    sizes = {"width": image.width, "height": image.height, "frames": image.frames, "byte_size": image.byte_size}
    return Facts(format=image.format, content_type=image.content_type, sha256=image.sha256, **sizes)
