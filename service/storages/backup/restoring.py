"""Checks the objects in a backup, and saves them in the storages that the documents name.

Nothing is overwritten: saves are create-only, and an object that is there already must have the imported bytes. So a
restore that was killed can be started again.
"""

import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from ....backends.guard.capabilities import files_of, lister_of
from ....backends.guard.storage import GuardedStorage
from ...documents import DocumentStore
from ...models import Import
from ..copies import check_image, copy_image
from ..routes import Storages
from ..sharing import is_wanted
from ..sweep import Failed, Outcome, Transfers
from .archive import State, entries
from .folders import BackupRefused
from .taking import CONCURRENCY, needed_image

MAX_FAILURES = 20
"""Failures that a message names."""


@dataclass
class Restoring:
    """One restore.

    Attributes:
        store: the documents of the backup, in a place of their own.
        source: the storage in the folder of the backup.
        folder: the backup.
        storages: the configured storages.
        tell: called after each object.
        rng: spreads the attempts after an outage.
    """

    store: DocumentStore
    source: GuardedStorage
    folder: Path
    storages: Storages
    tell: Callable[[], None]
    rng: random.Random

    @property
    def targets(self) -> Collection[str]:
        """The storages that can get objects."""
        return [name for name, storage in self.storages.by_name.items() if files_of(storage) is not None]

    async def check(self) -> None:
        """Check the manifest, every object in the backup, and the storages: they must have no other objects.

        Raises:
            BackupRefused: there is a fault; each is named. No storage was changed.
            PluginError: a storage does not work.
            StoreUnavailable: the documents cannot be read.
        """
        names: set[str] = set()
        for entry in entries(self.folder):
            if entry.state is not State.COPIED:
                continue
            if not (places := set(self.targets).intersection(entry.places)):
                raise BackupRefused(
                    f"the backup has images of the storage {' or '.join(entry.places)}, which [storage] does not name "
                    "as a storage that keeps files on this machine"
                )
            names |= places
        for name in sorted(names):
            await self._check_empty(name)
        await self._run(self._check, "is damaged in the backup")

    async def put(self) -> None:
        """Save the objects. Call it after ``check``.

        Raises:
            BackupRefused: some could not be saved; each is named.
            StoreUnavailable: the documents cannot be read.
        """
        await self._run(self._put, "could not be saved")

    async def _run(self, work: Callable[[Import], Awaitable[Outcome]], problem: str) -> None:
        failures: list[str] = []

        def report(document: Import, outcome: Outcome | Failed) -> None:
            if not isinstance(outcome, Outcome):
                failures.append(f"the object of import {document.id} {problem}: {outcome}")
            self.tell()

        async with aclosing(self._copied()) as documents:
            finished = await Transfers(self.store, self.rng).run(documents, work, CONCURRENCY, report)
        if failures:
            rest = len(failures) - MAX_FAILURES
            more = [f"and {rest} more"] if rest > 0 else []
            raise BackupRefused("\n".join([*failures[:MAX_FAILURES], *more]))
        if not finished:
            raise BackupRefused("the storages failed again and again")

    async def _copied(self) -> AsyncGenerator[Import, None]:
        """The documents of the objects in the backup.

        Raises:
            BackupRefused: the manifest and the documents do not agree.
        """
        for entry in entries(self.folder):
            if entry.state is State.COPIED:
                document = await self.store.get(entry.import_id)
                image = None if document is None else needed_image(document)
                if document is None or image is None or (image.key, image.sha256) != (entry.key, entry.sha256):
                    raise BackupRefused(f"the documents of the backup do not have the object {entry.key}")
                yield document

    async def _check(self, document: Import) -> Outcome:
        if image := needed_image(document):
            await check_image(image, self.source)
        return Outcome.FOUND

    async def _put(self, document: Import) -> Outcome:
        if image := needed_image(document):
            for name in filter(image.readable_in, self.targets):
                await copy_image(document, image, self.source, self.storages.by_name[name])
        return Outcome.COPIED

    async def _check_empty(self, name: str) -> None:
        storage = self.storages.by_name[name]
        await storage.ping()  # it prepares itself
        if (lister := lister_of(storage)) is None:
            return
        async with aclosing(lister.list_objects()) as objects:
            async for found in objects:
                if not await is_wanted(self.store, found.key):
                    raise BackupRefused(
                        f"the storage {name} has an object that the backup does not know, {found.key}: restore into an "
                        "empty storage"
                    )
