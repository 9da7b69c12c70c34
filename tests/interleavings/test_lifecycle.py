"""Many writers of an import, begun and let on at random: whatever they do, it ends as it should."""

import asyncio
import tempfile
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from lading.service.documents import DocumentStore
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.documents.sqlite.store import SqliteDocumentStore
from tests.conftest import LONG
from tests.interleavings.exploring import writer_of
from tests.interleavings.rest import check, clear, come_to_rest
from tests.interleavings.scheduler import Inline, begin, ready_ones
from tests.interleavings.world import World
from tests.interleavings.writers import STATES, Case
from tests.support.clock import SettableClock

NAMES = sorted({name for names in STATES.values() for name in names} | {"beat"})
OFTEN = ("announce", "run", "retry", "work", "work failed") * 6
"""What goes on all the time in a service."""
AT_ONCE = 4


class Lifecycle(RuleBasedStateMachine):
    """One import; up to four writers at a time, each of which goes on when it is its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(Inline(1))
        self.clock = SettableClock()
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.story: list[str] = []
        self.inner = self.make_store()
        self.wait(self.inner.open())
        self.world = World(self.inner, self.clock, Inline(1))
        self.wait(self.world.prepare())
        self.case = Case(self.world)
        self.world.import_id = self.case.document.id

    def make_store(self) -> DocumentStore:
        return MemoryDocumentStore(self.clock)

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize(state=st.sampled_from(list(STATES)))
    def an_import(self, state: Any) -> None:
        self.story.append(state.__name__)
        self.wait(state(self.case))

    @precondition(lambda self: len(self.tasks) < AT_ONCE)
    @rule(name=st.sampled_from((*NAMES, *OFTEN)))
    def a_writer_begins(self, name: str) -> None:
        self.wait(self._begin(f"{len(self.story)} {name}", name))

    @precondition(lambda self: self.tasks)
    @rule(place=st.integers(0, AT_ONCE - 1), steps=st.integers(1, 8))
    def a_writer_goes_on(self, place: int, steps: int) -> None:
        for _ in range(steps):
            self.wait(self._go_on(place))

    @rule(seconds=st.sampled_from([1, 1, 5, 10, 40]))
    def time_passes(self, seconds: int) -> None:
        """At times longer than a lease; another process recovers what dead workers left."""
        self.story.append(f"{seconds} s")
        self.clock.advance(timedelta(seconds=seconds))
        self.wait(self.inner.recover(100))

    def teardown(self) -> None:
        try:
            self.wait(self._end())
        except AssertionError as error:
            raise AssertionError("\n  ".join([str(error), *self.story])) from error
        finally:
            self.wait(self.inner.close())
            self.loop.close()

    async def _begin(self, title: str, name: str) -> None:
        self.world.steps.waiting[title] = []
        self.tasks[title] = begin(title, writer_of(self.case, name), self.world.steps)
        self.story.append(title)
        await self._ready()

    async def _go_on(self, place: int) -> bool:
        ready = await self._ready()
        if not ready:
            return False
        name = list(ready)[place % len(ready)]
        self.story.append(f"  {name}: {ready[name].place}.{ready[name].name}")
        turn = self.world.steps.waiting[name].pop(0)[1]
        if not turn.done():
            turn.set_result(None)
        await self._ready()
        return True

    async def _ready(self) -> Any:
        found: Any = {}
        async for ready in ready_ones(self.world.steps, self.tasks):
            found = ready
            break
        for name in [name for name, task in self.tasks.items() if task.done()]:
            self.tasks.pop(name).result()
        return found

    async def _end(self) -> None:
        while await self._go_on(0):
            pass
        assert self.tasks == {}, "writers wait for each other"
        try:
            if await self.inner.get(self.case.document.id) is not None or self.world.watched.lives:
                await come_to_rest(self.world, self.case)
                await check(self.world, self.case)
        finally:
            await clear(self.world, self.case)


class SqliteLifecycle(Lifecycle):
    """The same on SQLite."""

    def make_store(self) -> DocumentStore:
        self.folder = tempfile.TemporaryDirectory()
        return SqliteDocumentStore(Path(self.folder.name) / "lading.sqlite3", self.clock, readers=1)

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self.folder.cleanup()


TestMemory = Lifecycle.TestCase
TestMemory.settings = settings(derandomize=not LONG, max_examples=5000 if LONG else 60, stateful_step_count=60)
TestSqlite = SqliteLifecycle.TestCase
TestSqlite.settings = settings(derandomize=not LONG, max_examples=500 if LONG else 12, stateful_step_count=40)
