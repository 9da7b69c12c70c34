"""The results of an attempt at an import, and of a preview."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ....plugins.contracts import ImageInfo, Source
from ....plugins.contracts.quick import quick
from ...models import Image, Import
from ...storages.spool import Spool
from .expectations import Facts
from .processing import Ready


class TakenOver(Exception):
    """The import no longer runs under the lease of its attempt: a client cancelled it, or another attempt has it."""


@quick
@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a successful attempt.

    Attributes:
        image: the image.
        import_type: the kind of the fetcher.
        document: the import as it was written last: an attempt may write it while it runs. It refers to ``image``
            (``Import.duplicate``) if the image existed already, and was not stored for this import.
    """

    image: Image
    import_type: str
    document: Import

    @property
    def is_duplicate(self) -> bool:
        """Whether the image existed already."""
        return self.document.duplicate is not None

    def ending(self, now: datetime) -> Callable[[Import], Import]:
        """The transition that makes the import done."""
        if self.is_duplicate:
            return lambda one: one.duplicated(self.image, self.import_type, now)
        return lambda one: one.succeeded(self.image, self.import_type, now)


@dataclass(frozen=True, slots=True)
class Preview:
    """The result of a preview: an attempt that stores nothing.

    Attributes:
        facts: of the image, see ``Facts``.
        source: the source that led to the image.
        fetcher: the kind of the fetcher.
        processors: what each processor would do, in order.
    """

    facts: dict[str, Any]
    source: Source
    fetcher: str
    processors: tuple[dict[str, Any], ...] = ()

    @classmethod
    def of(cls, ready: Ready, source: Source, fetcher: str) -> "Preview":
        """The preview of an image that could be stored."""
        facts = asdict(facts_of(ready.info, ready.spool))
        if ready.source_sha256 is not None:
            facts["source_sha256"] = ready.source_sha256
        if ready.facts:
            facts["facts"] = ready.facts
        return cls(facts, source, fetcher, tuple(map(asdict, ready.done)))


def facts_of(info: ImageInfo, spool: Spool) -> Facts:
    """The facts of a recognised image, to compare with expectations."""
    return Facts(
        format=info.format,
        content_type=info.content_type,
        width=info.width,
        height=info.height,
        orientation=info.orientation,
        frames=info.frames,
        byte_size=spool.byte_size,
        sha256=spool.sha256,
    )


def facts_in(image: Image) -> Facts:
    """The facts of a stored image, to compare with expectations."""
    return Facts(
        format=image.format,
        content_type=image.content_type,
        width=image.width,
        height=image.height,
        orientation=image.orientation,
        frames=image.frames,
        byte_size=image.byte_size,
        sha256=image.sha256,
    )
