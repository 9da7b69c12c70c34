"""Moves images from one storage to another while services run: ``lading storage copy``.

The order of effects for each image: the target has the bytes, complete and durable; then the document names the target;
then, if requested, the source loses the bytes. So the document always names a storage that has the bytes. Only the
documents record which images have moved, so you can simply restart a run that was killed.

Before the bytes go from the source, the source may become a place of the image again, by a move back or as a mirror.
The run therefore reads the document once more, and keeps such bytes. A moment remains between this read and the
removal, so do not run two moves in opposite directions at once.

Deletions and other writers may interfere: the run writes the document by compare-and-set, and removes the copy again if
the image was deleted meanwhile, since the deletion does not know of the copy. Only a run that is killed between the
copy and this check leaves such a copy behind; ``lading storage audit`` finds it.
"""

import random
from contextlib import aclosing
from dataclasses import dataclass

from ...backends.guard.storage import GuardedStorage
from ..documents import DocumentStore
from ..models import Held, Import
from ..models.clock import Clock
from .copies import check_image, clear, clear_unwanted, copy_image, record_copy
from .sweep import Outcome, Report, Transfers, images_in


@dataclass(frozen=True, slots=True)
class Mover:
    """Moves images from ``source`` to ``target``, which are behind their guards.

    Attributes:
        rng: spreads the attempts after an outage.
        verify: read each image in the target and compare it before its document is written, even after copying it.
        delete_source: remove each image from the source after its document was written.
        organization_id: move the images of this organisation only; None for all.
    """

    store: DocumentStore
    source: GuardedStorage
    target: GuardedStorage
    clock: Clock
    rng: random.Random
    verify: bool = False
    delete_source: bool = False
    organization_id: str | None = None

    async def run(self, concurrency: int, report: Report) -> bool:
        """Move the images of the source. It may miss images that are imported into the source meanwhile.

        Returns, raises: as ``Transfers.run``.
        """
        found = images_in(self.store, self.source.name, Held.MAIN, organization_id=self.organization_id)
        async with aclosing(found) as documents:
            return await Transfers(self.store, self.rng).run(documents, self.move, concurrency, report)

    async def move(self, document: Import) -> Outcome:
        """Move one image. Idempotent.

        Raises:
            PluginError, StoreUnavailable: the image is in the storage that its document names; the target may have a
                copy.
        """
        image = document.image
        if image is None:
            return Outcome.SKIPPED
        if document.image_deleted_at is not None:
            await clear_unwanted(self.store, image.key, self.target)  # of an attempt that could not remove its copy
            return Outcome.SKIPPED
        if image.storage != self.source.name:
            return await self._moved_already(document, image.storage)
        copied = await copy_image(document, image, self.source, self.target)
        if copied and self.verify:
            await check_image(image, self.target)
        after = await record_copy(self.store, document, self.target, self._moved)
        if after is None or after.image is None or after.image.storage != self.target.name:
            return Outcome.SKIPPED
        await self._clear(document)
        return Outcome.COPIED if copied else Outcome.FOUND

    def _moved(self, document: Import) -> Import | None:
        if document.image is None or document.image.storage != self.source.name:
            return None
        return document.image_moved(self.target.name, self.clock.now())

    async def _moved_already(self, document: Import, storage: str) -> Outcome:
        """Moved by another run; or by this run, if the answer to the write was lost."""
        if storage != self.target.name:
            return Outcome.SKIPPED
        await self._clear(document)
        return Outcome.FOUND

    async def _clear(self, document: Import) -> None:
        if self.delete_source:
            await clear(self.store, document, self.source)
