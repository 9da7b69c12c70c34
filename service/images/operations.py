"""The API's operations on images: show, read, delete. It knows no HTTP but the codes of its errors.

From the first step of a deletion on, nobody can read the image; ``lading.service.images.removal`` describes the further
steps. Another deletion request completes the deletion; otherwise ``lading.service.images.purger`` does. A deletion
removes the second copy too.

If several imports share an object, each has an image of its own, with its own id, album and file name. The document of
the object's owner says where the bytes are (``lading.service.storages.sharing``).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from ...plugins.capabilities import SupportsSignedUrls
from ...plugins.disposition import content_disposition
from ...plugins.errors import ContentMismatch, KeyInvalid, ObjectNotFound, PluginError
from ..documents import DocumentStore
from ..errors.catalogue import ApiError
from ..errors.database import told_as_outage
from ..limits.places import Places
from ..models import MAX_ID_LENGTH, Image, Import
from ..models.clock import Clock
from ..models.filenames import fitting
from ..models.grants import Grant
from ..observe.audit.actions import Action
from ..observe.audit.recording import audited
from ..storages.routes import Storages
from ..storages.sharing import image_of
from ..webhooks.outbox import Outbox
from .content.ranges import ByteRange
from .removal import Removal, elsewhere, unavailable

RETRY_AFTER_DOWNLOADS = 1
VIEW_ABILITIES: Final = ("image_list", "see", "image_download")
"""Each of these abilities allows a token to see small copies of images."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image and the import that it belongs to."""

    document: Import
    image: Image

    @property
    def etag(self) -> str:
        """The strong entity tag of the bytes, with its quotes."""
        return f'"{self.image.sha256}"'

    @property
    def last_modified(self) -> datetime:
        """Whole seconds. The time of acceptance: the bytes never change, and later writes do not count."""
        return self.document.created_at.replace(microsecond=0)

    @property
    def whole(self) -> ByteRange:
        """All of its bytes."""
        return ByteRange(0, self.image.byte_size)

    @property
    def filename(self) -> str | None:
        """The client's file name, else the origin's; data from a stranger. It fits what processors have made."""
        name = self.document.filename or self.image.filename
        return fitting(name, self.image.content_type) if self.image.source_sha256 else name

    @property
    def disposition(self) -> str:
        """``Content-Disposition``: browsers save, and do not show, content whose type is no image."""
        return content_disposition(self.filename, inline=self.image.content_type.startswith("image/"))


def places_for_downloads(limit: int) -> Places:
    """The places of so many images that are being sent; ``too_many_downloads`` beyond them."""
    return Places(limit, lambda: ApiError("too_many_downloads", retry_after=RETRY_AFTER_DOWNLOADS), name="downloads")


