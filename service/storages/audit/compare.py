"""Compares the objects of a storage with the documents that name the storage: ``lading storage audit``.

The audit first lists the storage, then reads the documents that name the storage, and strikes their objects from the
list. A remaining object is an orphan, unless a second look at its document shows otherwise, since imports and moves
continue meanwhile. The audit also looks a second time for every object that seems to be missing.

An object that several imports share is needed as long as one of them has it, see ``lading.service.storages.sharing``.

A running import has a document before it has an object, and the object's key derives from the import's id. So an object
without a document belongs to no import of these documents, however young the object is.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from datetime import timedelta

from ....backends.guard.capabilities import lister_of
from ....backends.guard.storage import GuardedStorage
from ....plugins.capabilities import ListedObject
from ....plugins.errors import ObjectNotFound, PluginError
from ...documents import DocumentStore
from ...models import Held, Image, Import
from ...models.clock import Clock, moment_before
from ..copies import are_one_place, sha256_of
from ..routes import Storages
from ..sharing import owner_of
from .inventory import Inventory
from .report import Finding, Kind, Totals
from .unfinished import Unlisted, unfinished_saves

BATCH = 500
CONCURRENCY = 8
"""Objects that are checked concurrently."""
GIVE_UP_AFTER = 20
"""Unreadable objects in a row after which the storage is at fault, not the objects."""
# Earlier versions had two levels of folders, and no templates.
_OURS = re.compile(
    r"([0-9a-f]{2})/(?:([0-9a-f]{2})/\1\2|\1[0-9a-f]{2})[0-9a-f]{4}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|lading-check-[0-9a-f-]+"
)
"""Keys of imports, and of the objects of readiness probes."""


class TooManyUnknown(Exception):
    """More objects are unknown than known: most likely these are not the documents of this storage."""


class Auditor:
    """Audits one storage.

    Args:
        storages: all configured storages.
        name: the storage to audit.
        report: called with each finding.
        verify: read every image and compare its SHA-256.
        delete: delete orphans.
        grace: ignore objects that were written less than this ago; of copies, which may belong to a running move,
            and of unfinished saves, which may still run, report none before that.
    """

    def __init__(
        self,
        store: DocumentStore,
        storages: Storages,
        name: str,
        clock: Clock,
        report: Callable[[Finding], None],
        *,
        verify: bool = False,
        delete: bool = False,
        grace: timedelta = timedelta(days=1),
    ) -> None:
        self._store = store
        self._storages = storages
        self._name = name
        self._storage = storages.by_name[name]
        self._clock = clock
        self._report = report
        self._verify = verify
        self._delete = delete
        self._grace = grace
        self._totals = Totals()
        self._inventory = Inventory()
        self._aliases: dict[str, bool] = {}
        self._failures = 0
        self.unlisted = ""
        """Why the storage does not list its unfinished saves; empty if it does, or has none."""

    @property
    def deleted(self) -> int:
        """How many objects this audit has deleted so far."""
        return self._totals.deleted

    async def run(self) -> Totals:
        """Audit the storage. Call this once.

        Raises:
            PluginError: the storage does not work.
            StoreUnavailable: the database does not answer.
            InventoryFailed: there is no room for a temporary list.
            TooManyUnknown: the audit was to delete orphans, and deleted none.
        """
        try:
            await self._list()
            for held in Held:
                await self._check_images(held)
            await self._check_shared()
            if self._delete:
                await self._refuse_if_suspicious()
            async with aclosing(self._orphans()) as orphans:
                async for listed, document, kind in orphans:
                    await self._judge(listed, document, kind)
            await self._look_for_unfinished()
        finally:
            await self._inventory.close()
        return self._totals

    async def _list(self) -> None:
        lister = lister_of(self._storage)
        if lister is None:
            return
        batch: list[ListedObject] = []
        async with aclosing(lister.list_objects()) as objects:
            async for listed in objects:
                batch.append(listed)
                if len(batch) == BATCH:
                    await self._inventory.add(batch)
                    self._totals.objects += len(batch)
                    batch.clear()
        await self._inventory.add(batch)
        self._totals.objects += len(batch)

    async def _look_for_unfinished(self) -> None:
        before = moment_before(self._clock.now(), self._grace)
        try:
            async with aclosing(unfinished_saves(self._storage, before, delete=self._delete)) as findings:
                async for finding in findings:
                    self._tell(finding)
        except Unlisted as error:
            self.unlisted = str(error)

    # --- documents without their object -------------------------------------------------------------------------------

    async def _check_images(self, held: Held) -> None:
        after = ""
        while documents := await self._store.images_in(self._name, held, after, BATCH):
            after = documents[-1].id
            images = [(one, one.image) for one in documents if one.image is not None]
            sizes = await self._inventory.take([image.key for _, image in images])
            if held is not Held.PENDING:
                await self._check_batch([(one, image) for one, image in images if not one.image_deleted_at], sizes)

    async def _check_batch(self, images: Collection[tuple[Import, Image]], sizes: Mapping[str, int]) -> None:
        self._totals.images += len(images)
        turns = asyncio.Semaphore(CONCURRENCY)

        async def check(document: Import, image: Image) -> None:
            async with turns:
                await self._check_image(document, image, sizes.get(image.key))

        try:
            async with asyncio.TaskGroup() as group:
                for document, image in images:
                    if self._verify or sizes.get(image.key) != image.byte_size:
                        group.create_task(check(document, image))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _check_image(self, document: Import, image: Image, byte_size: int | None) -> None:
        """Check the object itself; report a finding if the document still names this storage."""
        fault = await self._fault_of(image)
        if fault is None:
            return
        found = await self._store.get(document.id)
        if found is not None and found.image_deleted_at is None and found.image and found.image.readable_in(self._name):
            kind, detail = fault
            self._tell(Finding(self._name, kind, image.key, document.id, document.image_id, byte_size, detail=detail))

    async def _check_shared(self) -> None:
        """Report imports that refer to a missing object, which is no import's image any more."""
        after = ""
        while keys := await self._store.shared_keys(after, BATCH):
            after = keys[-1]
            for key in keys:
                heir = await self._store.heir(key)
                image = None if heir is None else heir.duplicate
                if heir is None or image is None or not image.readable_in(self._name):
                    continue  # another import has adopted it, or its storage has an audit of its own
                if await owner_of(self._store, key) is None and (fault := await self._fault_of(image)) is not None:
                    kind, detail = fault
                    self._tell(Finding(self._name, kind, key, heir.id, heir.image_id, detail=detail))

    async def _fault_of(self, image: Image) -> tuple[Kind, str] | None:
        try:
            async with self._storage.open(image.key, length=None if self._verify else 0) as stored:
                if stored.byte_size != image.byte_size:
                    return Kind.SIZE, f"{stored.byte_size} bytes instead of {image.byte_size}"
                if self._verify and await sha256_of(stored.chunks) != image.sha256:
                    return Kind.CONTENT, "another SHA-256"
        except ObjectNotFound:
            return Kind.MISSING, ""
        except PluginError as error:
            self._failures += 1
            if self._failures >= GIVE_UP_AFTER:
                raise
            return Kind.UNREADABLE, str(error)
        self._failures = 0
        return None

    # --- objects without their document -------------------------------------------------------------------------------

    async def _orphans(self) -> AsyncGenerator[tuple[ListedObject, Import | None, Kind], None]:
        after = ""
        while batch := await self._inventory.rest(after, BATCH):
            after = batch[-1].key
            for listed in batch:
                document = await self._store.get(listed.key.rpartition("/")[2])
                kind = self._kind_of(listed, document)
                if kind in (Kind.UNKNOWN, Kind.PURGED) and (heir := await self._store.heir(listed.key)) is not None:
                    document, kind = heir, self._kind_of(listed, heir) if heir.image is not None else None
                if kind is not None:
                    yield listed, document, kind

    def _kind_of(self, listed: ListedObject, document: Import | None) -> Kind | None:
        """The kind of an object without a document in the first pass; None if it is needed, or may be."""
        if document is not None and listed.key in document.earlier_keys:
            return Kind.UNUSED if document.leftover_at is None else None  # the purger removes it anyway
        if document is None or document.storage_key != listed.key:
            is_ours = _OURS.fullmatch(listed.key) or self._storages.makes(listed.key)
            return Kind.UNKNOWN if is_ours else Kind.FOREIGN
        if not document.status.is_final:
            return None  # its import has saved it, and is about to write its document
        if document.image is None:
            return Kind.UNUSED if document.leftover_at is None else None  # otherwise the purger removes it anyway
        if document.image_purged_at is not None:
            return Kind.PURGED
        if self._name in document.image.places:
            return None
        return Kind.COPY

    async def _refuse_if_suspicious(self) -> None:
        unknown = copies = 0
        async with aclosing(self._orphans()) as orphans:
            async for _, _, kind in orphans:
                unknown += kind is Kind.UNKNOWN
                copies += kind is Kind.COPY
        known = self._totals.images + copies
        if unknown > known:
            raise TooManyUnknown(
                f"{unknown} objects in {self._name} are unknown to the documents, and {known} are known: nothing was "
                "deleted, since these may be the wrong documents"
            )

    async def _judge(self, listed: ListedObject, document: Import | None, kind: Kind) -> None:
        """Report an orphan, and delete it if that is requested and safe. Its document was read just now."""
        is_young = self._clock.now() - listed.last_modified < self._grace
        if kind is Kind.COPY and is_young:
            return
        detail = ""
        if kind is Kind.COPY and document is not None and document.image is not None:
            detail = f"its image is in {document.image.storage}"
        obstacle = await self._obstacle(kind, document, is_young) if self._delete else "not asked to"
        if not obstacle:
            await self._storage.delete(listed.key)
        elif self._delete:
            detail = f"{detail}, {obstacle}".removeprefix(", ")
        finding = Finding(
            self._name,
            kind,
            listed.key,
            document.id if document else None,
            document.image_id if document else None,
            listed.byte_size,
            listed.last_modified,
            detail,
            deleted=not obstacle,
        )
        self._tell(finding)

    async def _obstacle(self, kind: Kind, document: Import | None, is_young: bool) -> str:
        """Why an orphan must not be deleted; empty if it may be."""
        if kind is Kind.FOREIGN:
            return "not Lading's to delete"
        if is_young:
            return "too young to be deleted"
        if kind is Kind.COPY and not await self._is_elsewhere(document):
            return "which does not have it, or is this one under another name"
        return ""

    async def _is_elsewhere(self, document: Import | None) -> bool:
        """Whether the storage of the document has the image, and is not this storage under another name."""
        if document is None or document.image is None:
            return False
        image = document.image
        other = self._storages.by_name.get(image.storage)
        if other is None or await self._is_alias(other):
            return False
        if document.image_deleted_at is not None:
            return True  # nobody reads it any more
        try:
            async with other.open(image.key, length=0) as stored:
                return stored.byte_size == image.byte_size
        except ObjectNotFound:
            return False

    async def _is_alias(self, other: GuardedStorage) -> bool:
        if other.name not in self._aliases:
            self._aliases[other.name] = await are_one_place(self._storage, other)
        return self._aliases[other.name]

    def _tell(self, finding: Finding) -> None:
        self._totals.findings[finding.kind] = self._totals.findings.get(finding.kind, 0) + 1
        self._totals.deleted += finding.deleted
        self._report(finding)
