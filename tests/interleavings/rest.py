"""Lets the service come to rest, and judges what is left of an import."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from lading.service.errors.catalogue import ApiError
from lading.service.models import Import, Status
from lading.service.webhooks.delivery.record import DELIVERY
from lading.service.work.cancellation import cancel
from tests.interleavings.world import ENDPOINT, World, beat
from tests.interleavings.writers import Case

ROUNDS = 25
PAUSE = timedelta(seconds=25)
"""What passes between two rounds: less than a lease."""


async def come_to_rest(world: World, case: Case) -> None:
    """Do what the service does all the time, until there is nothing left to do.

    Raises:
        AssertionError: it does not come to rest.
    """
    await case.run()  # where it is claimed and was not begun
    for _ in range(ROUNDS):
        if await _is_at_rest(world):
            return
        world.clock.advance(PAUSE)
        for worker in world.workers:
            await beat(worker)
            await worker._stops.look()
        await world.receiving._leases.beat()
        await world.inner.recover(100)
        for worker in world.workers:
            await worker._claim()
            if worker._tasks:
                await asyncio.wait(list(worker._tasks.values()))
        await world.announcer().sweep()
        try:
            await world.purger.expire_waiting()
            await world.purger.sweep()
        except ApiError as error:
            raise AssertionError(f"nothing stands in the way of a purge: {error}") from error
        await world.mirroring.sweep()
    raise AssertionError(f"it does not come to rest: {await _documents(world)}")


async def check(world: World, case: Case) -> None:
    """Judge what is left: final once, one object at most, where it is said to be, and told once.

    Raises:
        AssertionError: with what is wrong.
    """
    document = await world.inner.get(case.document.id)
    objects = {name: dict(backend.objects) for name, backend in world.backends.items()}
    if document is not None and document.status is Status.DONE and document.image_deleted_at is None:
        assert document.image is not None
        expected = {document.storage_key: case.body}
        assert objects == {"a": expected, "b": expected}, f"{_keys(objects)} of {document}"
        assert document.image.is_mirrored
    else:
        assert objects == {"a": {}, "b": {}}, f"{_keys(objects)} are left of {document}"
    ended = world.watched.lives["ended"] - world.watched.lives["retried"]
    assert ended == 1, f"it ended {world.watched.lives['ended']} times, and was retried less often"
    told = Counter(await world.deliveries())
    assert told == Counter(world.watched.events), f"{told} instead of {world.watched.events}"
    assert [dict(worker._lease_of) for worker in world.workers] == [{}, {}]
    assert not any(lease.is_needed for lease in world.receiving._leases._leases)


async def clear(world: World, case: Case) -> None:
    """Leave nothing in the store for the next world."""
    for worker in world.workers:
        await cancel(tuple(worker._tasks.values()))  # of an order that was not run to its end
        await worker._leases.release_all()
    await world.receiving._leases.release_all()
    for record in await world.inner.records.list(DELIVERY, ENDPOINT, 1000):
        await world.inner.records.delete(DELIVERY, record.id)
    document = await world.inner.get(case.document.id)
    if document is not None:
        await world.inner.announced(document.id, [event["id"] for event in document.outbox])
        document = await world.inner.get(document.id)
        assert document is not None
        assert await world.inner.remove(document)


async def _is_at_rest(world: World) -> bool:
    documents = await _documents(world)
    mirrored = all(one.image is None or one.image.is_mirrored or one.image_deleted_at is not None for one in documents)
    settled = all(one.status.is_final and one.unsettled_at is None and not one.outbox for one in documents)
    return mirrored and settled and not any(worker._lease_of for worker in world.workers)


async def _documents(world: World) -> Sequence[Import]:
    found = await world.inner.get(world.import_id)
    return [] if found is None else [found]


def _keys(objects: dict[str, dict[str, bytes]]) -> dict[str, list[str]]:
    return {name: list(found) for name, found in objects.items()}
