"""One call to a plugin of any kind, third parties' included. The guards make every call through this module.

It adds a deadline that also ends calls that ignore cancellation, a bound on concurrent calls, the check of the error's
class, a record of each call, and a watch for plugins that block the event loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from time import monotonic
from typing import Any, Final, Generic, NoReturn, TypeVar

from ..errors import DeadlineExceeded, PluginBlocked, PluginError
from .record import Observer, PluginCall, ignore
from .stamping import Stamp
from .turns import Turns
from .watch import Step, StoodStill, Unwatched, Watch

Result = TypeVar("Result")

PATIENCE_SECONDS: Final = 5.0
"""Seconds that a cancelled call may take to release its resources; after that, Lading abandons it."""


def _never(_error: Exception) -> bool:
    return False


class Caller:
    """Makes the calls to one plugin. Created inside the running event loop.

    Args:
        kind: of the plugin, by its section of ``service.conf``.
        name: its entry-point name, which each of its errors carries.
        raises: the errors that its contract allows.
        concurrency: the largest number of concurrent calls; further calls wait for their turn within their deadline.
            Issuers take turns.
        observer: learns of every call.
        watch: watches the event loop, or None.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        raises: type[PluginError],
        *,
        concurrency: int,
        observer: Observer = ignore,
        watch: Watch | None = None,
    ) -> None:
        self.name = name
        self.stamp = Stamp(name, raises)
        self._turns = Turns(concurrency, name=f"{kind}.{name}")
        self._kind = kind
        self._observer = observer
        self._watch = watch or Unwatched()

    async def call(
        self,
        operation: str,
        begin: Callable[[], Awaitable[Result]],
        seconds: float,
        *,
        in_turn: bool = False,
        unchanged: Callable[[Exception], bool] = _never,
    ) -> Result:
        """Make one call. A plugin that turns its caller's cancellation into an error of its own does not undo the
        cancellation.

        Args:
            operation: the name of the call, for logs.
            begin: makes the call.
            seconds: the time that the call may take; if none is left, the call is not made.
            in_turn: whether the call counts towards ``concurrency``, and waits for its turn.
            unchanged: recognises errors that are not the plugin's own and pass as they are.

        Raises:
            DeadlineExceeded: the call took longer.
            PluginBlocked: the plugin blocked the event loop and was cut off.
            PluginFault: the plugin raised an error that its contract does not allow.
            PluginError: the plugin's error.
        """
        began = monotonic()
        outcome = "cancelled"
        give_back: Callable[[], None] | None = None
        try:
            if in_turn:
                give_back = await self.take_turn(operation, seconds)
            call = self._begun(operation, begin, began + seconds)
            try:
                result = await call
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - judged, and raised as what it is
                _raise(self._failure(error, call, operation, unchanged), error)
        except Exception as error:
            outcome = error.code if isinstance(error, PluginError) and not unchanged(error) else "source_failed"
            raise
        else:
            outcome = "ok"
            return result
        finally:
            if give_back is not None:
                give_back()
            self._observer(PluginCall(self._kind, self.name, operation, outcome, monotonic() - began))

    def call_now(self, operation: str, function: Callable[[], Result]) -> Result:
        """Make one call to a method that is no coroutine. Raises as ``call``, but never ``DeadlineExceeded``."""
        began = monotonic()
        outcome = "cancelled"
        self._watch.begins()
        try:
            result = _take(Step(self.name), self._watch, function)
        except Exception as error:  # noqa: BLE001 - judged, and raised as what it is
            failure = self.stamp.judged(error, operation)
            outcome = failure.code
            _raise(failure, error)
        else:
            outcome = "ok"
            return result
        finally:
            self._watch.ends()
            self._observer(PluginCall(self._kind, self.name, operation, outcome, monotonic() - began))

    async def take_turn(self, operation: str, seconds: float) -> Callable[[], None]:
        """Wait for a turn, for ``call`` or for several calls. What is returned gives it back.

        Raises:
            DeadlineExceeded: the turn did not come within ``seconds``.
        """
        if seconds <= 0:
            raise self._exceeded(operation)
        try:
            return await self._turns.take(seconds)
        except TimeoutError as error:
            raise self._exceeded(operation) from error

    def _begun(self, operation: str, begin: Callable[[], Awaitable[Result]], end: float) -> "_Call[Result]":
        if end <= monotonic():  # a timer cannot interrupt a call that never waits
            raise self._exceeded(operation)
        return _Call(self.name, begin, end, self._watch)

    def _failure(
        self,
        error: Exception | asyncio.CancelledError,
        call: "_Call[Result]",
        operation: str,
        unchanged: Callable[[Exception], bool],
    ) -> Exception | asyncio.CancelledError:
        """What a call raises that ended with an error."""
        if call.is_cancelled:
            return error if isinstance(error, asyncio.CancelledError) else asyncio.CancelledError()
        if call.is_overdue:
            return self._exceeded(operation)
        if isinstance(error, asyncio.CancelledError) or unchanged(error):
            return error
        return self.stamp.judged(error, operation)

    def _exceeded(self, operation: str) -> PluginError:
        return self.stamp.judged(DeadlineExceeded(f"{operation} did not end before its deadline"), operation)


