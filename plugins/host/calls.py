"""One call to a plugin, step by step: its deadline, its cancellation, and what becomes of it where it is deaf to both.

``lading.plugins.host.care`` is what the guards are made of; this is its innermost part.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from ..errors import PluginBlocked
from .watch import Step, StoodStill, Unwatched, Watch

Result = TypeVar("Result")

PATIENCE_SECONDS: Final = 5.0
"""How long a call that was cancelled may take to release what it holds; then it is left to itself."""


def take_step(step: Step, watch: Watch | Unwatched, function: Callable[[], Result]) -> Result:
    """What a plugin does without giving the loop a turn.

    Raises:
        PluginBlocked: it was cut off.
    """
    outer, watch.at_work = watch.at_work, step
    try:
        return function()
    except StoodStill as error:
        raise PluginBlocked("it was interrupted") from error
    finally:
        watch.at_work = outer


class Call(Generic[Result]):
    """Awaits what a plugin gives, step by step, within its time. Made in the task that awaits it, which it does once.

    The watch knows at each step who is at work. At the deadline the task is cancelled, as ``asyncio.timeout`` does it,
    by a timer that is set when the call first has to wait: most calls never do. When the call was cancelled and has not
    ended ``PATIENCE_SECONDS`` later, it is left to itself: the caller goes on as if it had ended.

    Args:
        begin: makes the call.
        seconds: how long it may take, from now on.
        step: the plugin's.
        watch: told of the step.

    Attributes:
        is_overdue: whether its deadline has passed before it ended.
    """

    __slots__ = (
        "_begin",
        "_deadline",
        "_end",
        "_left",
        "_patience",
        "_requests",
        "_step",
        "_task",
        "_watch",
        "is_overdue",
    )

    def __init__(
        self, begin: Callable[[], Awaitable[Result]], seconds: float, step: Step, watch: Watch | Unwatched
    ) -> None:
        self._begin = begin
        self._end = monotonic() + seconds
        self._step = step
        self._watch = watch
        self._task = _current_task()
        self._requests = self._task.cancelling()
        self._deadline: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._left = False
        self.is_overdue = False

    @property
    def is_cancelled(self) -> bool:
        """Whether, now that the call has ended, somebody has asked to cancel the task meanwhile."""
        return self._task.cancelling() > self._requests

    def __await__(self) -> Generator[Any, Any, Result]:
        self._watch.begins()
        try:
            steps = take_step(self._step, self._watch, lambda: self._begin().__await__())
            resume: Callable[[], Any] = steps.__next__
            try:
                while True:
                    try:
                        awaited = take_step(self._step, self._watch, resume)
                    except StopIteration as end:
                        return end.value  # type: ignore[no-any-return]
                    if self._deadline is None:
                        # A delay and no time of the loop: that is as old as the loop's present turn.
                        rest = max(0.0, self._end - monotonic())
                        self._deadline = asyncio.get_running_loop().call_later(rest, self._expire)
                    try:
                        yield awaited
                    except BaseException as error:  # noqa: BLE001 - what the task is told, the plugin is told
                        self._lose_patience(error)
                        resume = partial(steps.throw, error)
                    else:
                        resume = steps.__next__
            finally:
                self._settle()
                if self._left:
                    with suppress(Exception):  # what is deaf to a cancellation may be deaf to this as well
                        steps.close()
        finally:
            self._watch.ends()

    def _expire(self) -> None:
        self.is_overdue = True
        self._task.cancel()

    def _settle(self) -> None:
        """The call has ended: neither its timers nor the request that the deadline made outlive it."""
        if self._deadline is not None:
            self._deadline.cancel()
        if self._patience is not None:
            self._patience.cancel()
        if self.is_overdue:
            self._task.uncancel()

    def _lose_patience(self, error: BaseException) -> None:
        """Begin to wait for the end of a cancelled call, or raise where the wait is over."""
        if not isinstance(error, asyncio.CancelledError):
            return
        if self._left:
            self._task.uncancel()  # that request was our own
            raise error
        # What the plugin has cancelled itself, and awaits, is no request to end the call.
        if self._patience is None and self.is_cancelled:
            self._patience = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._leave)

    def _leave(self) -> None:
        self._patience = None
        if not self.is_cancelled:
            return  # it was a timeout of the plugin's own, which it has dealt with
        self._left = True
        self._task.cancel()


def _current_task() -> "asyncio.Task[Any]":
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a plugin is called outside of a task")
    return task
