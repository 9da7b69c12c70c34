"""The writers of an import, and the states in which each finds it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from lading.service.documents import DuplicateId
from lading.service.errors.catalogue import ApiError
from lading.service.imports.events.progress import _Fetch
from lading.service.models import Failure, Image, Import, Status
from tests.interleavings.world import GRANT, LEASE, World, beat
from tests.support.plugins.scripted import body_of, make_import, pieces

FAILURE: Final = Failure("origin_unavailable", "Try again.", retryable=True)
IMPORT_ID: Final = "5a0c4f0e-9c55-4c1f-8c2f-8f3a6d2b3b0e"


class Case:
    """A world with one import in it, and who writes it."""

    def __init__(self, world: World) -> None:
        self.world = world
        # Always the same one: where others begin to look depends on it, and an order is run again up to where it parts.
        self.document = replace(make_import(world.clock), id=IMPORT_ID)

    # --- states -------------------------------------------------------------------------------------------------------

    async def queued(self) -> None:
        """It has failed, was retried, and its failure is still to be announced."""
        await self.failed()
        now = self.world.clock.now()
        await self._write(self.document.retried(now, now))

    async def fresh(self) -> None:
        """It was just accepted."""
        await self.world.inner.add(self.document)

    async def running(self) -> None:
        """The first worker has claimed it, and its attempt is about to begin."""
        await self.queued()
        (self.document,) = await self.world.workers[0]._claim_under_lease(1)

    async def failed(self) -> None:
        """It has failed, which is still to be announced."""
        await self.fresh()
        now = self.world.clock.now()
        await self._write(self.document.claimed("an earlier worker", now))
        await self._write(self.document.failed(FAILURE, "scripted", now))

    async def cancelled(self) -> None:
        """It was cancelled after its attempt has saved its image."""
        await self._saved(mirrored=False)
        await self._write(self.document.cancelled(self.world.clock.now()))

    async def done(self) -> None:
        """It is done, and its second copy is still to be made."""
        image = await self._saved(mirrored=False)
        await self._write(self.document.succeeded(image, "scripted", self.world.clock.now()))

    async def image_deleted(self) -> None:
        """Its image is deleted, and its bytes are not gone yet."""
        image = await self._saved(mirrored=True)
        await self._write(self.document.succeeded(image, "scripted", self.world.clock.now()))
        await self._write(self.document.image_deleted(self.world.clock.now()))

    async def deleted(self) -> None:
        """It is deleted, and its bytes are not gone yet."""
        image = await self._saved(mirrored=True)
        await self._write(self.document.succeeded(image, "scripted", self.world.clock.now()))
        await self._write(self.document.deleted(self.world.clock.now()))

    async def waiting(self) -> None:
        """It waits for its bytes, and the time for that is over."""
        params = {"controller": "api/v1/imports", "action": "create"}
        self.document = replace(self.document, params=params, host="", status=Status.WAITING)
        await self.world.inner.add(self.document)

    # --- writers ------------------------------------------------------------------------------------------------------

    async def announce(self) -> None:
        await self.world.announcer().sweep()

    async def cancel(self) -> None:
        with contextlib.suppress(ApiError):
            await self.world.actions.cancel(GRANT, self.document.id)

    async def delete(self) -> None:
        with contextlib.suppress(ApiError):
            await self.world.actions.delete(GRANT, self.document.id)

    async def delete_image(self) -> None:
        # Which image it is the client knows from before: to read that is no step.
        document = await self.world.steps.made(self.world.inner.get(self.document.id))
        with contextlib.suppress(ApiError):
            await self.world.images.delete(GRANT, (document and document.image_id) or "")

    async def retry(self) -> None:
        with contextlib.suppress(ApiError):
            await self.world.actions.retry(GRANT, self.document.id)

    async def cancel_and_retry(self) -> None:
        """A client that does not wait between the two."""
        await self.cancel()
        await self.purge()
        await self.retry()

    async def mirror(self) -> None:
        await self.world.mirroring.sweep()

    async def expire(self) -> None:
        await self.world.purger.expire_waiting()

    async def purge(self) -> None:
        with contextlib.suppress(ApiError):
            await self.world.purger.sweep()

    async def progress(self) -> None:
        with self.world.spools.open() as spool, contextlib.suppress(DuplicateId):
            await self.world.progress._write(self.document.id, _Fetch(spool, None))

    async def recover(self) -> None:
        """The lease of the first worker ends, which does not know."""
        for lease in tuple(self.world.workers[0]._leases._leases):
            await self.world.store.release(lease.worker_id)
        await self.world.store.recover(100)

    async def run(self) -> None:
        """The first worker makes the attempt that it has claimed."""
        worker = self.world.workers[0]
        lease = worker._lease_of.get(self.document.id)
        if lease is not None and self.document.id not in worker._tasks:
            assert worker._admit(lease.held[self.document.id])
            await asyncio.wait(list(worker._tasks.values()))

    async def work(self) -> None:
        """The second worker claims what there is, and runs it."""
        worker = self.world.workers[1]
        await worker._claim()
        if worker._tasks:
            await asyncio.wait(list(worker._tasks.values()))

    async def work_again(self) -> None:
        """The worker that has claimed it claims what there is."""
        worker = self.world.workers[0]
        await worker._claim()
        if worker._tasks:
            await asyncio.wait(list(worker._tasks.values()))

    async def hand_back(self) -> None:
        worker = self.world.workers[0]
        await worker._give_back([one for one in worker._held if one.id not in worker._tasks])

    async def stop(self) -> None:
        """The first worker looks for what was cancelled."""
        await self.world.workers[0]._stops.look({self.document.id})

    async def beat(self) -> None:
        """The first worker renews its lease."""
        await beat(self.world.workers[0])

    async def receive(self) -> None:
        """A client sends the bytes."""
        receiving = self.world.receiving
        with contextlib.suppress(ApiError), self.world.spools.open() as spool:
            await spool.fill(pieces(self.body))
            document = await receiving.waiting(GRANT, self.document.id)
            async with receiving.reception(document) as reception:
                await receiving.finish(reception, spool)

    async def stop_receiving(self) -> None:
        """The process that receives the bytes looks for what was cancelled."""
        await self.world.receiving._receptions.stops.look({self.document.id})

    async def send_half(self) -> None:
        """A client begins to send the bytes, and goes away."""
        receiving = self.world.receiving
        with contextlib.suppress(ApiError):
            async with receiving.reception(await receiving.waiting(GRANT, self.document.id)):
                pass

    @property
    def body(self) -> bytes:
        """What the import's object holds."""
        return body_of(self.document.url or self.document.id)

    async def _saved(self, *, mirrored: bool) -> Image:
        """A running import whose bytes are stored, as an attempt describes them."""
        await self.fresh()
        now = self.world.clock.now()
        await self._write(self.document.claimed("an earlier worker", now))
        with self.world.spools.open() as spool:
            await spool.fill(pieces(self.body))
            image = (await self.world.importer.keep(self.document, spool, None, "scripted")).image
        if not mirrored:
            await self.world.backends["b"].delete(image.key)
        return replace(image, is_mirrored=mirrored)

    async def _write(self, after: Import) -> None:
        """Write it as the service does, unscheduled."""
        stamped = await self.world.outbox.with_event(self.document, after)
        assert await self.world.store.update(stamped)
        found = await self.world.inner.get(after.id)
        assert found is not None
        self.document = found


