"""Bounds the time of connecting, apart from the look-up of the host's name and the wait for it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Final


class ConnectTimedOut(Exception):
    """There was no connection in time."""


class ConnectTimer:
    """Around the making of a connection: bounds its time, but not that of the look-up of the host's name.

    Args:
        seconds: how long all addresses of the host together may take, TLS included.

    Raises:
        ConnectTimedOut: they took longer.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timeout = asyncio.timeout(seconds)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Around the look-up; the time begins at its end."""
        self._reschedule(None)
        yield
        self._reschedule(asyncio.get_running_loop().time() + self._seconds)

    def _reschedule(self, end: float | None) -> None:
        if not self._timeout.expired():
            self._timeout.reschedule(end)

    async def __aenter__(self) -> None:
        self._token = connect_timer.set(self)
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connect_timer.reset(self._token)
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError as expired:
            raise ConnectTimedOut from expired


connect_timer: Final[ContextVar[ConnectTimer | None]] = ContextVar("lading_connect_timer", default=None)
"""The timer of the connection that is being made."""
