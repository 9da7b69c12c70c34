"""Calls to plugins against ``asyncio.timeout``: whatever a plugin and its caller do, a deadline means the same."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import lading.plugins.host.calls
from lading.plugins.errors import ConnectionLost, DeadlineExceeded, FetchError
from lading.plugins.host.calls import Caller

TOLD = ("raise", "swallow", "convert")
PATIENCE = 1000.0
"""Longer than any of the plays: who is deaf for longer is in ``test_calls``."""


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: the time that it was to wait has passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += max(timeout or 0.0, 0.0)
        return super().select(0)


class Clockwork(asyncio.SelectorEventLoop):
    """An event loop whose time passes only where it has nothing to do, and where a play says so."""

    def __init__(self) -> None:
        self.clock = _Jumping()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now


@dataclass(frozen=True)
class Wait:
    """The plugin waits, within a timeout of its own or none, and does something about what it is told meanwhile."""

    seconds: float
    told: str
    own: float | None


@dataclass(frozen=True)
class Play:
    """What a plugin does, and when its caller wants to cancel it.

    Attributes:
        scenes: a number of seconds for which the plugin does not give the loop a turn, or how it waits.
        fails: whether it raises an error at its end.
        deadline: seconds.
        cancellations: when, in seconds.
    """

    scenes: Sequence[float | Wait]
    fails: bool
    deadline: float
    cancellations: Sequence[float]


async def plugin(play: Play, clock: _Jumping) -> str:
    for scene in play.scenes:
        if not isinstance(scene, Wait):
            clock.now += scene
            continue
        try:
            async with asyncio.timeout(scene.own):
                await asyncio.sleep(scene.seconds)
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            if scene.told == "raise":
                raise
            if scene.told == "convert":
                raise ConnectionLost("told") from None
    if play.fails:
        raise ConnectionLost("by itself")
    return "answer"


async def reference(begin: Callable[[], Awaitable[str]], seconds: float) -> str:
    """What ``Caller.call`` is to do, with a timer for every call."""
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    timeout = asyncio.timeout(seconds)
    try:
        async with timeout:
            return await begin()
    except Exception as error:
        if task.cancelling() > before:
            raise asyncio.CancelledError from error
        if timeout.expired():
            raise DeadlineExceeded from error
        raise


def performed(play: Play, call: Callable[[Callable[[], Awaitable[str]], float], Coroutine[Any, Any, str]]) -> list[Any]:
    """How it ends and when, how many requests to cancel the task are left, and until when the task can wait then."""
    told: list[Any] = []

    async def perform(loop: Clockwork) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            told.append(await call(lambda: plugin(play, loop.clock), play.deadline))
        except BaseException as error:  # noqa: BLE001 - that is the question
            told.append(type(error))
        told.extend((round(loop.time(), 6), task.cancelling()))
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(100)
        told.append(round(loop.time(), 6))

    async def watch(loop: Clockwork) -> None:
        task = asyncio.create_task(perform(loop))
        for moment in play.cancellations:
            loop.call_at(moment, task.cancel)
        await asyncio.wait((task,))

    loop = Clockwork()
    loop.set_debug(False)
    with closing(loop), pytest.MonkeyPatch.context() as patched:
        patched.setattr(lading.plugins.host.calls, "monotonic", loop.time)
        patched.setattr(lading.plugins.host.calls, "PATIENCE_SECONDS", PATIENCE)
        loop.run_until_complete(watch(loop))
    return told


# No two of these add up to the same moment, at which either could be the first.
waits = st.builds(
    Wait,
    st.integers(0, 6).map(float),
    st.sampled_from(TOLD),
    st.none() | st.integers(0, 5).map(lambda number: number + 0.01),
)
plays = st.builds(
    Play,
    st.lists(waits | st.integers(1, 30).map(lambda number: number / 10), max_size=4),
    st.booleans(),
    st.integers(0, 12).map(lambda number: number + 0.003),
    st.lists(st.integers(0, 12).map(lambda number: number + 0.0007), max_size=2, unique=True),
)


@pytest.mark.parametrize("in_turn", [False, True])
@given(play=plays)
@example(play=Play([Wait(4, "swallow", None), Wait(4, "raise", None)], False, 2.003, [3.0007]))
@example(play=Play([Wait(4, "swallow", None), Wait(4, "raise", None)], False, 3.003, [2.0007]))
@example(play=Play([2.5, Wait(4, "raise", None)], False, 2.003, []))
def test_a_deadline_means_what_it_means_to_asyncio(in_turn: bool, play: Play) -> None:
    async def with_caller(begin: Callable[[], Awaitable[str]], seconds: float) -> str:
        caller = Caller("fetch", "acme", FetchError, concurrency=1)
        return await caller.call("open", begin, seconds, in_turn=in_turn)

    async def nested(begin: Callable[[], Awaitable[str]], seconds: float) -> str:
        outer = Caller("fetch", "outer", FetchError, concurrency=1)
        return await outer.call("open", lambda: with_caller(begin, seconds), 10_000)

    expected = performed(play, reference)
    assert performed(play, with_caller) == expected
    assert performed(play, nested) == expected


def test_the_wait_for_a_turn_is_part_of_the_time() -> None:
    async def call(begin: Callable[[], Awaitable[str]], seconds: float) -> str:
        caller = Caller("fetch", "acme", FetchError, concurrency=1)
        async with asyncio.TaskGroup() as group:
            group.create_task(caller.call("open", lambda: asyncio.sleep(2), 9, in_turn=True))
            await asyncio.sleep(0)
            return await caller.call("open", begin, seconds, in_turn=True)

    def play(seconds: float) -> Play:
        return Play([Wait(seconds, "convert", None)], False, 3.003, [])

    assert performed(play(1), call)[:2] == ["answer", 3]
    assert performed(play(2), call)[:2] == [ExceptionGroup, 3.003]


@pytest.mark.gen_test
@pytest.mark.parametrize("in_turn", [False, True])
async def test_a_call_that_never_waits_sets_no_timer(in_turn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = Caller("fetch", "acme", FetchError, concurrency=1)
    loop = asyncio.get_running_loop()
    for name in ("call_at", "call_later", "call_soon"):
        monkeypatch.setattr(loop, name, None)
    assert await caller.call("read", lambda: plugin(Play((), False, 9, ()), _Jumping()), 9, in_turn=in_turn) == "answer"
    monkeypatch.undo()
