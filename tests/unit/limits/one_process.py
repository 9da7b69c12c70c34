"""Request limits of one process, in memory."""

from collections.abc import Callable
from time import monotonic

from lading.service.documents.memory.records import MemoryRecordStore
from lading.service.limits.rates import Policy, Rates
from lading.service.models.clock import Clock, SystemClock

NO_LIMIT = Policy("organization", 0, 60)


def open_records(clock: Clock) -> MemoryRecordStore:
    """A record store that needs no opening."""
    return MemoryRecordStore(clock, lambda: None)


def rates_of_one_process(
    issuers: Policy,
    organizations: Policy = NO_LIMIT,
    clock: Clock | None = None,
    now: Callable[[], float] = monotonic,
) -> Rates:
    """Limits that no other process shares."""
    clock = clock or SystemClock()
    return Rates(open_records(clock), clock, issuers, organizations, now=now)