@dataclass(frozen=True, slots=True)
class Images:
    """The images of all organisations, in every storage, with the checks of the grants.

    Every method may raise ``ApiError`` with ``documents_unavailable`` or with the codes that it names, and nothing
    else.

    Attributes:
        signers: sign URLs, by the name of their storage, if clients are redirected there.
        url_lifetime: how long such a URL works.
        outbox: takes the events of deletions.
        removal: removes the bytes.
    """

    store: DocumentStore
    storages: Storages
    clock: Clock
    downloads: Places
    signers: Mapping[str, SupportsSignedUrls] = field(default_factory=dict)
    url_lifetime: timedelta = timedelta(seconds=60)
    outbox: Outbox = field(default_factory=Outbox)
    removal: Removal = field(init=False)

    def __post_init__(self) -> None:
        """Make ``removal``."""
        object.__setattr__(self, "removal", Removal(self.store, self.storages, self.clock, self.outbox))

    async def get(self, grant: Grant, image_id: str) -> StoredImage:
        """An image of the grant's organisation.

        Raises:
            ApiError: ``not_found``, also for an image of another organisation; ``image_deleted``.
        """
        found = await self._find(grant, image_id)
        if found.document.image_deleted_at is not None:
            raise ApiError("image_deleted")
        return found

    async def readable(self, grant: Grant, image_id: str) -> StoredImage:
        """An image whose bytes the grant allows to read.

        Raises:
            ApiError: as ``get``; ``forbidden``; ``image_elsewhere``.
        """
        found = await self.get(grant, image_id)
        _check_ability(grant, "image_download", found)
        if self._place(found.image, ()) is None:
            raise elsewhere(found.image.storage)
        return found

    async def viewable(self, grant: Grant, image_id: str) -> StoredImage:
        """An image that the grant allows to see, as a small copy at least.

        Raises:
            ApiError: as ``readable``.
        """
        found = await self.get(grant, image_id)
        if not any(grant.allows(ability, found.document.album_id) for ability in VIEW_ABILITIES):
            raise ApiError("forbidden", ability=VIEW_ABILITIES[0])
        if self._place(found.image, ()) is None:
            raise elsewhere(found.image.storage)
        return found

    async def check_is_there(self, found: StoredImage) -> None:
        """Check that an image was not deleted since it was found.

        Raises:
            ApiError: ``image_deleted``.
        """
        await self._still_there(found)

    async def signed_url(self, found: StoredImage) -> str | None:
        """A URL at which the storage itself serves the bytes for a while; None without redirects.

        Raises:
            ApiError: ``image_unavailable``.
        """
        signer = self.signers.get(found.image.storage)
        if signer is None:
            return None
        try:
            return await signer.signed_url(
                found.image.key,
                expires=self.url_lifetime,
                content_type=found.image.content_type,
                content_disposition=found.disposition,
            )
        except PluginError as error:
            raise unavailable(error) from error

    async def read(self, found: StoredImage, part: ByteRange) -> AsyncGenerator[bytes, None]:
        """A part of the bytes, in pieces of at most 1 MiB. A caller that leaves early must close the iterator.

        If a storage fails, the rest comes from another storage with the image: the mirror, or the target of a move.

        Raises:
            ApiError: ``image_deleted`` or ``image_elsewhere``, if that happened meanwhile; ``image_lost``;
                ``image_unavailable``.
        """
        sent = 0
        tried: list[str] = []
        failure: PluginError | None = None
        while (place := self._place(found.image, tried)) is not None:
            tried.append(place)
            rest = ByteRange(part.offset + sent, part.length - sent)
            try:
                async with self._opened(place, found.image, rest) as chunks:
                    async for chunk in chunks:
                        sent += len(chunk)
                        yield chunk
            except PluginError as error:
                found = await self._still_there(found)
                log.warning("could not read an image", import_id=found.document.id, storage=place, reason=str(error))
                if not isinstance(error, ObjectNotFound | ContentMismatch | KeyInvalid):
                    failure = error
            else:
                return
        if failure is not None:
            raise unavailable(failure) from failure
        if found.image.storage not in self.storages.by_name:
            raise elsewhere(found.image.storage)
        log.error("no storage holds an image as it was imported", import_id=found.document.id, tried=tried)
        raise ApiError("image_lost", internal=f"it is not in {', '.join(tried)}")

    @audited(Action.IMAGE_DELETED, "image_id")
    async def delete(self, grant: Grant, image_id: str) -> Import:
        """Delete an image. Idempotent.

        Returns:
            the import. Its bytes are gone, or belong to another import, unless it ``is_stopping``: then a running
            import may share them, and Lading decides about them when that import has ended.

        Raises:
            ApiError: ``not_found``; ``forbidden``; ``image_elsewhere``; ``image_unavailable`` or
                ``documents_unavailable``, after which the deletion may have begun: another request, or the purger,
                completes it.
        """
        found = await self._find(grant, image_id)
        _check_ability(grant, "image_delete", found)
        document = found.document
        self.removal.check_image(document)
        return await self.purge(await self.removal.write(document, _is_image_deleted, Import.image_deleted))

    async def purge(self, document: Import) -> Import:
        """Complete a deletion, see ``Removal.settle``. Idempotent.

        Raises:
            ApiError: ``image_elsewhere``; ``image_unavailable``.
        """
        return await self.removal.settle(document)

    async def _find(self, grant: Grant, image_id: str) -> StoredImage:
        if len(image_id) > MAX_ID_LENGTH:
            raise ApiError("not_found")
        with told_as_outage():
            document = await self.store.get_by_image(image_id)
            image = None if document is None else await image_of(self.store, document)
        if document is None or image is None or document.organization_id != grant.organization_id:
            raise ApiError("not_found")
        return StoredImage(document, image)

    def _place(self, image: Image, tried: Collection[str]) -> str | None:
        """A configured storage with the image that was not tried yet, the main storage first; or None."""
        places = (place for place in image.places if image.readable_in(place) and place in self.storages.by_name)
        return next((place for place in places if place not in tried), None)

    @asynccontextmanager
    async def _opened(self, place: str, image: Image, part: ByteRange) -> AsyncIterator[AsyncIterator[bytes]]:
        storage = self.storages.by_name[place]
        async with storage.open(image.key, offset=part.offset, length=part.length) as stored:
            if stored.byte_size != image.byte_size:
                raise ContentMismatch(f"{stored.byte_size} bytes instead of {image.byte_size}")
            yield stored.chunks

    async def _still_there(self, found: StoredImage) -> StoredImage:
        """The present state of the image's document."""
        with told_as_outage():
            document = await self.store.get(found.document.id)
            image = None if document is None else await image_of(self.store, document)
        if document is None or image is None or document.image_deleted_at is not None:
            raise ApiError("image_deleted")
        return StoredImage(document, image)


def _check_ability(grant: Grant, ability: str, found: StoredImage) -> None:
    if not grant.allows(ability, found.document.album_id):
        raise ApiError("forbidden", ability=ability)


def _is_image_deleted(document: Import) -> bool:
    return document.image_deleted_at is not None
