"""Actors that work on one store and one storage, a step at a time: every order of their steps can be tried.

A step is one operation of the store or of a storage. No event loop is needed: nothing waits but for its turn, so an
order that failed once fails each time. An actor can be killed before each operation, which is after the one before it.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, cast

from lading.plugins.contracts import ImageInfo, ObjectMetadata
from lading.plugins.errors import ObjectExists, ObjectNotFound
from lading.service.documents.memory.search import MemoryImportSearch
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.images.purger import AGE
from lading.service.images.service import Downloads, Images
from lading.service.models import Import, Status
from lading.service.models.grants import Grant
from lading.service.secrets.vault import Vault
from lading.service.storages.backfill import Copyist
from lading.service.storages.copies import once
from lading.service.storages.migration import Mover
from lading.service.storages.routes import Storages
from lading.service.storages.sharing import image_of
from lading.service.work.pipeline.importer import Importer
from lading.service.work.pipeline.lookup import Duplicates
from tests.support.clock import SettableClock
from tests.support.plugins.scripted import make_import

DATA = b"the bytes of an image"
GRANT = Grant("issuer", "organization", "token", admin=True)

Actor = Callable[["World"], Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class Turn:
    """What an actor waits for before each step: the operation that comes next.

    Attributes:
        place: what it works on: ``documents``, or a storage.
        item: the document, or the object, that it works on; None for all of them.
        writes: whether it changes it.
    """

    place: str
    item: str | None
    writes: bool = False

    def __await__(self) -> Generator["Turn", None, None]:
        yield self

    def commutes(self, other: "Turn") -> bool:
        """Whether nobody can tell in which order the two operations were made."""
        if self.place != other.place or not (self.writes or other.writes):
            return True
        return self.item != other.item and None not in (self.item, other.item)


class SteppedSearch(MemoryImportSearch):
    async def by_sha256(self, organization_id: str, sha256: str, album_id: str | None = None) -> Import | None:
        await Turn("documents", None)
        return await super().by_sha256(organization_id, sha256, album_id)


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

    def __init__(self, data: bytes = DATA) -> None:
        self.data = data
        self.byte_size = len(data)
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.path = Path("unused")

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.data


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
        self.images = Images(self.store, Storages(guarded, "main", mirror), self.clock, Downloads(1))
        self.names: dict[str, Import] = {}
        detector: Any = FakeDetector()
        spools: Any = None
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
                self.importer._image(ImageInfo("PNG", "image/png", 3, 2), spool, running.own_key, None),
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
        done = outcome.ending(self.clock.now())(outcome.document)
        if await self.store.update(done):
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
            before = self.clock.now() - AGE
            for one in finish(self.store.unpurged(before, 100)):
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


def finish(actor: Coroutine[Any, Any, Any]) -> Any:
    """Let an actor, or a single call, take all its steps."""
    while True:
        try:
            actor.send(None)
        except StopIteration as ended:
            return ended.value


@dataclass
class _Step:
    """A step that was taken.

    Attributes:
        asleep: actors whose step at this point leads to nothing new: an order was tried in which they took it earlier,
            and all that was done since commutes with it.
        tried: the actors whose step was tried at this point; the last of them takes it now.
    """

    asleep: frozenset[int]
    tried: list[int]

    def closed(self) -> frozenset[int]:
        """Those that need not be tried any more."""
        return self.asleep.union(self.tried)


def every_order(make: Callable[[], World], actors: Sequence[Actor], limit: int = 5_000) -> Iterator[World]:
    """Every order of the actors' steps, each in a world of its own, which is checked after every step.

    Of the orders that differ in steps that commute, a single order is tried: sleep sets (Godefroid, Partial-Order
    Methods for the Verification of Concurrent Systems, 1996, section 5), which come through every state that there is.

    Args:
        make: a new world.
        actors: what works in it at the same time.
        limit: how many orders at most; more are a mistake of the test's.
    """
    path: list[_Step] = []
    for _ in range(limit):
        run = _Run(make(), actors)
        if run.follow(path):
            yield run.world
        run.close()
        while path and len(path[-1].closed()) == len(actors):
            path.pop()
        if not path:
            return
        step = path[-1]
        step.tried.append(min(set(range(len(actors))) - step.closed()))
    raise AssertionError("there are more orders than that")


class _Run:
    """Actors in a world, each before its next step."""

    def __init__(self, world: World, actors: Sequence[Actor]) -> None:
        self.world = world
        self._living = dict(enumerate(actor(world) for actor in actors))
        self._turns: dict[int, Turn] = {}
        self._ended: frozenset[int] = frozenset()
        for number in range(len(actors)):
            self._go_on(number)

    def follow(self, path: list[_Step]) -> bool:
        """Take the steps of the path, of which the last was never taken, and others after it, which are added.

        Returns:
            whether all actors have come to their ends, rather than to where nothing new follows.
        """
        checked = len(path) - 1
        asleep: frozenset[int] = frozenset()
        number = 0
        while self._living:
            if number == len(path):
                awake = self._living.keys() - asleep
                if not awake:
                    return False
                path.append(_Step(asleep | self._ended, [min(awake)]))
            step = path[number]
            actor = step.tried[-1]
            others = step.closed() - {actor}
            asleep = frozenset(
                one for one in others if one in self._turns and self._turns[one].commutes(self._turns[actor])
            )
            self._go_on(actor)
            if number >= checked:
                self.world.check_promise()
            number += 1
        return True

    def close(self) -> None:
        """End those that have not come to their ends."""
        for actor in self._living.values():
            actor.close()

    def _go_on(self, number: int) -> None:
        try:
            self._turns[number] = self._living[number].send(None)
        except StopIteration:
            del self._living[number]
            self._turns.pop(number, None)
            self._ended = frozenset((*self._ended, number))


def every_death(make: Callable[[], World], actor: Actor) -> Iterator[World]:
    """The actor dies before each of its steps, one after another; each time in a world of its own."""
    steps = 0
    while True:
        world = make()
        living = actor(world)
        try:
            for _ in range(steps + 1):
                living.send(None)  # it comes to the step after those, and waits for its turn
        except StopIteration:
            return
        living.close()
        world.check_promise()
        yield world
        steps += 1
