"""Images that are there already: with ``dedupe`` an import shares the object of one of these instead of storing a copy.

Imports that run at the same time may both store the same bytes: each looks before it saves.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ....plugins.errors import StorageUnavailable
from ...documents import DocumentStore, StoreUnavailable
from ...models import Import
from ...models.clock import Clock
from ...storages.sharing import owns
from .duplicates import Duplicate, TakenOver

WRITE_ATTEMPTS = 5
"""How often a reference is written against others that write the same import."""


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Finds images for imports that want no second copy.

    Every method raises ``StorageUnavailable`` where the database does not answer: the import is tried again later.
    """

    store: DocumentStore
    clock: Clock

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

    async def refer(self, document: Import, found: Duplicate) -> Import:
        """See ``FindsDuplicates.refer``."""
        with _outage():
            document = await self._write(document, lambda one: one.referring(found.image, self.clock.now()))
            # After the reference is written: who deletes the image after this read sees the reference.
            owner = await self.store.get(found.owner_id)
            if owner is not None and owns(owner, found.image.key):
                return document
            return await self._write(document, lambda one: one.unreferring(self.clock.now()))

    async def _write(self, document: Import, transition: Callable[[Import], Import]) -> Import:
        """Write a transition of an import that runs, as long as it is the same run."""
        for _ in range(WRITE_ATTEMPTS):
            after = transition(document)
            if await self.store.update(after):
                return after
            present = await self.store.get(document.id)
            if present is None or not present.is_run_of(document):
                raise TakenOver(document.id)
            document = present
        raise StoreUnavailable(f"others keep writing the document of import {document.id}")

    @staticmethod
    def is_wanted(document: Import) -> bool:
        """Whether an import is content with an image that is there."""
        return document.params.get("dedupe") in ("album", "organization")


def _album(document: Import) -> str | None:
    return document.album_id if document.params.get("dedupe") == "album" else None


def _duplicate(found: Import | None, document: Import) -> Duplicate | None:
    if found is None or found.image is None or found.image_id is None or found.id == document.id:
        return None
    return Duplicate(found.image, found.image_id, found.id)


@contextmanager
def _outage() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise StorageUnavailable(str(error)) from error
