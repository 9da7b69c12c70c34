"""Makes the pings of fetchers, detectors and processors safe to call, for their guards."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Final

from ..capabilities import SupportsPing
from .calls import Caller

PING_SECONDS: Final = 10.0


def pinger_of(
    plugin: object, caller: Caller, use: Callable[[], AbstractContextManager[object]] | None = None
) -> SupportsPing | None:
    """The ping of a plugin through its caller; None if the plugin has none.

    Args:
        plugin: the plugin.
        caller: makes the calls.
        use: keeps the present plugin open within a block, where another plugin may replace it.
    """
    return _GuardedPing(caller, use or partial(nullcontext, plugin)) if isinstance(plugin, SupportsPing) else None


class _GuardedPing(SupportsPing):
    def __init__(self, caller: Caller, use: Callable[[], AbstractContextManager[object]]) -> None:
        self._caller = caller
        self._use = use

    async def ping(self) -> None:
        """See ``SupportsPing.ping``. In addition to its errors: see ``Caller.call``."""
        with self._use() as plugin:
            if not isinstance(plugin, SupportsPing):
                raise self._caller.stamp.fault("it has no ping any more")
            await self._caller.call("ping", plugin.ping, PING_SECONDS)
