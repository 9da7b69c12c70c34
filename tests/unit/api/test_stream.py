"""A connection reads a head in small pieces and a body in large ones."""

import asyncio
import gc
import itertools
import re
import socket
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.iostream import StreamClosedError

from lading.service.api.http.connections.early_answers import EarlyAnswers
from lading.service.api.http.connections.long_heads import Refusals
from lading.service.api.http.connections.stream import END_OF_HEAD, LITTLE, Deadline, Stream
from lading.service.api.http.in_flight import InFlight

LONG = 1_000_000


@pytest.mark.gen_test
async def test_a_body_is_read_in_larger_pieces_than_the_heads_around_it() -> None:
    ours, theirs = socket.socketpair()
    in_flight = InFlight()
    stream = Stream(ours, 60.0, Refusals(4096, in_flight), EarlyAnswers(in_flight))
    sizes: list[int] = []
    read = stream.read_from_fd

    def read_from_fd(buffer: bytearray | memoryview) -> int | None:
        sizes.append(len(buffer))
        return read(buffer)

    stream.read_from_fd = read_from_fd  # type: ignore[method-assign, assignment]
    try:
        loop = asyncio.get_running_loop()
        sending = loop.run_in_executor(None, theirs.sendall, b"head\r\n\r\n" + b"x" * LONG + b"next\r\n\r\n")
        assert await stream.read_until_regex(b"\r\n\r\n") == b"head\r\n\r\n"
        assert set(sizes) == {LITTLE}
        sizes.clear()
        assert await stream.read_bytes(LONG) == b"x" * LONG
        assert set(sizes) == {65536}
        await sending
        sizes.clear()
        assert await stream.read_until_regex(b"\r\n\r\n") == b"next\r\n\r\n"
        assert set(sizes) <= {LITTLE}
        short = stream.read_bytes(10)
        theirs.sendall(b"y" * 10)
        assert await short == b"y" * 10
        assert set(sizes) == {LITTLE}
    finally:
        stream.close()
        theirs.close()


def test_a_head_ends_where_tornado_ends_it() -> None:
    theirs, ours = re.compile(rb"\r?\n\r?\n"), re.compile(END_OF_HEAD)
    for signs in itertools.product((b"\r", b"\n", b"a"), repeat=7):
        head = b"".join(signs)
        expected, found = theirs.search(head), ours.search(head)
        assert (found and found.end()) == (expected and expected.end())


class Moments(asyncio.SelectorEventLoop):
    """An event loop whose time is set, and whose timers are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.timers: list[tuple[float, asyncio.TimerHandle]] = []

    def time(self) -> float:
        return self.now

    def call_at(  # type: ignore[override]  # without their types
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self.timers.append((when, handle))
        return handle

    def go_to(self, moment: float) -> None:
        """Let the time pass."""
        while (due := sorted((when, id(one), one) for when, one in self.timers if when <= moment)) != []:
            when, _, handle = due[0]
            self.timers.remove((when, handle))
            self.now = when
            if not handle.cancelled():
                handle._run()
        self.now = moment


@given(st.lists(st.tuples(st.sampled_from([None, 2.0, 11.0, 30.0]), st.integers(0, 20)), max_size=12))
def test_a_deadline_passes_when_it_is_due_and_never_before(steps: Sequence[tuple[float | None, int]]) -> None:
    loop = Moments()

    async def made() -> Deadline:
        return Deadline(lambda: passed.append(loop.now))

    passed: list[float] = []
    try:
        deadline, due = loop.run_until_complete(made()), None
        for seconds, rest in steps:
            if seconds is None:
                deadline.clear()
                due = None
            else:
                deadline.set(seconds)
                due = loop.now + seconds
            loop.go_to(loop.now + rest)
            if due is not None and due <= loop.now:
                assert passed == [due]
                return
            assert passed == []
        deadline.end()
        loop.go_to(loop.now + 100)
        assert passed == []
    finally:
        loop.close()


def test_deadlines_that_are_met_share_a_timer() -> None:
    loop = Moments()

    async def made() -> Deadline:
        return Deadline(lambda: None)

    try:
        deadline = loop.run_until_complete(made())
        for _ in range(1000):
            for seconds in (30.0, 11.0):
                deadline.set(seconds)
                deadline.clear()
        assert len(loop.timers) == 2
        deadline.end()
        deadline.set(1.0)
        assert all(timer.cancelled() for _, timer in loop.timers)
    finally:
        loop.close()


@pytest.mark.gen_test
async def test_a_closed_connection_is_not_kept_by_its_deadline() -> None:
    ours, theirs = socket.socketpair()
    in_flight = InFlight()
    stream = Stream(ours, 3600.0, Refusals(4096, in_flight), EarlyAnswers(in_flight))
    kept = weakref.ref(stream)
    reading = stream.read_until_regex(b"\r\n\r\n")
    theirs.close()
    with pytest.raises(StreamClosedError):
        await reading
    with pytest.raises(StreamClosedError):
        stream.read_until_regex(b"\r\n\r\n")  # as Tornado's loop does
    del stream, reading
    gc.collect()
    await asyncio.sleep(0)
    gc.collect()
    assert kept() is None


@pytest.mark.gen_test
async def test_a_connection_closes_when_no_head_comes() -> None:
    ours, theirs = socket.socketpair()
    in_flight = InFlight()
    stream = Stream(ours, 0.01, Refusals(4096, in_flight), EarlyAnswers(in_flight))
    try:
        with pytest.raises(StreamClosedError):
            async with asyncio.timeout(30):
                await stream.read_until_regex(b"\r\n\r\n")
    finally:
        theirs.close()
