"""How many requests an issuer, and an organisation, may send: a token bucket for each, in this process's memory.

A bucket is kept as one number, the moment at which it is full again (the generic cell rate algorithm). One that is full
is as good as none, and is forgotten: what is kept are the senders of the last window, ``MAX_BUCKETS`` of them at most.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

MAX_BUCKETS = 65_536
"""Senders that are remembered; beyond them the one that was away for longest begins anew."""
_ROUNDING = 1e-6
_LOOKED_AT = 2
"""How many old buckets each request looks at: more than the one that it may add, so that idle ones do go."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How much is allowed.

    Attributes:
        name: as headers name it.
        quota: requests that may come at once, and in each window in the long run; 0 sets no limit.
        window: seconds.
        exceptions: the quota of some senders, by their id.
    """

    name: str
    quota: int
    window: int
    exceptions: Mapping[str, int] = field(default_factory=dict)

    def quota_of(self, sender: str) -> int:
        """What this sender may send in a window; 0 for no limit."""
        return self.exceptions.get(sender, self.quota)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a sender stands under a policy.

    Attributes:
        name, quota, window: of the policy, for this sender.
        remaining: requests that it may send at once.
        reset: seconds until it may send its whole quota again.
        wait: seconds until it may send one more, at least 1; 0 where it may now.
    """

    name: str
    quota: int
    window: int
    remaining: int
    reset: int
    wait: int


class Buckets:
    """The buckets of one policy. Nothing here waits or blocks.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, policy: Policy, now: Callable[[], float]) -> None:
        self._policy = policy
        self._now = now
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def look(self, sender: str) -> Standing | None:
        """Where the sender stands; None where no limit is set for it."""
        quota = self._policy.quota_of(sender)
        if not quota:
            return None
        window = self._policy.window
        missing = max(0.0, self._full_at.get(sender, 0.0) - self._now())
        interval = window / quota
        # The least fraction of a request, or of a second, is rounding.
        remaining = math.floor((window - missing) / interval + _ROUNDING)
        wait = 0.0 if remaining else max(_ROUNDING, missing + interval - window)
        return Standing(self._policy.name, quota, window, remaining, _whole(missing), _whole(wait))

    def take(self, sender: str) -> None:
        """Count a request of a sender that has a limit."""
        now = self._now()
        full_at = max(now, self._full_at.pop(sender, 0.0))
        self._full_at[sender] = full_at + self._policy.window / self._policy.quota_of(sender)
        self._forget(now)

    def _forget(self, now: float) -> None:
        for _ in range(_LOOKED_AT):
            oldest, full_at = next(iter(self._full_at.items()))
            if full_at > now and len(self._full_at) <= MAX_BUCKETS:
                # Others may be full already; none stays longer than a window behind this one.
                return
            del self._full_at[oldest]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request may be served.

    Attributes:
        standings: under each policy that limits its sender, the request itself counted where it may be served.
        retry_after: whole seconds after which another may be served; None where this one may be.
    """

    standings: Sequence[Standing]
    retry_after: int | None


class Rates:
    """The limits on requests to create imports.

    Args:
        issuers: for each issuer.
        organizations: for each organisation, all its issuers together.
        now: monotonic seconds.
    """

    def __init__(self, issuers: Policy, organizations: Policy, now: Callable[[], float] = time.monotonic) -> None:
        self._issuers = Buckets(issuers, now)
        self._organizations = Buckets(organizations, now)

    def admit(self, issuer_id: str, organization_id: str) -> Decision:
        """Decide on a request; one that is refused counts under no policy."""
        senders = ((self._issuers, issuer_id), (self._organizations, organization_id))
        limited = [(buckets, sender, found) for buckets, sender in senders if (found := buckets.look(sender))]
        wait = max((found.wait for _, _, found in limited), default=0)
        if wait:
            return Decision([found for _, _, found in limited], wait)
        for buckets, sender, _ in limited:
            buckets.take(sender)
        return Decision([found for buckets, sender, _ in limited if (found := buckets.look(sender))], None)


def _whole(seconds: float) -> int:
    """Seconds, rounded up; none only where there are none."""
    return max(math.ceil(seconds - _ROUNDING), int(seconds > 0))


def rate_limit_headers(standings: Sequence[Standing]) -> Mapping[str, str]:
    """The fields of draft-ietf-httpapi-ratelimit-headers-10; none where nothing is limited."""
    if not standings:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{one.name}";q={one.quota};w={one.window}' for one in standings),
        "RateLimit": ", ".join(f'"{one.name}";r={one.remaining};t={one.reset}' for one in standings),
    }