STATES: Final[Mapping[Callable[[Case], Awaitable[None]], tuple[str, ...]]] = {
    Case.queued: ("announce", "cancel", "delete", "retry", "work", "work failed", "purge", "cancel_and_retry"),
    Case.running: (
        *("announce", "cancel", "delete", "run", "run failed", "run requeued", "hand_back", "stop", "recover"),
        *("progress", "work", "cancel_and_retry", "work_again"),
    ),
    Case.failed: ("announce", "retry", "delete", "work", "purge", "cancel"),
    Case.cancelled: ("announce", "purge", "retry", "delete", "work", "cancel"),
    Case.done: ("announce", "mirror", "delete", "delete_image", "purge", "cancel"),
    Case.image_deleted: ("announce", "purge", "delete", "delete_image", "mirror"),
    Case.deleted: ("announce", "purge", "mirror", "delete"),
    Case.waiting: ("receive", "send_half", "stop_receiving", "expire", "cancel", "delete", "announce"),
}
"""The writers that may find an import in each state. What follows a name says how its attempt ends."""

PAIRS: Final = [
    (state, one, other)
    for state, names in STATES.items()
    for place, one in enumerate(names)
    for other in names[place:]
    if not (one.partition(" ")[0] == other.partition(" ")[0] == "run")  # a worker runs what it has claimed once
]

AGE: Final = LEASE * 4
"""For how long nothing has happened when the writers begin: deletions are old enough for the purger."""
