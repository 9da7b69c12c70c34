"""Removes deleted images, and objects that attempts left behind, from storage.

The order of effects: a document states, durably, that an object has to go; then the bytes go; then the document states
that they are gone. A crash between two steps leaves a document that still names the bytes to remove.
``lading.service.images.purger`` completes unfinished removals. An object that several imports share goes with the last
import, see ``lading.service.storages.sharing``.

Lading removes an object that an attempt left behind twice: at once, so that the import can be retried, and a second
time by the purger, since the attempt may continue in a worker that was frozen, or in a storage whose answer was lost.
Whoever removes the object first writes ``leftover_at``, so that nobody else removes it at that time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

import structlog

from ...plugins.errors import PluginError
from ..documents import DocumentStore
from ..documents.contention import tries
from ..errors.catalogue import ApiError
from ..errors.database import RETRY_AFTER_OUTAGE, contended, told_as_outage
from ..models import Image, Import, Share
from ..models.clock import Clock
from ..models.fields import MAX_KEYS, next_key
from ..storages.routes import Storages
from ..storages.sharing import is_wanted
from ..webhooks.outbox import Outbox

log = structlog.get_logger(__name__)


class _Fate(Enum):
    """The fate of the object of a deleted image."""

    UNWANTED = "it goes"
    PASSED_ON = "another import has it"
    UNDECIDED = "an import that runs may yet end with it"


@dataclass(frozen=True, slots=True)
class Removal:
    """Completes deletions, as documents record them.

    Every method may raise ``ApiError`` with ``image_elsewhere``, ``image_unavailable`` or ``documents_unavailable``,
    and nothing else; the purger then completes the deletion later.

    Attributes:
        outbox: takes the events of deletions.
    """

    store: DocumentStore
    storages: Storages
    clock: Clock
    outbox: Outbox = field(default_factory=Outbox)

    async def settle(self, document: Import) -> Import:
        """Remove the bytes of an import that must go, and then the import, if it is deleted itself. Idempotent.

        Returns:
            the import as it was last written. It ``is_stopping`` if a running import may share the image: Lading
            decides when that import has ended.
        """
        if document.has_image_to_go:
            document = await self._without_image(document)
        if document.has_leftover_to_go:
            document = await self._without_leftover(document, for_good=False)
        return await self._removed(document)

    async def settle_for_good(self, document: Import) -> Import:
        """As ``settle``, for the purger: looks once more for an object that an attempt left behind, and then forgets
        it.
        """
        if document.leftover_at is not None and document.status.is_final:
            document = await self.write(document, _has_left_nothing, Import.leftover_found)
            if document.has_leftover_to_go:
                document = await self._without_leftover(document, for_good=True)
        return await self.settle(document)

    async def settle_quietly(self, document: Import) -> None:
        """``settle`` an import that has just ended; if that fails, the purger does it."""
        if not document.is_stopping:
            return
        try:
            await self.settle(document)
        except ApiError as error:
            log.warning(
                "could not remove the object of an attempt; the purger retries",
                import_id=document.id,
                reason=str(error),
            )

    async def settle_stopped(self, import_id: str) -> None:
        """``settle`` an import whose attempt has just been ended, since the import was cancelled or deleted; if that
        fails, the purger does it.
        """
        try:
            with told_as_outage():
                document = await self.store.get(import_id)
        except ApiError as error:
            log.warning(
                "could not remove the object of a cancelled attempt; the purger retries",
                import_id=import_id,
                reason=str(error),
            )
        else:
            if document is not None and document.status.is_final:
                await self.settle_quietly(document)

    async def settle_lost(self, lost: Import) -> None:
        """Remove the object of an attempt whose result was refused, unless the import has ended with it, or still may.

        If that fails, the purger removes the object, as the document records it.
        """
        try:
            with told_as_outage():
                document = await self.store.get(lost.id)
            if document is None:
                await self._remove_unowned(lost)
            else:
                await self.settle(await self.write(document, _may_end_with_it, Import.leftover_found))
        except ApiError as error:
            log.warning(
                "could not remove the object of an attempt; the purger retries", import_id=lost.id, reason=str(error)
            )

    async def write(
        self,
        document: Import,
        is_written: Callable[[Import], bool],
        transition: Callable[[Import, datetime], Import],
    ) -> Import:
        """Write a step of a deletion, unless another deletion has written it; the document with the step."""
        async for _ in tries():
            if is_written(document):
                return document
            with told_as_outage():
                after = await self.outbox.with_event(document, transition(document, self.clock.now()))
                if await self.store.update(after):
                    self.outbox.written(document, after)
                    return after
                found = await self.store.get(document.id)
            if found is None:
                break  # it does not come back
            document = found
        raise contended()

    async def _without_image(self, document: Import) -> Import:
        """Remove the bytes of the image, unless others share them."""
        image = document.image
        if image is None:
            if document.duplicate is None:  # an earlier version kept no ``leftover_at``
                await self._delete(document.own_key, self.storages.places)
        else:
            fate = await self._fate(document, image)
            if fate is _Fate.UNDECIDED:
                return document
            if fate is _Fate.UNWANTED and image.is_kept:
                await self.storages.forget(image.key)
            elif fate is _Fate.UNWANTED:
                await self._delete(image.key, image.places)
        # If it no longer stops, another process has purged it, and a client may have retried it since.
        return await self.write(document, lambda one: not one.has_image_to_go, Import.image_purged)

    async def _fate(self, document: Import, image: Image) -> "_Fate":
        """The fate of the object of a deleted image. A done heir adopts the object."""
        async for _ in tries():
            with told_as_outage():
                heir = await self.store.heir(image.key)
                if heir is None:
                    return _Fate.UNWANTED
                if heir.share is Share.OWNER:
                    return _Fate.PASSED_ON
                if heir.share is Share.CANDIDATE:
                    return _Fate.UNDECIDED
                namesake = await self.store.get_by_image(heir.image_id or "")
                taken_id = None if namesake is None or namesake.id == heir.id else namesake.image_id
                adopted = await self.outbox.with_event(heir, heir.adopted(image, taken_id, self.clock.now()))
                if await self.store.update(adopted):
                    self.outbox.written(heir, adopted)
                    log.info("passed an image on to a duplicate", import_id=document.id, to=heir.id)
                    return _Fate.PASSED_ON
        raise contended()

    async def _without_leftover(self, document: Import, *, for_good: bool) -> Import:
        for key in document.leftover_keys:
            await self._delete(key, self.storages.places)
        with told_as_outage():
            after = document.leftover_removed(self.clock.now(), for_good=for_good)
            if await self.store.update(after):
                return after
            # Others have found it once more and handle it, or the import was deleted.
            return await self.store.get(document.id) or document

    async def _removed(self, document: Import) -> Import:
        """Remove the import itself, if it is deleted and nothing else is left to do."""
        if document.deleted_at is None or document.is_stopping or document.leftover_at is not None:
            return document
        with told_as_outage():
            # If others have written it meanwhile, or its outbox has events, the purger comes back.
            await self.store.remove(document)
        return document

    async def _remove_unowned(self, document: Import) -> None:
        """Remove the objects of an import that does not exist any more, unless others share them. The attempt may have
        changed the key, up to ``MAX_KEYS``.
        """
        key = document.own_key
        for number in range(MAX_KEYS):
            if number:
                key = next_key(key)
            with told_as_outage():
                if await is_wanted(self.store, key):
                    continue
            await self._delete(key, self.storages.places)

    async def _delete(self, key: str, places: tuple[str, ...]) -> None:
        await self.storages.forget(key)
        self.check_places(places)
        failure: PluginError | None = None
        for place in places:
            try:
                await self.storages.by_name[place].delete(key)
            except PluginError as error:
                failure = failure or error
        if failure is not None:
            raise unavailable(failure) from failure

    def check_image(self, document: Import) -> None:
        """Before the first step of a deletion, and not between two steps: see ``check_places``."""
        if document.image is not None and document.image_deleted_at is None:
            self.check_places(document.image.places)

    def check_places(self, places: tuple[str, ...]) -> None:
        """Refuse to begin if a storage is not configured.

        Raises:
            ApiError: ``image_elsewhere``.
        """
        missing = self.storages.missing(places)
        if missing is not None:
            raise elsewhere(missing)


def _has_left_nothing(document: Import) -> bool:
    return document.leftover_at is None or not document.status.is_final


def _may_end_with_it(document: Import) -> bool:
    """Whether every object of the import is its image, or may become its image."""
    return not document.status.is_final or not document.leftover_keys


def elsewhere(storage: str) -> ApiError:
    """The error for an image in a storage that is not configured."""
    return ApiError("image_elsewhere", internal=f"[storage] names no storage {storage}", storage=storage)


def unavailable(error: PluginError) -> ApiError:
    """The error for a storage that does not work."""
    return ApiError("image_unavailable", internal=str(error), retry_after=RETRY_AFTER_OUTAGE)
