"""Whether the service can work now: the database, the storages and the folders answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from .outages import Outage

Probe = Callable[[], Awaitable[None]]
"""Returns, or raises if its part does not work."""


class Part(NamedTuple):
    """A part as its last probe found it.

    Attributes:
        works: whether it works.
        is_required: whether the process cannot do its work without it.
        seconds: duration of the probe.
        reason: why it fails, for operators alone; empty if it works.
    """

    name: str
    works: bool
    is_required: bool
    seconds: float
    reason: str


class Readiness:
    """Probes the parts, at most once a second, however many requests come.

    Args:
        probes: by name of the part, of the parts that the work needs.
        others: of further parts, which are told of but keep nobody from being ready.
        within: another readiness whose parts, and whose probes, are part of this one.
        timeout: seconds that a probe may take.
        outages: by name of the part, the state that others have logged already.
    """

    def __init__(
        self,
        probes: Mapping[str, Probe],
        timeout: float = 5.0,
        max_age: float = 1.0,
        *,
        others: Mapping[str, Probe] | None = None,
        within: "Readiness | None" = None,
        outages: Mapping[str, Outage] | None = None,
    ) -> None:
        self._probes = {**probes, **(others or {})}
        self._required = frozenset(probes)
        self._within = within
        self._outages = {name: Outage(name) for name in self._probes} | dict(outages or {})
        self._timeout = timeout
        self._max_age = max_age
        self._parts: tuple[Part, ...] = ()
        self._asked_at = float("-inf")
        self._lock = asyncio.Lock()
        self._is_stopping = False

    @property
    def is_stopping(self) -> bool:
        """Whether the process will soon accept no requests; it still answers them."""
        return self._is_stopping or (self._within is not None and self._within.is_stopping)

    def stop(self) -> None:
        """Be ready no more, since the process will soon accept no requests."""
        self._is_stopping = True

    async def parts(self) -> Sequence[Part]:
        """Every part as it is now, or was a second ago; those of ``within`` first."""
        before = () if self._within is None else await self._within.parts()
        async with self._lock:
            if time.monotonic() - self._asked_at > self._max_age:
                self._parts = tuple(await asyncio.gather(*(self._probed(name) for name in self._probes)))
                self._asked_at = time.monotonic()
            return (*before, *self._parts)

    async def failing(self) -> tuple[str, ...]:
        """Names of the required parts that do not work; empty if all do."""
        return tuple(part.name for part in await self.parts() if part.is_required and not part.works)

    async def _probed(self, name: str) -> Part:
        began = time.monotonic()
        reason = ""
        try:
            async with asyncio.timeout(self._timeout):
                await self._probes[name]()
        except Exception as error:  # noqa: BLE001  # whatever a part raises, it is not ready
            reason = str(error) or type(error).__name__
            self._outages[name].failed(reason)
        else:
            self._outages[name].worked()
        return Part(name, not reason, name in self._required, time.monotonic() - began, reason)
