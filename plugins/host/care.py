"""The care around every call to a plugin of any kind, third parties' included; the guards are made of it.

A deadline that also ends what is deaf to cancellation, a bound on how many calls run at once, nothing but the errors of
the kind coming out, each well-formed and with the plugin's name on it, an observer, and a watch for what blocks the
event loop.
"""

import asyncio
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final, NoReturn, TypeVar, cast

from ..errors import DeadlineExceeded, PluginBlocked, PluginError, PluginFault
from .calls import Call, take_step
from .observing import Observed, Observer, ignore
from .watch import Step, Unwatched, Watch

Result = TypeVar("Result")

_CODE: Final = re.compile(r"[a-z][a-z0-9_]*")
_OF_ANY_KIND: Final = (DeadlineExceeded, PluginBlocked, PluginFault)


def _never(_error: Exception) -> bool:
    return False


class Care:
    """The care around one plugin. Made inside the running event loop.

    Args:
        kind: of the plugin, by its section of ``service.conf``.
        name: its entry-point name, which is stamped on every error.
        raises: the errors that its contract allows.
        concurrency: how many calls run at once; more wait for their turn within their deadline.
        observer: told of every call.
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
        self._turns = asyncio.Semaphore(concurrency)
        self._kind = kind
        self._raises = raises
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
        """Make one call. A plugin that turns its caller's cancellation into an error of its own does not undo it.

        Args:
            operation: what is called, for logs.
            begin: makes the call.
            seconds: how long it may take; where none are left, it is not made.
            in_turn: whether it is one of those that are bounded in number, and waits for its turn first.
            unchanged: tells the errors that are not the plugin's own and pass as they are.

        Raises:
            DeadlineExceeded: the call took longer.
            PluginBlocked: it blocked the event loop and was cut off.
            PluginFault: the plugin raised something that its contract does not allow.
            PluginError: what the plugin raised.
        """
        with self._observed(operation, unchanged):
            if not in_turn:
                return await self._bounded(operation, begin, seconds, unchanged)
            end = monotonic() + seconds
            await self._take_turn(operation, seconds)
            try:
                return await self._bounded(operation, begin, end - monotonic(), unchanged)
            finally:
                self._turns.release()

    @asynccontextmanager
    async def turn(self, seconds: float) -> AsyncIterator[None]:
        """Around several calls that are bounded in number together.

        Raises:
            DeadlineExceeded: the turn did not come within so many seconds.
        """
        await self._take_turn("the wait for its turn", seconds)
        try:
            yield
        finally:
            self._turns.release()

    def call_now(self, operation: str, function: Callable[[], Result]) -> Result:
        """Make one call to a method that is no coroutine. Raises as ``call``, ``DeadlineExceeded`` aside."""
        with self._observed(operation, _never):
            try:
                self._watch.begins()
                try:
                    return take_step(Step(self.name), self._watch, function)
                finally:
                    self._watch.ends()
            except Exception as error:  # noqa: BLE001 - judged, and raised as what it is
                self._raise(error, operation)

    def fault(self, internal: str) -> PluginFault:
        """An error that says what the plugin did wrong."""
        fault = PluginFault(internal)
        fault.plugin = self.name
        return fault

    def judged(self, error: Exception, operation: str) -> PluginError:
        """The error with the plugin's name on it; a ``PluginFault`` where its contract does not allow it."""
        if not isinstance(error, PluginError):
            return self.fault(f"{operation} raised {type(error).__name__}")
        problem = malformed(error)
        if problem is not None:
            return self.fault(f"{operation} raised {type(error).__name__}: {problem}")
        if not isinstance(error, (self._raises, *_OF_ANY_KIND)):
            return self.fault(f"{operation} raised {type(error).__name__}, which is no {self._raises.__name__}")
        error.plugin = self.name
        return error

    async def _take_turn(self, operation: str, seconds: float) -> None:
        """Wait for a turn, which the caller gives back; mostly one is free, and no timer is needed."""
        if seconds <= 0:
            raise self._exceeded(operation)
        if not self._turns.locked():
            await self._turns.acquire()
            return
        try:
            async with asyncio.timeout(seconds):
                await self._turns.acquire()
        except TimeoutError as error:
            raise self._exceeded(operation) from error

    async def _bounded(
        self,
        operation: str,
        begin: Callable[[], Awaitable[Result]],
        seconds: float,
        unchanged: Callable[[Exception], bool],
    ) -> Result:
        if seconds <= 0:  # a call that never has to wait could not be interrupted by a timer
            raise self._exceeded(operation)
        call = Call(begin, seconds, Step(self.name), self._watch)
        try:
            return await call
        except asyncio.CancelledError as error:
            if call.is_cancelled or not call.is_overdue:
                raise
            raise self._exceeded(operation) from error
        except Exception as error:
            if call.is_cancelled:
                raise asyncio.CancelledError from error
            if call.is_overdue:
                raise self._exceeded(operation) from error
            if unchanged(error):
                raise
            self._raise(error, operation)

    def _raise(self, error: Exception, operation: str) -> NoReturn:
        failure = self.judged(error, operation)
        if failure is error:
            raise failure
        raise failure from error

    def _exceeded(self, operation: str) -> PluginError:
        return self.judged(DeadlineExceeded(f"{operation} did not end before its deadline"), operation)

    def _observed(self, operation: str, unchanged: Callable[[Exception], bool]) -> Observed:
        return Observed(self._observer, self._kind, self.name, operation, unchanged)


def malformed(error: PluginError) -> str | None:
    """Why an error that a plugin made cannot be shown or acted upon, or None if it can."""
    code, retryable, internal = cast("tuple[object, ...]", (error.code, error.retryable, error.internal))
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        return "its code is not a word in lower case"
    if type(retryable) is not bool:
        return "its retryable is not a bool"
    if not isinstance(internal, str):
        return "its internal is not a str"
    wait = error.retry_after
    if wait is not None and not (isinstance(wait, int | float) and math.isfinite(wait) and wait >= 0):
        return "its retry_after is not a number of seconds"
    try:
        detail: object = error.detail
    except Exception:  # noqa: BLE001 - a text of the plugin's own making
        return "its public_text lacks a fact"
    if not isinstance(detail, str) or not detail.strip() or not detail.isprintable():
        return "its text for the client is empty or cannot be printed"
    return None
