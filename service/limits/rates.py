"""Request rates of issuers and organisations: a token bucket for each, which all processes of the service share.

``lending`` has the buckets in the document store, ``borrowing`` the part of each process in them. Memory holds the
senders of the last seconds only, at most ``MAX_SENDERS``.
"""

import asyncio
import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ...plugins.contracts.quick import quick
from ..documents.records import RecordStore
from ..models.clock import Clock
from ..observe.outages import Outage
from .borrowing import Borrower, Surroundings
from .lending import Lending, Terms

MAX_SENDERS: Final = 65_536
"""Senders that each policy remembers. Beyond it, the sender that was away for longest is forgotten; what this process
has borrowed for it is lost."""
_ROUNDING: Final = 1e-6
_LOOKED_AT: Final = 2
"""Old senders that each request checks: more than the one that it may add, so that idle senders disappear."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A limit on requests.

    Attributes:
        name: as in the headers.
        quota: requests that may come at once, and in each window on average; 0 for no limit.
        window: seconds.
        exceptions: the quota of some senders, by id.
    """

    name: str
    quota: int
    window: int
    exceptions: Mapping[str, int] = field(default_factory=dict)

    def quota_of(self, sender: str) -> int:
        """The quota of this sender; 0 for no limit."""
        return self.exceptions.get(sender, self.quota)


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a sender under a policy.

    Attributes:
        name, quota, window: of the policy, for this sender.
        remaining: requests that the sender may send at once, as far as this process knows.
        reset: seconds until it may send its whole quota again.
        wait: seconds until it may send the next request; 0 if it may now.
    """

    name: str
    quota: int
    window: int
    remaining: int
    reset: int
    wait: int


@quick
@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to serve a request.

    Attributes:
        standings: the state under each policy that limits the sender; a served request is counted.
        retry_after: whole seconds until the next request may be served; None if this one is.
    """

    standings: Sequence[Standing]
    retry_after: int | None


UNLIMITED: Final = Decision((), None)
"""No policy limits the sender."""


class Senders:
    """The senders of one policy."""

    def __init__(self, policy: Policy, around: Surroundings) -> None:
        self.policy = policy
        self._around = around
        self._borrowers: OrderedDict[str, Borrower] = OrderedDict()

    def __len__(self) -> int:
        return len(self._borrowers)

    def __iter__(self) -> Iterator[Borrower]:
        return iter(self._borrowers.values())

    def get(self, sender: str) -> Borrower | None:
        """The part of this process in the bucket of the sender; None without a limit."""
        quota = self.policy.quota_of(sender)
        if not quota:
            return None
        found = self._borrowers.get(sender)
        if found is None:
            terms = Terms(self.policy.name, quota, self.policy.window)
            found = self._borrowers[sender] = Borrower(terms, sender, self._around)
        self._borrowers.move_to_end(sender)
        self._forget(sender)
        return found

    def _forget(self, present: str) -> None:
        for _ in range(_LOOKED_AT):
            oldest, borrower = next(iter(self._borrowers.items()))
            is_over = len(self._borrowers) > MAX_SENDERS and not borrower.is_busy
            if oldest == present or not (borrower.is_idle or is_over):
                return
            del self._borrowers[oldest]


class Rates:
    """The limits on requests that create imports.

    Args:
        records: keep the buckets that the processes share.
        clock: of the document store.
        issuers: for each issuer.
        organizations: for each organisation, over all of its issuers.
        processes: of this service on this machine; while the database is away, each has a part of every quota.
        now: gives monotonic seconds.
        rng: see ``Surroundings``.
    """

    def __init__(
        self,
        records: RecordStore,
        clock: Clock,
        issuers: Policy,
        organizations: Policy,
        *,
        processes: int = 1,
        now: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        outage = Outage("the request limits of all processes")
        lending = Lending(records, clock)
        self._around = Surroundings(
            lending, processes, now, rng or random.SystemRandom(), failed=outage.failed, worked=outage.worked
        )
        self._issuers = Senders(issuers, self._around)
        self._organizations = Senders(organizations, self._around)

    def take_over(self, issuers: Policy, organizations: Policy) -> None:
        """Judge by other policies from now on. A sender whose limit has changed begins with a full bucket."""
        if issuers != self._issuers.policy:
            self._issuers = Senders(issuers, self._around)
        if organizations != self._organizations.policy:
            self._organizations = Senders(organizations, self._around)

    async def admit(self, issuer_id: str, organization_id: str) -> Decision:
        """Decide on a request. A refused request counts under no policy. See ``Borrower.take`` for how long it waits;
        a database that is away makes no request wait for long.
        """
        senders = (self._issuers.get(issuer_id), self._organizations.get(organization_id))
        limited = [one for one in senders if one is not None]
        if not limited:
            return UNLIMITED
        is_served = not any(one.wait() for one in limited) and await _taken(limited)
        standings = [_standing(one) for one in limited]
        return Decision(standings, None if is_served else max(1, *(one.wait for one in standings)))

    async def close(self) -> None:
        """Ask the database no more. What this process has borrowed is lost. May be called twice."""
        for senders in (self._issuers, self._organizations):
            await asyncio.gather(*(one.close() for one in senders))


async def _taken(limited: Sequence[Borrower]) -> bool:
    """Take a request of each, or of none."""
    taken: list[tuple[Borrower, float]] = []
    for one in limited:
        if not await one.take():
            for other, lent_at in taken:
                other.give_back(lent_at)
            return False
        taken.append((one, one.lent_at))
    return True


def _standing(borrower: Borrower) -> Standing:
    terms = borrower.terms
    missing = borrower.missing()
    wait = borrower.wait()
    # A tiny fraction of a request or of a second is a rounding error.
    remaining = 0 if wait else math.floor(terms.quota - missing + _ROUNDING)
    return Standing(*terms, remaining, _whole(missing / terms.rate), _whole(wait))


def _whole(seconds: float) -> int:
    """Seconds, rounded up; 0 stays 0."""
    return max(math.ceil(seconds - _ROUNDING), int(seconds > 0))


def rate_limit_headers(standings: Sequence[Standing]) -> Mapping[str, str]:
    """The fields of draft-ietf-httpapi-ratelimit-headers-10; empty without a limit."""
    if not standings:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{one.name}";q={one.quota};w={one.window}' for one in standings),
        "RateLimit": ", ".join(f'"{one.name}";r={one.remaining};t={one.reset}' for one in standings),
    }
