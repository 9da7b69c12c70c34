"""Whether the service can work now: the database and the storage answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from .outages import Outage


class Readiness:
    """Probes the parts, at most once a second, however many requests come.

    Args:
        probes: by name of the part; each returns, or raises if the part does not work.
        timeout: seconds that a probe may take.
    """

    def __init__(
        self, probes: Mapping[str, Callable[[], Awaitable[None]]], timeout: float = 5.0, max_age: float = 1.0
    ) -> None:
        self._probes = probes
        self._outages = {name: Outage(name) for name in probes}
        self._timeout = timeout
        self._max_age = max_age
        self._failing: tuple[str, ...] = ()
        self._asked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def failing(self) -> tuple[str, ...]:
        """Names of the parts that do not work; empty if all do."""
        async with self._lock:
            if time.monotonic() - self._asked_at > self._max_age:
                results = await asyncio.gather(*(self._works(name) for name in self._probes))
                self._failing = tuple(name for name, works in zip(self._probes, results, strict=True) if not works)
                self._asked_at = time.monotonic()
            return self._failing

    async def _works(self, name: str) -> bool:
        try:
            async with asyncio.timeout(self._timeout):
                await self._probes[name]()
        except Exception as error:  # noqa: BLE001  # whatever a part raises, it is not ready
            self._outages[name].failed(str(error) or type(error).__name__)
            return False
        self._outages[name].worked()
        return True
