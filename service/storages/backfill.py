"""Makes second copies of stored images: pending copies, and copies of images from before the mirror."""

import asyncio
import random
import uuid
from collections.abc import Collection
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from ...plugins.errors import PluginError
from ..documents import DocumentStore, StoreUnavailable
from ..models import Held, Import
from ..models.clock import Clock
from ..observe.outages import Outage
from .copies import clear, clear_unwanted, copy_image, record_copy
from .routes import Storages
from .sweep import Failed, Outcome, Transfers, images_in

INTERVAL = 30.0
"""Seconds between two polls for pending copies."""
AGE = timedelta(seconds=30)
"""The least age of an image: the import of a younger image may still be under way."""
CONCURRENCY = 4

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Copyist:
    """Makes the second copies of stored images.

    Attributes:
        cleared: storages from which the copies of an earlier mirror are removed. None of them is another storage under
            a second name.
    """

    store: DocumentStore
    storages: Storages
    clock: Clock
    cleared: Collection[str] = ()

    async def mirror(self, name: str, document: Import) -> Outcome:
        """Make the storage of that name hold a second copy, and record that in its document. Idempotent.

        Raises:
            PluginError, StoreUnavailable: the copy is still to be made or recorded.
            KeyError: a storage is not configured.
        """
        image = document.image
        target = self.storages.by_name[name]
        if image is not None and document.image_deleted_at is not None:
            await clear_unwanted(self.store, image.key, target)  # of an attempt that could not remove its copy
        if image is None or self._mirrored(name, document) is None:
            return Outcome.SKIPPED
        copied = await copy_image(document, image, self.storages.by_name[image.storage], target)
        if await record_copy(self.store, document, target, partial(self._mirrored, name)) is None:
            return Outcome.SKIPPED
        if image.mirror is not None and image.mirror != name:
            await self._forget(image.mirror, document)
        return Outcome.COPIED if copied else Outcome.FOUND

    async def _forget(self, earlier: str, document: Import) -> None:
        """Remove the copy of an earlier mirror, if possible: the new copy exists, and an audit finds the old one."""
        if earlier not in self.cleared:
            return
        try:
            await clear(self.store, document, self.storages.by_name[earlier])
        except (PluginError, StoreUnavailable) as error:
            log.warning(
                "could not remove the copy in an earlier mirror",
                import_id=document.id,
                storage=earlier,
                reason=str(error),
            )

    def _mirrored(self, name: str, document: Import) -> Import | None:
        """The document with the copy recorded; None if there is nothing to record."""
        image = document.image
        if image is None or document.image_deleted_at is not None or image.readable_in(name):
            return None
        return document.image_mirrored(name, self.clock.now())


@dataclass(frozen=True, slots=True)
class Mirroring:
    """Makes pending copies again and again. Several processes may: a copy that one makes is done for the others."""

    copyist: Copyist
    rng: random.Random

    async def run(self) -> None:
        """Work until cancelled."""
        outage = Outage("the making of second copies")
        while True:
            try:
                await self.sweep()
                outage.worked()
            except (PluginError, StoreUnavailable) as error:
                outage.failed(str(error))
            except Exception:
                log.exception("making second copies failed unexpectedly")
            await asyncio.sleep(INTERVAL * self.rng.uniform(0.8, 1.2))

    async def sweep(self) -> int:
        """Make the pending copies of every configured storage; the number of made copies.

        Raises:
            PluginError, StoreUnavailable: the last failure; the other images were tried too, within reason.
        """
        made = 0
        failure: Failed | None = None

        def report(document: Import, outcome: Outcome | Failed) -> None:
            nonlocal made, failure
            if not isinstance(outcome, Outcome):
                failure = outcome
            elif outcome is not Outcome.SKIPPED:
                made += 1
                log.info("made a second copy", import_id=document.id)

        store = self.copyist.store
        for name, target in self.copyist.storages.by_name.items():
            if not await store.images_in(name, Held.PENDING, "", 1):
                continue
            try:
                await target.ping()
            except PluginError as error:
                failure = error
                continue
            work = partial(self._complete, name)
            # From a random position, and then from the beginning, so that several processes start with different
            # images, and images that can never be copied do not block the images after them.
            middle = str(uuid.UUID(int=self.rng.getrandbits(128)))
            for after, until in ((middle, None), ("", middle)):
                async with aclosing(images_in(store, name, Held.PENDING, after, until)) as documents:
                    await Transfers(store, self.rng).run(documents, work, CONCURRENCY, report)
        if failure is not None:
            raise failure
        return made

    async def _complete(self, name: str, document: Import) -> Outcome:
        is_deleted = document.image_deleted_at is not None
        # In the future, by a machine's clock that is wrong or was set: no reason to wait, since copying is idempotent.
        age = self.copyist.clock.now() - document.updated_at
        is_young = not is_deleted and timedelta(0) <= age < AGE
        is_elsewhere = document.image is None or document.image.storage not in self.copyist.storages.by_name
        if is_young or is_elsewhere:
            return Outcome.SKIPPED
        return await self.copyist.mirror(name, document)
