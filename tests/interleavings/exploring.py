"""Runs writers in all orders of their steps, and judges what each order leaves."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from lading.service.documents import DocumentStore
from tests.interleavings.rest import check, clear, come_to_rest
from tests.interleavings.scheduler import Explorer, Inline
from tests.interleavings.world import World
from tests.interleavings.writers import AGE, Case
from tests.support.clock import SettableClock

State = Callable[[Case], Awaitable[None]]


async def explore(
    inner: DocumentStore,
    clock: SettableClock,
    state: State,
    *names: str,
    orders: int | None = None,
    seed: int = 0,
) -> int:
    """Run writers in all orders of their steps, or in so many at most that chance chooses; how many those were."""
    executor = Inline(1)
    asyncio.get_running_loop().set_default_executor(executor)
    explorer = Explorer(random.Random(f"{seed} {state.__name__} {names}"))
    while explorer.open and (orders is None or explorer.explored < orders):
        world = World(inner, clock, executor)
        await world.prepare()
        case = Case(world)
        world.import_id = case.document.id
        await state(case)
        await world.purger.sweep()  # what it finds now is old enough when the writers begin
        clock.advance(AGE)
        for worker in world.workers:
            for lease in worker._leases._leases:
                await inner.heartbeat(lease.worker_id, AGE)
        writers = {f"{number} {name}": writer_of(case, name) for number, name in enumerate(names, 1)}
        try:
            order = await explorer.run(world.steps, writers)
            if order is not None:
                await _judge(world, case, [f"{state.__name__}: {names}", *order])
        finally:
            await clear(world, case)
    return explorer.explored


async def _judge(world: World, case: Case, story: Sequence[str]) -> None:
    try:
        await come_to_rest(world, case)
        await check(world, case)
    except AssertionError as error:
        raise AssertionError("\n  ".join([str(error), *story])) from error


def writer_of(case: Case, name: str) -> Callable[[], Awaitable[None]]:
    writer: Callable[[], Awaitable[None]] = getattr(case, name.partition(" ")[0])
    return writer
