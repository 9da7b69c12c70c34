"""Warm child processes that answer one line with one line.

A call has a child for itself. Children start when they are needed, are kept for later calls, and are replaced after a
number of them. Whatever goes wrong with a call - the child is stuck, the call is cancelled, the child misbehaves - the
child is killed, and its slot is free again when the process is gone: there are never more children than slots.

A child is stuck when it uses no CPU time for as long as the caller's patience lasts. Wall time alone does not tell a
stuck child from a machine that is busy or was paused: a child that works on may take as long as its CPU limit lets it,
and a pause that stops the whole service costs at most one of the looks that the patience consists of.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from ....host.children import Child, start_child
from ....host.turns import Turns

START_PATIENCE = 30.0
"""Seconds that a child may go without using CPU time until it has answered its first line."""
LOOKS = 10
"""How often a child is looked at within the patience of its caller."""


class ChildFailed(Exception):
    """The child gave no answer to this call; the text says why."""


class ChildDied(ChildFailed):
    """The child ended before it answered.

    Attributes:
        returncode: its exit status, or the negative number of the signal that ended it.
    """

    def __init__(self, returncode: int | None) -> None:
        super().__init__(f"the process ended with status {returncode}")
        self.returncode = returncode


class ChildStuck(ChildFailed):
    """The child used no CPU time, gave no answer, and was killed."""


class PoolClosed(ChildFailed):
    """The pool was closed before or during the call."""


class _Child(Child):
    """One child process.

    Attributes:
        give_slot_back: of the slot that is held for it; it has none while it is idle.
    """

    def __init__(self, max_line: int, give_slot_back: Callable[[], None]) -> None:
        super().__init__()
        self.give_slot_back = give_slot_back
        self.answers = 0
        """How many lines it has answered, the first one included."""
        self._max_line = max_line
        self._received = bytearray()
        self._reply: asyncio.Future[bytes | None] | None = None

    async def ask(self, line: bytes, patience: float) -> bytes:
        """Send a line and give the line that answers it. After an error the child is of no use any more.

        Args:
            line: the request.
            patience: seconds that the child may go without using CPU time.

        Raises:
            ChildFailed: there is no answer.
        """
        requests = self.requests
        if requests is None:
            raise ChildDied(self.returncode)
        loop = asyncio.get_running_loop()
        awaited: asyncio.Future[bytes | None] = loop.create_future()
        self._reply = awaited
        watch = _Watch(self, awaited, patience)
        try:
            requests.write(line)
            reply = await awaited
        finally:
            watch.end()
            self._reply = None
        if reply is None:
            raise ChildDied(self.returncode)
        self.answers += 1
        return reply

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002 (stdout is the only one)
        self._received += data
        is_expected = self._reply is not None and len(self._received) <= self._max_line
        if not is_expected or b"\n" in data[:-1]:
            self._received.clear()
            self.kill()
        elif self._received.endswith(b"\n"):
            self._settle(bytes(self._received))
            self._received.clear()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (the exit status says more)
        self._settle(None)
        self.gone.set()

    def _settle(self, reply: bytes | None) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(reply)


class _Watch:
    """Looks at a child that owes an answer, ``LOOKS`` times within the caller's patience.

    It counts looks, not seconds: after a pause of the whole service the next look is late, and counts once.
    """

    def __init__(self, child: _Child, reply: "asyncio.Future[bytes | None]", patience: float) -> None:
        self._child = child
        self._reply = reply
        self._patience = patience
        self._used = child.cpu_seconds()
        self._idle_looks = 0
        self._wait()

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._patience / LOOKS, self._look)

    def _look(self) -> None:
        used = self._child.cpu_seconds()
        has_worked = used is not None and self._used is not None and used > self._used
        self._idle_looks = 0 if has_worked else self._idle_looks + 1
        self._used = used
        if self._idle_looks < LOOKS:
            self._wait()
        elif not self._reply.done():
            self._reply.set_exception(ChildStuck(f"no answer, and no CPU time used, for {self._patience} s"))


class ChildPool:
    """At most ``processes`` children, all alike.

    Args:
        command: program and arguments of a child, whose stdin and stdout carry the lines; stderr is thrown away.
        environment: the child's whole environment.
        first_line: what a child is told when it starts; it answers with one line when it is ready.
        processes: how many children there are at most, at least 1.
        recycle_after: after how many calls a child is replaced, at least 1.
        max_line: longest answer in bytes; a child that sends more is killed.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        first_line: bytes,
        processes: int,
        recycle_after: int,
        max_line: int,
    ) -> None:
        self._command = command
        self._environment = environment
        self._first_line = first_line
        self._processes = processes
        self._recycle_after = recycle_after
        self._max_line = max_line
        # A slot is held for a child from before its start until it is idle or gone.
        self._slots = Turns(processes, name="decoders")
        self._children: set[_Child] = set()
        self._idle: list[_Child] = []
        self._endings: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Lock()
        self._is_closed = False

    @property
    def free(self) -> int:
        """How many children are neither at work nor kept for a call."""
        return self._slots.occupancy.free

    async def call(self, line: bytes | Callable[[], bytes], patience: float) -> bytes:
        """Wait for a free child, however long that takes, then ask it. Issuers take turns.

        Cancelling the call kills the child that works on it; the cancellation takes effect when that child is gone.

        Args:
            line: the request, ending with a newline, or what makes it when the child is ready.
            patience: seconds that the child may go without using CPU time. What bounds a child that works on is its
                own limit of CPU time.

        Raises:
            ChildFailed: there is no answer.
        """
        give_slot_back = await self._slots.take()
        child = self._take_idle() or await self._start(give_slot_back)
        child.give_slot_back = give_slot_back
        try:
            reply = await child.ask(line if isinstance(line, bytes) else line(), patience)
        except BaseException as error:
            await self._retire(child)
            if self._is_closed and isinstance(error, ChildFailed):
                raise PoolClosed("the pool was closed") from error
            raise
        if self._is_closed or child.answers > self._recycle_after:
            self._begin_ending(child)
        else:
            self._idle.append(child)
            give_slot_back()
        return reply

    async def close(self) -> None:
        """Kill all children and wait until they are gone; calls under way end with ``PoolClosed``. Idempotent."""
        self._is_closed = True
        for child in self._children:
            child.kill()
        async with self._closing:
            while self._idle:
                child = self._idle.pop()
                await child.gone.wait()
                self._children.discard(child)
            async with AsyncExitStack() as held:
                # Whoever holds all slots knows that no child is working, starting or ending.
                for _ in range(self._processes):
                    await held.enter_async_context(self._slots.turn())

    def _take_idle(self) -> _Child | None:
        while self._idle:
            child = self._idle.pop()
            if not child.gone.is_set():
                return child
            self._children.discard(child)
        return None

    async def _start(self, give_slot_back: Callable[[], None]) -> _Child:
        """Start a child in the slot that the caller holds; the slot is released where this fails."""
        try:
            self._check_open()
            child = await start_child(lambda: _Child(self._max_line, give_slot_back), self._command, self._environment)
        except BaseException as error:
            give_slot_back()
            if isinstance(error, OSError):
                raise ChildFailed(f"no process could be started: {error}") from error
            raise
        self._children.add(child)
        try:
            self._check_open()
            await child.ask(self._first_line, START_PATIENCE)
        except BaseException:
            await self._retire(child)
            raise
        return child

    def _check_open(self) -> None:
        if self._is_closed:
            raise PoolClosed("the pool is closed")

    async def _retire(self, child: _Child) -> None:
        """Kill a child and wait until it is gone and its slot free, which happens even where this wait is cancelled."""
        await asyncio.shield(self._begin_ending(child))

    def _begin_ending(self, child: _Child) -> asyncio.Task[None]:
        ending = asyncio.get_running_loop().create_task(self._end(child))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        return ending

    async def _end(self, child: _Child) -> None:
        try:
            child.kill()
            await child.gone.wait()
        finally:
            self._children.discard(child)
            child.give_slot_back()
