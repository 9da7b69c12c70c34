"""Runs work on many stored images, several at once, while services and other commands work on them too."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from ...plugins.errors import PluginError
from ..documents import DocumentStore, StoreUnavailable
from ..models import Held, Import

BATCH = 200
ATTEMPTS = 4
"""How often an image is tried if a storage or the database does not answer."""
PAUSE = 0.5
"""Seconds before the second attempt; doubled for each further one."""
GIVE_UP_AFTER = 20
"""Failures in a row after which no more images are tried, since the images are not at fault."""


class Outcome(Enum):
    """The result for an image."""

    COPIED = "copied"
    FOUND = "found there already"
    SKIPPED = "skipped"
    """There is nothing to do any more: the image was deleted, or somebody else moved it."""


Failed = PluginError | StoreUnavailable
Report = Callable[[Import, Outcome | Failed], None]
"""Called with each finished image."""


@dataclass(frozen=True, slots=True)
class Transfers:
    """Does the same work for each of many images.

    Attributes:
        rng: spreads the attempts after an outage.
    """

    store: DocumentStore
    rng: random.Random

    async def run(
        self,
        documents: AsyncGenerator[Import, None],
        work: Callable[[Import], Awaitable[Outcome]],
        concurrency: int,
        report: Report,
    ) -> bool:
        """Work on each image, in several attempts if that may help.

        Args:
            documents: of the images; the caller closes it.
            work: raises ``PluginError`` or ``StoreUnavailable`` if it fails; may be repeated for one image.
            concurrency: the number of concurrent images.
            report: called with each.

        Returns:
            False if the sweep gave up (``GIVE_UP_AFTER``).

        Raises:
            StoreUnavailable: the documents cannot be read.
        """
        in_a_row = 0

        async def one(document: Import) -> bool:
            nonlocal in_a_row
            try:
                outcome: Outcome | Failed = await self._patiently(document, work)
            except (PluginError, StoreUnavailable) as error:
                outcome = error
            in_a_row = 0 if isinstance(outcome, Outcome) else in_a_row + 1
            report(document, outcome)
            return in_a_row < GIVE_UP_AFTER

        await _for_each(documents, one, concurrency)
        return in_a_row < GIVE_UP_AFTER

    async def _patiently(self, document: Import, work: Callable[[Import], Awaitable[Outcome]]) -> Outcome:
        """The last attempt gets the newest document, since a failing image may have been deleted or moved meanwhile."""
        for attempt in range(1, ATTEMPTS):
            try:
                return await work(document)
            except (PluginError, StoreUnavailable) as error:
                if isinstance(error, PluginError) and not error.retryable:
                    break
            await asyncio.sleep(PAUSE * 2 ** (attempt - 1) * self.rng.uniform(0.5, 1.0))
        return await work(await self._current(document))

    async def _current(self, document: Import) -> Import:
        try:
            return await self.store.get(document.id) or document
        except StoreUnavailable:
            return document  # the next attempt will fail for the same reason


async def images_in(
    store: DocumentStore,
    storage: str,
    held: Held,
    after: str = "",
    until: str | None = None,
    organization_id: str | None = None,
) -> AsyncGenerator[Import, None]:
    """The images of which the storage has what ``held`` says, in the order of the ids, read in batches: all, or those
    of an organisation, or those after one id, up to another.

    Raises:
        StoreUnavailable: while iterated.
    """
    while batch := await store.images_in(storage, held, after, BATCH, organization_id):
        for document in batch:
            if until is not None and document.id > until:
                return
            yield document
        after = batch[-1].id


async def _for_each(
    documents: AsyncGenerator[Import, None], work: Callable[[Import], Awaitable[bool]], concurrency: int
) -> None:
    """Do the work for each document, for several at once, until it returns False.

    Raises:
        Exception: the first error of the documents or the work, after which nothing continues.
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
