"""Moves images from one storage to another while services run: ``lading storage copy``.

The order of effects for each image: its bytes are in the target, whole and durable; then its document says so; then, if
that is wanted, they go from the source. So at every moment the document names a storage that has them. What was moved
already is told by the documents alone, so a run that was killed is simply started again.

Deletions and other writers may come between: the document is written by compare-and-set, and where it was deleted
meanwhile the copy is removed again, since the deletion knows nothing of it. Only a run that is killed between copying
and that leaves such a copy behind, for ``lading storage audit`` to find.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum

from backends.guard import GuardedStorage
from plugins.errors import PluginError
from service.clock import Clock
from service.copying import check_image, copy_image
from service.documents import DocumentStore, StoreUnavailable
from service.models import Held, Image, Import

BATCH = 200
ATTEMPTS = 4
"""How often an image is tried where a storage or the database does not answer."""
PAUSE = 0.5
"""Seconds before the second attempt; doubled for each further one."""
WRITE_ATTEMPTS = 5
"""How often a document is written against others that write it: deletions, and who mirrors it."""
GIVE_UP_AFTER = 20
"""Failures in a row after which no more images are tried: what fails then is not the images."""


class Outcome(Enum):
    """What became of an image."""

    COPIED = "copied"
    FOUND = "found there already"
    SKIPPED = "skipped"
    """It was deleted, or moved by somebody else, meanwhile."""


Failed = PluginError | StoreUnavailable
Report = Callable[[Import, Outcome | Failed], None]
"""Told of each image when it is done with."""


@dataclass(frozen=True, slots=True)
class Mover:
    """Moves images from ``source`` to ``target``, which are behind their guards.

    Attributes:
        verify: read each image in the target and compare it before its document is written, even after it was copied.
        delete_source: remove each image from the source after its document was written.
        rng: spreads the attempts after an outage.
    """

    store: DocumentStore
    source: GuardedStorage
    target: GuardedStorage
    clock: Clock
    rng: random.Random
    verify: bool = False
    delete_source: bool = False

    async def run(self, concurrency: int, report: Report) -> bool:
        """Move every image of the source; those that are imported into it meanwhile may be missed.

        Returns:
            False where it gave up (``GIVE_UP_AFTER``).

        Raises:
            StoreUnavailable: the images cannot be listed.
        """
        in_a_row = 0

        async def move(document: Import) -> bool:
            nonlocal in_a_row
            try:
                outcome: Outcome | Failed = await self._patiently(document)
            except (PluginError, StoreUnavailable) as error:
                outcome = error
            in_a_row = 0 if isinstance(outcome, Outcome) else in_a_row + 1
            report(document, outcome)
            return in_a_row < GIVE_UP_AFTER

        async with aclosing(images_in(self.store, self.source.name, Held.MAIN)) as documents:
            await for_each(documents, move, concurrency)
        return in_a_row < GIVE_UP_AFTER

    async def move(self, document: Import) -> Outcome:
        """Move one image. Idempotent.

        Raises:
            PluginError, StoreUnavailable: the image is where its document says; the target may have a copy.
        """
        image = document.image
        if image is None or document.image_deleted_at is not None:
            return Outcome.SKIPPED
        if image.storage != self.source.name:
            return await self._moved_already(image)
        copied = await copy_image(document, image, self.source, self.target)
        if copied and self.verify:
            await check_image(image, self.target)
        if not await self._write(document, image.key):
            return Outcome.SKIPPED
        await self._clear(image)
        return Outcome.COPIED if copied else Outcome.FOUND

    async def _patiently(self, document: Import) -> Outcome:
        """Move one image, in several attempts, each with its document as it is by then: what fails may have been
        deleted or moved meanwhile.
        """
        for attempt in range(1, ATTEMPTS):
            try:
                return await self.move(document)
            except (PluginError, StoreUnavailable) as error:
                if isinstance(error, PluginError) and not error.retryable:
                    break
            await asyncio.sleep(PAUSE * 2 ** (attempt - 1) * self.rng.uniform(0.5, 1.0))
            document = await self._current(document)
        return await self.move(await self._current(document))

    async def _current(self, document: Import) -> Import:
        try:
            return await self.store.get(document.id) or document
        except StoreUnavailable:
            return document  # the next attempt will say so

    async def _moved_already(self, image: Image) -> Outcome:
        """By another run; or by ours, where the answer to the write was lost."""
        if image.storage != self.target.name:
            return Outcome.SKIPPED
        await self._clear(image)
        return Outcome.FOUND

    async def _clear(self, image: Image) -> None:
        if self.delete_source:
            await self.source.delete(image.key)

    async def _write(self, document: Import, key: str) -> bool:
        """Write that the image is in the target; False where it was deleted or moved elsewhere meanwhile."""
        for _ in range(WRITE_ATTEMPTS):
            if await self.store.update(document.image_moved(self.target.name, self.clock.now())):
                return True
            found = await self.store.get(document.id)
            if found is None or found.image is None or found.image_deleted_at is not None:
                await self.target.delete(key)
                return False
            if found.image.storage != self.source.name:
                # By another run, or by ours, where the answer to the write was lost.
                return found.image.storage == self.target.name
            document = found
        raise StoreUnavailable(f"others keep writing the document of import {document.id}")


async def images_in(store: DocumentStore, storage: str, held: Held) -> AsyncGenerator[Import, None]:
    """Every image of which the storage has what ``held`` says, in the order of the ids, read in batches.

    Raises:
        StoreUnavailable: while iterated.
    """
    after = ""
    while batch := await store.images_in(storage, held, after, BATCH):
        for document in batch:
            yield document
        after = batch[-1].id


async def for_each(
    documents: AsyncGenerator[Import, None], work: Callable[[Import], Awaitable[bool]], concurrency: int
) -> None:
    """Do the work for each document, for so many at once, until it says False.

    Raises:
        Exception: the first that reading the documents or the work raised; nothing goes on then.
    """
    turn = asyncio.Lock()
    goes_on = True

    async def worker() -> None:
        nonlocal goes_on
        while goes_on:
            async with turn:
                document = await anext(documents, None)
            if document is None:
                return
            if not await work(document):
                goes_on = False

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