def _raise(failure: BaseException, error: BaseException) -> NoReturn:
    """Raise what an error is told as."""
    if failure is error:
        raise failure
    raise failure from error


def _take(step: Step, watch: Watch | Unwatched, function: Callable[[], Result]) -> Result:
    """Run a step of a plugin that does not return to the loop.

    Raises:
        PluginBlocked: the step was cut off.
    """
    outer, watch.at_work = watch.at_work, step
    try:
        return function()
    except StoodStill as error:
        raise _blocked() from error
    finally:
        watch.at_work = outer


def _blocked() -> PluginBlocked:
    return PluginBlocked("it was interrupted")


class _Call(Step, Generic[Result]):
    """Awaits a plugin's coroutine, step by step, within its time. Created in the task that awaits it, once.

    The watch knows at each step which plugin is at work. At the deadline, a timer cancels the task, as
    ``asyncio.timeout`` does. The timer is set when the call first waits, since most calls never do. If a cancelled call
    has not ended ``PATIENCE_SECONDS`` later, Lading abandons it: the caller continues as if the call had ended.

    Args:
        plugin: its entry-point name.
        begin: makes the call.
        end: the deadline on the monotonic clock.
        watch: learns of each step.

    Attributes:
        is_overdue: whether the deadline has passed before the end of the call.
    """

    __slots__ = ("_begin", "_deadline", "_end", "_left", "_patience", "_requests", "_task", "_watch", "is_overdue")

    def __init__(
        self, plugin: str, begin: Callable[[], Awaitable[Result]], end: float, watch: Watch | Unwatched
    ) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a plugin is called outside of a task")
        super().__init__(plugin)
        self._begin = begin
        self._end = end
        self._watch = watch
        self._task = task
        self._requests = task.cancelling()
        self._deadline: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._left = False
        self.is_overdue = False

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has asked to cancel the task during the call."""
        return self._task.cancelling() > self._requests

    def __await__(self) -> Generator[Any, Any, Result]:
        watch = self._watch
        watch.begins()
        try:
            steps = _take(self, watch, lambda: self._begin().__await__())
            failure: BaseException | None = None
            try:
                while True:
                    outer, watch.at_work = watch.at_work, self
                    try:
                        awaited = next(steps) if failure is None else steps.throw(failure)
                    except StopIteration as end:
                        return end.value  # type: ignore[no-any-return]
                    except StoodStill as error:
                        raise _blocked() from error
                    finally:
                        watch.at_work = outer
                    if self._deadline is None:
                        # A delay, and not a time of the loop, which is as old as the loop's present turn.
                        rest = max(0.0, self._end - monotonic())
                        self._deadline = asyncio.get_running_loop().call_later(rest, self._expire)
                    try:
                        yield awaited
                    except BaseException as error:  # noqa: BLE001 - what the task is told, the plugin is told
                        self._lose_patience(error)
                        failure = error
                    else:
                        failure = None
            finally:
                self._settle()
                if self._left:
                    with suppress(Exception):  # a call that ignores cancellation may ignore this too
                        steps.close()
        finally:
            watch.ends()

    def _expire(self) -> None:
        self.is_overdue = True
        self._task.cancel()

    def _settle(self) -> None:
        """End the call: neither its timers nor the deadline's request to cancel outlive it."""
        if self._deadline is not None:
            self._deadline.cancel()
        if self._patience is not None:
            self._patience.cancel()
        if self.is_overdue:
            self._task.uncancel()

    def _lose_patience(self, error: BaseException) -> None:
        """Start to wait for the end of a cancelled call, or raise if that wait is over."""
        if not isinstance(error, asyncio.CancelledError):
            return
        if self._left:
            self._task.uncancel()  # this request was the deadline's
            raise error
        # If the plugin cancels and awaits a task of its own, that is no request to end the call.
        if self._patience is None and self.is_cancelled:
            self._patience = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._leave)

    def _leave(self) -> None:
        self._patience = None
        if not self.is_cancelled:
            return  # a timeout of the plugin's own, which the plugin has handled
        self._left = True
        self._task.cancel()
