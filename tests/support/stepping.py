"""What imports, deletions and copies of the same bytes do to one store and its storages, a step at a time: see
``tests.support.orders``.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, cast

from lading.plugins.contracts import ImageInfo, ObjectMetadata
from lading.plugins.errors import ObjectExists, ObjectNotFound
from lading.service.documents.memory.search import MemoryImportSearch
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.images.operations import Images, places_for_downloads
from lading.service.images.purger import AGE
from lading.service.images.retention.policy import Policy
from lading.service.images.retention.removing import Retention
from lading.service.models import Import, Status
from lading.service.models.grants import Grant
from lading.service.secrets.vault import Vault
from lading.service.storages.backfill import Copyist
from lading.service.storages.copies import once
from lading.service.storages.migration import Mover
from lading.service.storages.routes import Storages
from lading.service.storages.sharing import image_of
from lading.service.work.pipeline.duplicates import Duplicates
from lading.service.work.pipeline.importer import Importer
from lading.service.work.results import Result
from tests.support.clock import SettableClock
from tests.support.orders import Turn, finish
from tests.support.plugins.scripted import make_import

DATA = b"the bytes of an image"
GRANT = Grant("issuer", "organization", "token", admin=True)


class SteppedSearch(MemoryImportSearch):
    async def by_sha256(
        self, organization_id: str, sha256: str, albums: Collection[str] | None = None
    ) -> Import | None:
        await Turn("documents", None)
        return await super().by_sha256(organization_id, sha256, albums)


class SteppedStore(MemoryDocumentStore):
    """The reference store; each operation is a step."""

    def __init__(self, clock: SettableClock) -> None:
        super().__init__(clock)
        self.search = SteppedSearch(self._all, self._writes)
        self._is_open = True

    async def get(self, import_id: str) -> Import | None:
        await Turn("documents", import_id)
        return await super().get(import_id)

    async def get_by_image(self, image_id: str) -> Import | None:
        await Turn("documents", None)
        return await super().get_by_image(image_id)

    async def heir(self, key: str) -> Import | None:
        await Turn("documents", None)
        return await super().heir(key)

    async def update(self, document: Import) -> bool:
        await Turn("documents", document.id, writes=True)
        return await super().update(document)

    async def update_unless_stored(self, document: Import, albums: Collection[str] | None) -> bool:
        await Turn("documents", None, writes=True)
        return await super().update_unless_stored(document, albums)

    async def remove(self, document: Import) -> bool:
        await Turn("documents", document.id, writes=True)
        return await super().remove(document)

    @property
    def documents(self) -> Sequence[Import]:
        """All of them, without a step."""
        return tuple(self._imports.values())

    def put(self, document: Import) -> Import:
        """Write one, without a step."""
        self._imports[document.id] = document
        return document


class SteppedStorage:
    """Objects by key; each operation is a step."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.objects: dict[str, bytes] = {}

    async def save(self, key: str, chunks: AsyncIterator[bytes], _metadata: ObjectMetadata) -> None:
        await Turn(self.name, key, writes=True)
        if key in self.objects:
            raise ObjectExists(key)
        self.objects[key] = b"".join([chunk async for chunk in chunks])

    async def delete(self, key: str) -> None:
        await Turn(self.name, key, writes=True)
        self.objects.pop(key, None)

    @asynccontextmanager
    async def open(self, key: str, **_part: Any) -> AsyncIterator[Any]:
        await Turn(self.name, key)
        if key not in self.objects:
            raise ObjectNotFound(key)
        yield Opened(self.objects[key])

    async def exists(self, key: str) -> bool:
        await Turn(self.name, key)
        return key in self.objects


class Opened:
    """An object as it is read."""

    def __init__(self, data: bytes) -> None:
        self.byte_size = len(data)
        self.chunks = once(data)


class FakeSpool:
    """Bytes that were received, as the importer and storages see them."""

    path = Path("unused")

    def __init__(self, data: bytes = DATA) -> None:
        self.data = data

    @property
    def byte_size(self) -> int:
        return len(self.data)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    async def fill(self, chunks: AsyncIterator[bytes]) -> None:
        self.data = b"".join([chunk async for chunk in chunks])

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.data


class FakeSpools:
    def open(self) -> AbstractContextManager[FakeSpool]:
        return nullcontext(FakeSpool(b""))


class FakeDetector:
    async def detect(self, _path: Path) -> ImageInfo:
        return ImageInfo("PNG", "image/png", 3, 2)


