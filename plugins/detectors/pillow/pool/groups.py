"""Calls that share an exchange with a child: waking a child costs as much as its look at a small image.

Calls of one issuer that wait when a child becomes free go to it together, in their order. The child answers as many as
it has time for, at least one; the others wait again, before later calls. If an exchange of several calls fails, each of
them is asked alone. So each ends as if it had always been alone, and no image harms another issuer's.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from ....host.turns import present_issuer
from ....host.waits import until_done
from .children import ChildFailed, ChildPool

MAX_GROUP: Final = 16
"""Calls of one exchange."""
SEPARATOR: Final = b"\t"
"""Between the answers of one line; JSON escapes it."""


class _Exchange:
    """Calls that wait for a child, or are with one.

    Attributes:
        calls: in their order.
        task: that waits for the child and asks it.
    """

    __slots__ = ("calls", "task")

    def __init__(self) -> None:
        self.calls: list[_Call] = []
        self.task: asyncio.Task[None] | None = None

    @property
    def awaited(self) -> list["_Call"]:
        """The calls that somebody still waits for."""
        return [call for call in self.calls if not call.reply.done()]


class _Call:
    """A call.

    Attributes:
        path: of its file.
        reply: its answer; None if it is to be asked alone.
        exchange: that it is part of.
    """

    __slots__ = ("exchange", "path", "reply")

    def __init__(self, path: str, exchange: _Exchange) -> None:
        self.path = path
        self.reply: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.exchange = exchange


class Groups:
    """Asks the children of a pool about files.

    Args:
        pool: has the children.
        question: makes the line that asks about the files at these paths. A child answers it with a line of at least
            one answer and at most as many as paths, in their order.
        patience: see ``ChildPool.call``.
    """

    def __init__(self, pool: ChildPool, question: Callable[[Sequence[str]], bytes], patience: float) -> None:
        self._pool = pool
        self._question = question
        self._patience = patience
        self._waiting: dict[str, _Exchange] = {}
        """By issuer, the exchange that waits for a child. Further calls join it."""

    async def call(self, path: str) -> bytes:
        """The answer about the file at a path. Waits, may be cancelled, and raises, as ``ChildPool.call``."""
        issuer = present_issuer()
        exchange = self._waiting_for(issuer)
        call = _Call(path, exchange)
        exchange.calls.append(call)
        try:
            reply = await call.reply
        except asyncio.CancelledError:
            await self._leave(issuer, call.exchange)
            raise
        return await self._pool.call(self._question((path,)), self._patience) if reply is None else reply

    def _waiting_for(self, issuer: str) -> _Exchange:
        """The exchange of an issuer that waits for a child."""
        exchange = self._waiting.get(issuer)
        if exchange is None:
            exchange = self._waiting[issuer] = _Exchange()
            exchange.task = asyncio.get_running_loop().create_task(self._run(issuer, exchange))
        return exchange

    async def _run(self, issuer: str, exchange: _Exchange) -> None:
        try:
            line = await self._pool.call(lambda: self._begun(issuer, exchange), self._patience)
        except Exception as error:  # noqa: BLE001 - a call that waits is told of any error
            self._forget(issuer, exchange)  # where no child could be started
            is_shared = isinstance(error, ChildFailed) and len(exchange.calls) > 1
            for call in exchange.awaited:
                if is_shared:
                    call.reply.set_result(None)
                else:
                    call.reply.set_exception(error)
            return
        answers = line.removesuffix(b"\n").split(SEPARATOR)
        rest = exchange.calls[len(answers) :]
        for call, answer in zip(exchange.calls, answers, strict=False):
            if not call.reply.done():
                call.reply.set_result(answer)
        self._wait_again(issuer, rest)

    def _begun(self, issuer: str, exchange: _Exchange) -> bytes:
        """The question of an exchange whose child is ready. It leaves calls to the other children that are free."""
        calls = exchange.awaited
        count = min(MAX_GROUP, -(-len(calls) // (1 + self._pool.free)))
        exchange.calls = calls[:count]
        self._forget(issuer, exchange)
        self._wait_again(issuer, calls[count:])
        return self._question([call.path for call in exchange.calls])

    def _wait_again(self, issuer: str, calls: Sequence[_Call]) -> None:
        awaited = [call for call in calls if not call.reply.done()]
        if not awaited:
            return
        exchange = self._waiting_for(issuer)
        exchange.calls[:0] = awaited
        for call in awaited:
            call.exchange = exchange

    async def _leave(self, issuer: str, exchange: _Exchange) -> None:
        """End an exchange if nobody waits for it any more. Its child is gone then."""
        if exchange.task is None or exchange.awaited:
            return
        self._forget(issuer, exchange)
        exchange.task.cancel()
        await until_done(exchange.task)

    def _forget(self, issuer: str, exchange: _Exchange) -> None:
        """Let no further call join an exchange."""
        if self._waiting.get(issuer) is exchange:
            del self._waiting[issuer]
