"""Request rates of issuers and organisations: a token bucket for each, in this process's memory.

A bucket is one number, the moment at which it is full again (the generic cell rate algorithm). A full bucket is
forgotten, so memory holds the senders of the last window only, at most ``MAX_BUCKETS``.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

MAX_BUCKETS = 65_536
"""Number of remembered senders; beyond it, the sender that was away for longest starts with a full bucket."""
_ROUNDING = 1e-6
_LOOKED_AT = 2
"""Old buckets that each request checks: more than the one bucket that it may add, so that idle buckets disappear."""


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
        remaining: requests that the sender may send at once.
        reset: seconds until it may send its whole quota again.
        wait: seconds until it may send the next request, at least 1; 0 if it may now.
    """

    name: str
    quota: int
    window: int
    remaining: int
    reset: int
    wait: int


class Buckets:
    """The buckets of one policy. No method waits or blocks.

    Args:
        now: gives monotonic seconds.
    """

    def __init__(self, policy: Policy, now: Callable[[], float]) -> None:
        self.policy = policy
        self._now = now
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def look(self, sender: str) -> Standing | None:
        """The state of the sender; None without a limit."""
        quota = self.policy.quota_of(sender)
        if not quota:
            return None
        window = self.policy.window
        missing = max(0.0, self._full_at.get(sender, 0.0) - self._now())
        interval = window / quota
        # A tiny fraction of a request or of a second is a rounding error.
        remaining = math.floor((window - missing) / interval + _ROUNDING)
        wait = 0.0 if remaining else max(_ROUNDING, missing + interval - window)
        return Standing(self.policy.name, quota, window, remaining, _whole(missing), _whole(wait))

    def take(self, sender: str) -> None:
        """Count a request of a sender with a limit."""
        now = self._now()
        full_at = max(now, self._full_at.pop(sender, 0.0))
        self._full_at[sender] = full_at + self.policy.window / self.policy.quota_of(sender)
        self._forget(now)

    def _forget(self, now: float) -> None:
        for _ in range(_LOOKED_AT):
            oldest, full_at = next(iter(self._full_at.items()))
            if full_at > now and len(self._full_at) <= MAX_BUCKETS:
                # Older buckets may be full; none stays longer than a window behind this one.
                return
            del self._full_at[oldest]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to serve a request.

    Attributes:
        standings: the state under each policy that limits the sender; a served request is counted.
        retry_after: whole seconds until the next request may be served; None if this one is.
    """

    standings: Sequence[Standing]
    retry_after: int | None


class Rates:
    """The limits on requests that create imports.

    Args:
        issuers: for each issuer.
        organizations: for each organisation, over all of its issuers.
        now: gives monotonic seconds.
    """

    def __init__(self, issuers: Policy, organizations: Policy, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._issuers = Buckets(issuers, now)
        self._organizations = Buckets(organizations, now)

    def take_over(self, issuers: Policy, organizations: Policy) -> None:
        """Judge by other policies from now on. Under a changed policy, every sender begins with a full bucket."""
        if issuers != self._issuers.policy:
            self._issuers = Buckets(issuers, self._now)
        if organizations != self._organizations.policy:
            self._organizations = Buckets(organizations, self._now)

    def admit(self, issuer_id: str, organization_id: str) -> Decision:
        """Decide on a request. A refused request counts under no policy."""
        senders = ((self._issuers, issuer_id), (self._organizations, organization_id))
        limited = [(buckets, sender, found) for buckets, sender in senders if (found := buckets.look(sender))]
        wait = max((found.wait for _, _, found in limited), default=0)
        if wait:
            return Decision([found for _, _, found in limited], wait)
        for buckets, sender, _ in limited:
            buckets.take(sender)
        return Decision([found for buckets, sender, _ in limited if (found := buckets.look(sender))], None)


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