class World:
    """Imports of the same bytes, the store and the storages that they are in.

    Attributes:
        places: the storages by name.
        names: the imports that actors know, by names of the test's own.
    """

    def __init__(self, mirror: str | None = None, other: str | None = None) -> None:
        self.clock = SettableClock()
        self.store = SteppedStore(self.clock)
        self.places = {name: SteppedStorage(name) for name in ("main", mirror, other) if name is not None}
        guarded = cast("Mapping[str, Any]", self.places)
        self.images = Images(self.store, Storages(guarded, "main", mirror), self.clock, places_for_downloads(1))
        self.names: dict[str, Import] = {}
        detector: Any = FakeDetector()
        spools: Any = FakeSpools()
        self.importer = Importer(
            fetchers={},
            detectors=(detector,),
            storage=guarded["main"],
            storage_name="main",
            spools=spools,
            vault=Vault(),
            duplicates=Duplicates(self.store, self.clock),
        )

    @property
    def storage(self) -> SteppedStorage:
        return self.places["main"]

    def running(self, name: str) -> Import:
        """A running import that wants no second copy."""
        self.clock.advance(timedelta(milliseconds=1))
        base = make_import(self.clock)
        document = replace(base, params={**base.params, "dedupe": "organization"})
        self.names[name] = self.store.put(document.claimed(f"worker of {name}", self.clock.now()))
        return self.names[name]

    def done(self, name: str, sharing: str | None = None) -> Import:
        """A done import: with an object of its own, or with that of another."""
        running = self.running(name)
        now = self.clock.now()
        if sharing is not None:
            image = self.names[sharing].image
            assert image is not None
            after = running.duplicated(image, "url", now)
        else:
            spool = cast("Any", FakeSpool())
            image = replace(
                self.importer._storing.image(ImageInfo("PNG", "image/png", 3, 2), spool, "main", running.own_key, None),
                mirror="mirror" if "mirror" in self.places else None,
                is_mirrored="mirror" in self.places,
            )
            for place in image.places:
                self.places[place].objects[running.own_key] = DATA
            after = running.succeeded(image, "url", now)
        self.names[name] = self.store.put(after)
        return after

    def present(self, name: str) -> Import | None:
        """An import as it is now."""
        return self.store._imports.get(self.names[name].id)

    # --- actors -------------------------------------------------------------------------------------------------------

    async def import_same(self, name: str) -> None:
        """An attempt at an import: what a worker does once the bytes have come."""
        spool = cast("Any", FakeSpool())
        outcome = await self.importer.keep(self.names[name], spool, None, "url")
        ending, sole = outcome.ending(self.clock.now()), self.importer.sole(outcome)
        done = await Result(self.store, self.images.outbox, outcome.document, ending, sole).write()
        if done is not None:
            await self.images.removal.settle_quietly(done)

    async def delete_image(self, name: str) -> None:
        """``DELETE`` of an image."""
        image_id = self.names[name].image_id
        assert image_id is not None
        await self.images.delete(GRANT, image_id)

    async def delete_import(self, name: str) -> None:
        """``DELETE`` of an import that is done."""
        document = self.names[name]
        write = self.images.removal.write
        deleted = await write(document, lambda one: one.deleted_at is not None, Import.deleted)
        await self.images.purge(deleted)

    async def retire(self, name: str, *, keeps_images: bool = False) -> None:
        """Retention, as it comes to an import."""
        policy = Policy({Status.DONE: timedelta(seconds=-1)}, keeps_images=keeps_images)  # whatever its age
        await Retention(self.store, self.images.storages, self.clock, Random(1), policy).retire(self.names[name])

    async def move(self, name: str, target: str) -> None:
        """``lading storage copy --delete-source``, as it comes to an import."""
        source: Any = self.places["main"]
        to: Any = self.places[target]
        mover = Mover(self.store, source, to, self.clock, Random(1), delete_source=True)
        await mover.move(self.names[name])

    async def mirror(self, name: str, target: str) -> None:
        """``lading storage mirror``, as it comes to an import."""
        storages = self.images.storages
        await Copyist(self.store, storages, self.clock).mirror(target, self.names[name])

    def recover(self) -> None:
        """Every running import has lost its worker."""
        for document in self.store.documents:
            self._recover(document)

    def recover_one(self, name: str) -> None:
        """An import has lost its worker, if it still runs."""
        document = self.present(name)
        if document is not None:
            self._recover(document)

    def _recover(self, document: Import) -> None:
        if document.status is Status.RUNNING:
            self.store.put(document.recovered(self.clock.now()))

    def attempt(self, name: str, ends: Callable[[Import, datetime], Import] | None = None) -> None:
        """Another attempt at an import that was recovered: with the same bytes, or to another end."""
        queued = self.present(name)
        assert queued is not None
        if queued.status is not Status.QUEUED:
            return
        self.names[name] = claimed = self.store.put(queued.claimed("another worker", self.clock.now()))
        if ends is None:
            finish(self.import_same(name))
        else:
            finish(self.images.removal.settle_quietly(self.store.put(ends(claimed, self.clock.now()))))

    def purge(self) -> None:
        """Let the purger look often enough."""
        for _ in range(3):
            self.clock.advance(2 * AGE)
            for one in finish(self.store.unpurged(100)):
                finish(self.images.removal.settle_for_good(one))

    # --- what must be so ----------------------------------------------------------------------------------------------

    def check_promise(self) -> None:
        """P3: whatever is done, and not deleted, has its bytes."""
        for document in self.store.documents:
            if document.status is not Status.DONE or document.image_deleted_at is not None:
                continue
            image = finish(image_of(self.store, document))
            assert image is not None
            assert all(self.places[place].objects.get(image.key) == DATA for place in image.places), self.told()

    def check_settled(self) -> None:
        """In the end: no orphans, nothing counted twice, nothing that waits for ever."""
        self.check_promise()
        live = [one for one in self.store.documents if one.status is Status.DONE and one.image_deleted_at is None]
        owners = [one for one in live if one.image is not None]
        expected = {one.image.key for one in owners if one.image is not None}
        for name, place in self.places.items():
            here = {one.image.key for one in owners if one.image is not None and name in one.image.places}
            assert set(place.objects) == here, self.told()
        assert len(owners) == len(expected), self.told()
        assert finish(self.store.stored_bytes("organization")) == len(DATA) * len(expected), self.told()
        assert [one for one in self.store.documents if one.unsettled_at is not None] == [], self.told()
        assert [one for one in self.store.documents if not one.status.is_final] == [], self.told()

    def told(self) -> str:
        """What there is, for the message of a failure."""
        names = {one.id: name for name, one in self.names.items()}
        documents = [(names.get(one.id), one.status.value, one.image, one.duplicate) for one in self.store.documents]
        return f"{documents}, {[(name, place.objects.keys()) for name, place in self.places.items()]}"
