"""Runs two writers step by step, in every order that makes a difference."""

import asyncio
import contextvars
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

WRITER: contextvars.ContextVar[str | None] = contextvars.ContextVar("writer", default=None)
"""Whose code runs; tasks that a writer begins inherit it. None for code that is not scheduled."""
READS = (
    "get",
    "list",
    "due",
    "open",
    "exists",
    "ping",
    "unpurged",
    "heir",
    "images_in",
    "count",
    "stored_bytes",
    "queued",
)
READS_OF_SEARCH = ("by_", "held_by", "with_outbox", "expired_waiting", "changed_since", "batch_counts")
STORAGES = ("a", "b")


@dataclass(frozen=True, slots=True)
class Step:
    """What a writer is about to do."""

    place: str
    name: str

    @property
    def is_read(self) -> bool:
        return self.name.startswith(READS) or self.name.startswith(READS_OF_SEARCH)

    @property
    def is_removal(self) -> bool:
        """Whether it removes an object: who does so first is told nothing else than who does so again."""
        return self.place in STORAGES and self.name == "delete"

    def commutes(self, other: "Step") -> bool:
        """Whether the order of the two makes no difference to anybody."""
        if self.place != other.place or (self.is_read and other.is_read):
            return True
        return self.is_removal and other.is_removal


@dataclass(slots=True)
class Steps:
    """Where writers wait for their turn; and how many of their steps are under way."""

    waiting: dict[str, list[tuple[Step, asyncio.Future[None]]]] = field(default_factory=dict)
    under_way: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def turn(self, place: str, name: str) -> None:
        """Wait until the step may be made; at once where nobody is scheduled."""
        writer = WRITER.get()
        if writer is None or writer not in self.waiting:
            return
        mine = (Step(place, name), asyncio.get_running_loop().create_future())
        self.waiting[writer].append(mine)
        self.changed.set()
        try:
            await mine[1]
        finally:
            if mine in self.waiting.get(writer, ()):
                self.waiting[writer].remove(mine)

    async def made(self, step: Awaitable[Any]) -> Any:
        """Await a step whose turn has come."""
        self.under_way += 1
        try:
            return await step
        finally:
            self.under_way -= 1
            self.changed.set()


class Inline(ThreadPoolExecutor):
    """Runs at once what is to run in a thread: nothing that a writer does depends on how busy the machine is."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(call(*args, **options))
        except BaseException as error:  # noqa: BLE001  # it is raised where the result is awaited
            done.set_exception(error)
        return done


class Counted:
    """Any object with asynchronous methods, which are awaited, and no steps: they read what no writer writes."""

    def __init__(self, inner: Any, steps: Steps) -> None:
        self._inner = inner
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return partial(self._call, name, found) if callable(found) else Counted(found, self._steps)

    async def _call(self, name: str, method: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        return await self._steps.made(method(*args, **options))


class Stepped(Counted):
    """Any object with asynchronous methods, each a step."""

    def __init__(self, inner: Any, place: str, steps: Steps) -> None:
        super().__init__(inner, steps)
        self._place = place

    async def _call(self, name: str, method: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        await self._steps.turn(self._place, name)
        return await super()._call(name, method, *args, **options)


Sleepers = Mapping[str, Step]
Prefix = tuple[tuple[str, Step], ...]


@dataclass(slots=True)
class Explorer:
    """The orders of the steps of some writers.

    Orders that differ only in steps that commute are one; sleep sets find the first of them (Godefroid, "Partial-Order
    Methods for the Verification of Concurrent Systems", 1996, chapter 5).

    Attributes:
        rng: chooses which order comes next, so that some of them are a fair sample of all.
        open: prefixes that are still to be explored, and the writers whose next step was explored before.
        explored: how many orders were.
    """

    rng: random.Random
    open: list[tuple[Prefix, Sleepers]] = field(default_factory=lambda: [((), {})])
    explored: int = 0

    async def run(self, steps: Steps, writers: Mapping[str, Callable[[], Awaitable[None]]]) -> list[str] | None:
        """Run the writers to their end in the next order.

        Returns:
            the steps in their order; None where it was an order that differs from an earlier one in nothing.
        """
        prefix, asleep = self.open.pop(self.rng.randrange(len(self.open)))
        steps.waiting = {name: [] for name in writers}
        tasks = {name: begin(name, writer, steps) for name, writer in writers.items()}
        order: list[tuple[str, Step]] = []
        try:
            async for ready in ready_ones(steps, tasks):
                if len(order) < len(prefix):
                    name, step = prefix[len(order)]
                    assert ready.get(name) == step, f"{name} came to {ready.get(name)} instead of {step}"
                else:
                    awake = [one for one in ready if one not in asleep]
                    if not awake:
                        return None
                    self.rng.shuffle(awake)
                    name = awake[0]
                    self._put_off(tuple(order), awake, ready, asleep)
                    asleep = _still(asleep, ready[name])
                order.append((name, ready[name]))
                turn = steps.waiting[name].pop(0)[1]
                if not turn.done():  # else its writer was cancelled just now
                    turn.set_result(None)
            for task in tasks.values():
                assert task.done(), f"a writer waits for what is no step: {task.get_stack()}"
                task.result()
        finally:
            steps.waiting = {}
            for task in tasks.values():
                task.cancel()
            await asyncio.wait(tasks.values())
        self.explored += 1
        return [f"{name}: {step.place}.{step.name}" for name, step in order]

    def _put_off(self, order: Prefix, awake: list[str], ready: Mapping[str, Step], asleep: Sleepers) -> None:
        earlier = dict(asleep)
        for before, name in pairwise(awake):
            earlier[before] = ready[before]
            self.open.append(((*order, (name, ready[name])), _still(earlier, ready[name])))


def _still(asleep: Sleepers, step: Step) -> Sleepers:
    return {name: one for name, one in asleep.items() if one.commutes(step)}


def begin(name: str, write: Callable[[], Awaitable[None]], steps: Steps) -> asyncio.Task[None]:
    """A task whose steps wait for their turns."""

    async def writer() -> None:
        await write()

    context = contextvars.copy_context()
    context.run(WRITER.set, name)
    task = asyncio.get_running_loop().create_task(writer(), name=name, context=context)
    task.add_done_callback(lambda _: steps.changed.set())
    return task


async def ready_ones(steps: Steps, tasks: Mapping[str, asyncio.Task[None]]) -> AsyncIterator[Mapping[str, Step]]:
    """The next step of each writer that has one, again and again, until none has.

    The others have ended, or wait for another writer.
    """
    while True:
        await come_to_a_halt(steps)
        ready = {name: steps.waiting[name][0][0] for name in tasks if steps.waiting[name]}
        if not ready:
            return
        yield ready


async def come_to_a_halt(steps: Steps) -> None:
    """Return when nothing goes on before the next step is made.

    By counting alone: no step is under way, in a thread or a server, and the event loop has nothing to call. What
    writers wait for is then the turn of a step, or another writer.
    """
    loop: Any = asyncio.get_running_loop()
    while True:
        while steps.under_way:
            steps.changed.clear()
            await steps.changed.wait()
        await asyncio.sleep(0)
        if not loop._ready and not steps.under_way:
            return
