"""A plugin that another one may replace while it is in use."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Plugin = TypeVar("Plugin")


class Replaceable(Generic[Plugin]):
    """The present plugin of a guard. A replaced plugin closes after its last use.

    Args:
        plugin: the first one.
        close: closes a plugin; its errors are the caller's affair.
    """

    def __init__(self, plugin: Plugin, close: Callable[[Plugin], Awaitable[None]]) -> None:
        self._present = _Term(plugin)
        self._close = close
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def present(self) -> Plugin:
        """The present plugin, for one call that does not wait."""
        return self._present.plugin

    @contextmanager
    def use(self) -> Iterator[Plugin]:
        """The present plugin, which stays open within the block."""
        term = self._present
        term.uses += 1
        try:
            yield term.plugin
        finally:
            term.uses -= 1
            self._end_if_over(term)

    def replace(self, plugin: Plugin) -> None:
        """Use another plugin from now on. Call this in the running event loop."""
        before, self._present = self._present, _Term(plugin)
        self._end_if_over(before)

    async def close(self) -> None:
        """Close the present plugin, and wait for the replaced ones that are closing."""
        try:
            await self._close(self.present)
        finally:
            await asyncio.gather(*self._closing, return_exceptions=True)

    def _end_if_over(self, term: "_Term[Plugin]") -> None:
        if term is self._present or term.uses:
            return
        closing = asyncio.ensure_future(self._close(term.plugin))
        self._closing.add(closing)
        closing.add_done_callback(self._ended)

    def _ended(self, closing: "asyncio.Task[None]") -> None:
        self._closing.discard(closing)
        if not closing.cancelled():
            closing.exception()  # the guard's record of the call has it


class _Term(Generic[Plugin]):
    __slots__ = ("plugin", "uses")

    def __init__(self, plugin: Plugin) -> None:
        self.plugin = plugin
        self.uses = 0
