"""Images that are there already: with ``dedupe`` an import ends with one of these in place of a copy of its own.

Imports that run at the same time may both store the same bytes: each looks before it saves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ....plugins.errors import StorageUnavailable
from ...documents import DocumentStore, StoreUnavailable
from ...models import Import
from .duplicates import Duplicate


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Finds images for imports that want no second copy.

    Every method raises ``StorageUnavailable`` where the database does not answer: the import is tried again later.
    """

    store: DocumentStore

    async def by_bytes(self, document: Import, sha256: str) -> Duplicate | None:
        """An image with these bytes, where the import wants to know."""
        if not self.is_wanted(document):
            return None
        with _outage():
            return _duplicate(
                await self.store.search.by_sha256(document.organization_id, sha256, _album(document)), document
            )

    async def by_source(self, document: Import, source: str | None) -> Duplicate | None:
        """The latest image from that source whose origin gave it an entity tag, where the import wants to know."""
        if source is None or not self.is_wanted(document):
            return None
        with _outage():
            found = _duplicate(
                await self.store.search.by_source(document.organization_id, source, _album(document)), document
            )
        return found if found is not None and found.image.etag is not None else None

    @staticmethod
    def is_wanted(document: Import) -> bool:
        """Whether an import is content with an image that is there."""
        return document.params.get("dedupe") in ("album", "organization")


def _album(document: Import) -> str | None:
    return document.album_id if document.params.get("dedupe") == "album" else None


def _duplicate(found: Import | None, document: Import) -> Duplicate | None:
    if found is None or found.image is None or found.image_id is None or found.id == document.id:
        return None
    return Duplicate(found.image, found.image_id)


@contextmanager
def _outage() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise StorageUnavailable(str(error)) from error
