"""Writes the manifest of a backup, and copies images into it, while services import and delete.

The database is copied first. An object is saved before its document is done, so each object of the copied documents
exists, unless its image was deleted since: then the present documents do not need the object any more.
"""

import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import IO

from ....backends.guard.capabilities import files_of
from ....backends.guard.storage import GuardedStorage
from ....plugins.errors import PluginError
from ...documents import DocumentStore
from ...models import Held, Image, Import
from ..copies import copy_image
from ..routes import Storages
from ..sharing import is_wanted, owner_of
from ..sweep import GIVE_UP_AFTER, Failed, Outcome, Transfers, images_in
from .archive import Entry, State
from .folders import BackupRefused

BATCH = 500
CONCURRENCY = 4
"""Images that are copied at once."""


@dataclass
class Taking:
    """One backup.

    Attributes:
        live: the documents, as they are.
        copied: the documents in the copied database.
        storages: the configured storages.
        target: the storage in the folder of the backup; None to list the images only.
        manifest: written to.
        tell: called with each line of the manifest, and with the failure of an object, if any.
        rng: spreads the attempts after an outage.
        objects: number of lines, by state.
    """

    live: DocumentStore
    copied: DocumentStore
    storages: Storages
    target: GuardedStorage | None
    manifest: IO[str]
    tell: Callable[[Entry, Failed | None], None]
    rng: random.Random
    objects: Counter[str] = field(default_factory=Counter)
    _states: dict[str, State] = field(default_factory=dict)
    _images: dict[str, Image | None] = field(default_factory=dict)

    async def byte_size(self) -> int:
        """The bytes of the images that would be copied.

        Raises:
            StoreUnavailable: the copied documents cannot be read.
        """
        async with aclosing(needed_in(self.copied, tuple(self.storages.by_name))) as documents:
            return sum([self._size(document) async for document in documents])

    async def run(self) -> None:
        """Write the manifest, and copy the images. Call this once.

        Raises:
            BackupRefused: the storages fail again and again.
            StoreUnavailable: the documents cannot be read.
            OSError: the manifest cannot be written.
        """
        transfers = Transfers(self.live, self.rng)
        async with aclosing(needed_in(self.copied, tuple(self.storages.by_name))) as documents:
            if not await transfers.run(documents, self._take, CONCURRENCY, self._record):
                raise BackupRefused(f"{GIVE_UP_AFTER} images in a row could not be copied: nothing was backed up")

    def _size(self, document: Import) -> int:
        image = needed_image(document)
        return image.byte_size if image is not None and self._has_files(image) else 0

    def _has_files(self, image: Image) -> bool:
        found = (self.storages.by_name[name] for name in image.places if name in self.storages.by_name)
        return any(files_of(storage) is not None for storage in found)

    async def _take(self, document: Import) -> Outcome:
        """Copy an image. In the last attempt, the document is the present one: its image may be elsewhere by now, or
        gone.

        Raises:
            PluginError: every storage that has the image fails.
        """
        present = needed_image(document)
        image = self._images.setdefault(document.id, present)
        if image is None or self.target is None or not self._has_files(image):
            return self._is(document, State.LISTED)
        if present is not None and present.key == image.key:
            image = present
        failure: PluginError | None = None
        found = [self.storages.by_name[name] for name in filter(image.readable_in, self.storages.by_name)]
        # Images of clouds are not fetched where a disk has them too.
        for storage in sorted(found, key=lambda one: files_of(one) is None):
            try:
                await copy_image(document, image, storage, self.target)
            except PluginError as error:
                failure = failure or error
            else:
                return self._is(document, State.COPIED)
        if failure is not None and await is_wanted(self.live, image.key):
            raise failure
        return self._is(document, State.DELETED)

    def _is(self, document: Import, state: State) -> Outcome:
        self._states[document.id] = state
        return Outcome.COPIED if state is State.COPIED else Outcome.SKIPPED

    def _record(self, document: Import, outcome: Outcome | Failed) -> None:
        state = self._states.pop(document.id, State.FAILED)
        image = self._images.pop(document.id)
        if image is None:
            return
        self.objects[state] += 1
        entry = Entry(
            key=image.key,
            byte_size=image.byte_size,
            sha256=image.sha256,
            import_id=document.id,
            storage=image.storage,
            mirror=image.mirror if image.is_mirrored else None,
            state=state,
        )
        self.manifest.write(entry.line())
        self.tell(entry, None if isinstance(outcome, Outcome) else outcome)


def needed_image(document: Import) -> Image | None:
    """The object that an import has, or has a share in; None if it has neither."""
    if document.image is not None and document.image_deleted_at is None:
        return document.image
    return document.duplicate


async def needed_in(store: DocumentStore, storages: Collection[str]) -> AsyncGenerator[Import, None]:
    """The imports whose objects in these storages are needed, one for each object.

    Raises:
        StoreUnavailable: while iterated.
    """
    for name in storages:
        async with aclosing(images_in(store, name, Held.MAIN)) as documents:
            async for document in documents:
                if document.image_deleted_at is None:
                    yield document
    after = ""
    while keys := await store.shared_keys(after, BATCH):
        after = keys[-1]
        for key in keys:
            # Its owner is deleted at this moment, and the first sharer is about to adopt the object.
            heir = await store.heir(key)
            if heir is not None and heir.image is None and await owner_of(store, key) is None:
                yield heir
