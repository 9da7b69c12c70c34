"""Images that exist already: with ``dedupe`` an import shares the object of another import instead of storing a copy.

An import looks for duplicates before it saves. Imports that run at the same time may nevertheless store the same bytes.
The document store decides when they end: it lets one of them end with its own object
(``DocumentStore.update_unless_stored``). Each other import then ends with that object (``Sole``), and its own object
goes. No import waits for another.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ....plugins.errors import StorageUnavailable
from ....plugins.host.schemes import scheme_of, trimmed
from ....plugins.net.urls import http_url
from ...documents import DocumentStore, StoreUnavailable
from ...documents.contention import tries
from ...models import Image, Import
from ...models.clock import Clock
from ...models.redaction import filtered_url
from ...storages.sharing import owns
from .outcomes import Outcome, TakenOver

TRIES = 3
"""How often an attempt looks for an existing image, while each found image is deleted."""


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


def group_of(document: Import, sha256: str) -> str | None:
    """A name for the imports that find each other's image with these bytes; None without such imports."""
    albums = _albums(document)
    if not Duplicates.is_wanted(document) or (albums is not None and (document.album_id or "") not in albums):
        return None
    return f"{sha256} {'' if albums is None else sorted(albums)}"


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

    async def shared(self, document: Import, sha256: str) -> Import:
        """The import as it is written now: with a ``duplicate``, if an image with these bytes exists.

        Raises:
            TakenOver: the import belongs to another attempt by now.
        """
        for _ in range(TRIES):
            found = await self.by_bytes(document, sha256)
            if found is None:
                break
            document = await self.refer(document, found)
            if document.duplicate is not None:
                break
        return document

    async def refer(self, document: Import, found: Duplicate) -> Import:
        """Make a running import refer to an image: see ``lading.service.storages.sharing``.

        Returns:
            the import as it is written now; without a ``duplicate``, if the image was deleted meanwhile.

        Raises:
            TakenOver: the import belongs to another attempt by now.
        """
        with _outage():
            return await _refer(self.store, self.clock, document, found)

    async def rekeyed(self, document: Import) -> Import:
        """Give a running import another key: see ``Import.rekeyed``.

        Returns:
            the import as it is written now.

        Raises:
            TakenOver: the import belongs to another attempt by now.
        """
        with _outage():
            return await _write(self.store, document, lambda one: one.rekeyed(self.clock.now()))

    def sole(self, outcome: Outcome) -> "Sole | None":
        """How an import ends that has stored its own image; None for an import without ``dedupe``."""
        if outcome.is_duplicate or not self.is_wanted(outcome.document):
            return None
        now = self.clock.now()

        def shared(running: Import) -> Import:
            if running.duplicate is None:  # its own object is its image, and must not go
                raise ValueError(f"import {running.id} refers to no image of another import")
            image, own = running.duplicate, outcome.image  # the same bytes, but what came may differ
            image = replace(image, source_sha256=own.source_sha256, facts=own.facts)
            return running.duplicated(image, outcome.import_type, now).with_leftover(now)

        return Sole(self.store, self.clock, shared)

    @staticmethod
    def is_wanted(document: Import) -> bool:
        """Whether an import has ``dedupe``."""
        return document.params.get("dedupe") in ("album", "organization")


@dataclass(frozen=True, slots=True)
class Sole:
    """The end of an import that has stored its own image, and keeps it only if no other import has the same bytes.

    Every method raises ``StoreUnavailable`` if the database does not answer.

    Attributes:
        shared: the transition of the running import to the end with the image that it refers to. Its own object goes.
            Raises ``ValueError`` for an import that refers to none.
    """

    store: DocumentStore
    clock: Clock
    shared: Callable[[Import], Import]

    def then(self, change: Callable[[Import, Import], Import]) -> "Sole":
        """The same, with a change of the ended import, which gets the running one too."""
        return replace(self, shared=lambda running: change(running, self.shared(running)))

    async def write(self, done: Import) -> bool:
        """Write the import with its own image; see ``DocumentStore.update_unless_stored``.

        Raises:
            StoredAlready: another import has the same bytes.
        """
        return await self.store.update_unless_stored(done, _albums(done))

    async def refer(self, running: Import, other: Import) -> Import:
        """Make the running import refer to the image of the other import; see ``Duplicates.refer``.

        Raises:
            TakenOver: the import belongs to another attempt by now.
        """
        found = _duplicate(other, running)
        return running if found is None else await _refer(self.store, self.clock, running, found)


async def _refer(store: DocumentStore, clock: Clock, document: Import, found: Duplicate) -> Import:
    document = await _write(store, document, lambda one: one.referring(found.image, clock.now()))
    # After the reference is written: who deletes the image after this read sees the reference.
    owner = await store.get(found.owner_id)
    if owner is not None and owns(owner, found.image.key):
        return document
    return await _write(store, document, lambda one: one.unreferring(clock.now()))


async def _write(store: DocumentStore, document: Import, transition: Callable[[Import], Import]) -> Import:
    """Write a transition of a running import, as long as it is the same run."""
    async for _ in tries():
        after = transition(document)
        if await store.update(after):
            return after
        present = await store.get(document.id)
        if present is None or not present.is_run_of(document):
            raise TakenOver(document.id)
        document = present
    raise StoreUnavailable(f"others keep writing the document of import {document.id}")


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
