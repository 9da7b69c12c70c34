"""Images that exist already: with ``dedupe`` an import shares the object of another import instead of storing a copy.

Two imports that run at the same time may both store the same bytes: each looks for duplicates before it saves.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from ....plugins.errors import StorageUnavailable
from ....plugins.host.schemes import scheme_of, trimmed
from ....plugins.net.urls import http_url
from ...documents import DocumentStore, StoreUnavailable
from ...documents.contention import tries
from ...models import Image, Import
from ...models.clock import Clock
from ...models.redaction import filtered_url
from ...storages.sharing import owns
from .outcomes import TakenOver


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An image that exists already.

    Attributes:
        image: the image.
        image_id: its id.
        owner_id: id of the import that the image belongs to.
    """

    image: Image
    image_id: str
    owner_id: str


def source_of(url: str, headers: Mapping[str, str]) -> str | None:
    """The digest of a fetched url, by which imports of the same source are found; None for a source with secrets."""
    if headers or filtered_url(url) != url or scheme_of(url) == "data":
        return None
    text = str(http_url(url) or trimmed(url))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Finds images for imports with ``dedupe``.

    Every method raises ``StorageUnavailable`` if the database does not answer; the worker then retries the import.
    """

    store: DocumentStore
    clock: Clock

    async def by_bytes(self, document: Import, sha256: str) -> Duplicate | None:
        """An image with these bytes; None without one, or for an import without ``dedupe``."""
        if not self.is_wanted(document):
            return None
        with _outage():
            return _duplicate(
                await self.store.search.by_sha256(document.organization_id, sha256, _albums(document)), document
            )

    async def by_source(self, document: Import, source: str | None) -> Duplicate | None:
        """The latest image from the source with an entity tag of its origin; None as in ``by_bytes``."""
        if source is None or not self.is_wanted(document):
            return None
        with _outage():
            found = _duplicate(
                await self.store.search.by_source(document.organization_id, source, _albums(document)), document
            )
        return found if found is not None and found.image.etag is not None else None

    async def refer(self, document: Import, found: Duplicate) -> Import:
        """Make a running import refer to an image: see ``lading.service.storages.sharing``.

        Returns:
            the import as it is written now; without a ``duplicate``, if the image was deleted meanwhile.

        Raises:
            TakenOver: the import belongs to another attempt by now.
        """
        with _outage():
            document = await self._write(document, lambda one: one.referring(found.image, self.clock.now()))
            # After the reference is written: who deletes the image after this read sees the reference.
            owner = await self.store.get(found.owner_id)
            if owner is not None and owns(owner, found.image.key):
                return document
            return await self._write(document, lambda one: one.unreferring(self.clock.now()))

    async def _write(self, document: Import, transition: Callable[[Import], Import]) -> Import:
        """Write a transition of a running import, as long as it is the same run."""
        async for _ in tries():
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
        """Whether an import has ``dedupe``."""
        return document.params.get("dedupe") in ("album", "organization")


def _albums(document: Import) -> Collection[str] | None:
    """The albums in which images are found; None for the whole organisation."""
    if document.params.get("dedupe") == "album":
        return (document.album_id or "",)
    return document.dedupe_albums


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
