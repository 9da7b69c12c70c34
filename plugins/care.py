"""The care around one call to a plugin of any kind: a deadline, and nothing but ``plugins.errors`` coming out.

The guards around fetchers, detectors and storages are made of it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from plugins.errors import DeadlineExceeded, PluginError, PluginFault


def _never(_error: Exception) -> bool:
    return False


@asynccontextmanager
async def care(
    name: str, operation: str, seconds: float, *, unchanged: Callable[[Exception], bool] = _never
) -> AsyncIterator[None]:
    """Around one call to a plugin.

    A plugin that turns its caller's cancellation into an error of its own does not undo the cancellation.

    Args:
        name: of the plugin; stamped on every error.
        operation: what is called, for the log.
        seconds: how long the call may take; where none are left, it is not made.
        unchanged: tells the errors that are not the plugin's own and pass as they are.

    Raises:
        DeadlineExceeded: the call took longer.
        PluginFault: the plugin raised something outside ``plugins.errors``.
        PluginError: what the plugin raised.
    """
    if seconds <= 0:  # a call that never has to wait could not be interrupted by a timer
        raise _exceeded(name, operation)
    timeout = asyncio.timeout(seconds)
    cancellations = _cancellations()
    try:
        async with timeout:
            yield
    except Exception as error:
        if _cancellations() > cancellations:
            raise asyncio.CancelledError from error
        if timeout.expired():
            raise _exceeded(name, operation) from error
        if unchanged(error):
            raise
        failure = stamped(error, name, operation)
        if failure is error:
            raise
        raise failure from error


def stamped(error: Exception, name: str, operation: str) -> PluginError:
    """The error with the plugin's name on it; a ``PluginFault`` where it is outside ``plugins.errors``."""
    failure = error if isinstance(error, PluginError) else PluginFault(f"{operation} raised {type(error).__name__}")
    failure.plugin = name
    return failure


def _exceeded(name: str, operation: str) -> PluginError:
    return stamped(DeadlineExceeded(f"{operation} did not end before its deadline"), name, operation)


def _cancellations() -> int:
    """How many requests to cancel the current task are pending."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0
